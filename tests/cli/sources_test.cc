// What a person does about sources on the command line, against both daemons.

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/text.h"
#include "tests/cli/daemons.h"

namespace dmarcate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::CommandResult;
using testing_support::WaitUntil;

MATCHER_P2(Ends, exit_code, output, "") {
  *result_listener << "exit code " << arg.exit_code << ", output:\n" << arg.output;
  return arg.exit_code == exit_code &&
         testing::Matches(testing::Matcher<std::string>(output))(arg.output);
}

void Replace(std::string& text, const std::string& from, const std::string& to) {
  ASSERT_NE(text.find(from), std::string::npos) << from;
  text.replace(text.find(from), from.size(), to);
}

// review.test with ten messages of its own and five of a sender that nobody has described.
class SourcesTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(daemons_.StartIngestd().ok());
    Import("own.xml", ingest_testing::MakeReportXml("review.test", "a", {7, 3}));
    std::string other = ingest_testing::MakeReportXml("review.test", "b", {5});
    Replace(other, "<auth_results><dkim><domain>review.test",
            "<auth_results><dkim><domain>mailer.example");
    Replace(other, "<dkim>pass</dkim>", "<dkim>fail</dkim>");
    Replace(other, "192.0.2.1", "198.51.100.9");
    Import("other.xml", other);
    ASSERT_TRUE(daemons_.StartPolicyd().ok());
    ASSERT_EQ(Run({"domains", "add", "review.test"}).exit_code, 0);
    ASSERT_TRUE(WaitUntil([this] {
      return HasBoth(Run(InDays({"sources", "list", "review.test", "-o", "name"})).output);
    }));
  }
  static bool HasBoth(const std::string& text) {
    return text.find("sources/own-review.test") != std::string::npos &&
           text.find("sources/dkim-mailer.example") != std::string::npos;
  }
  void Import(const std::string& name, const std::string& content) {
    ASSERT_EQ(Run({"reports", "import", daemons_.directory().Write(name, content)}).exit_code, 0);
  }
  static std::vector<std::string> InDays(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--from", "2025-12-30", "--to", "2026-01-03"});
    return arguments;
  }
  CommandResult Run(std::vector<std::string> arguments) const {
    return daemons_.Run(std::move(arguments));
  }
  // Types `keys`, each with Enter.
  CommandResult Review(const std::string& keys, std::vector<std::string> more = {"--yes"}) const {
    std::vector<std::string> arguments = InDays({"sources", "review", "review.test"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<std::string> argv = {"/bin/sh", "-c",
                                     "for key in " + keys + "; do echo $key; done | \"$@\"", "sh"};
    for (std::string& word : daemons_.Command(std::move(arguments))) {
      argv.push_back(std::move(word));
    }
    const auto result = testing_support::RunCommand(std::move(argv));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : CommandResult{-1, ""};
  }
  cli_testing::Daemons daemons_;
};

TEST_F(SourcesTest, ReviewShowsTheEvidenceFirstAndKeepsNothingBeforeTheEnd) {
  EXPECT_THAT(Review("q"), Ends(0, AllOf(HasSubstr("1 of 2: "), HasSubstr("(own-review.test)"),
                                         HasSubstr("10 messages carry a DKIM pass of review.test"),
                                         HasSubstr("If it is yours, approve it"),
                                         HasSubstr("nothing was decided"))));
  // The second one has no proposal, so it cannot be approved with one key.
  EXPECT_THAT(Review("s a q"), Ends(0, AllOf(HasSubstr("(dkim-mailer.example)"),
                                             HasSubstr("nothing can be proposed for it"),
                                             HasSubstr("nothing was decided"))));
  EXPECT_THAT(Review("a r", {}), Ends(1, HasSubstr("--yes"))) << "nobody has said yes";
  EXPECT_THAT(Review("a r", {"--yes", "--dry-run"}), Ends(0, HasSubstr("nothing was kept")));
  EXPECT_THAT(Run(InDays({"sources", "list", "review.test", "-o", "csv"})),
              Ends(0, AllOf(HasSubstr("own-review.test,pending"),
                            HasSubstr("dkim-mailer.example,pending"))));
}

TEST_F(SourcesTest, ReviewKeepsWhatWasDecidedAndTellsOfThePlan) {
  EXPECT_THAT(Review("x i e r u a r"),
              Ends(0, AllOf(HasSubstr("a approve, r reject"), HasSubstr("192.0.2.1"),
                            HasSubstr("anchors: none has seen it"),
                            HasSubstr("approve own-review.test\nreject  dkim-mailer.example"),
                            HasSubstr("the decisions are kept; no plan was made"))));
  EXPECT_THAT(Run(InDays({"sources", "list", "review.test", "-o", "csv"})),
              Ends(0, AllOf(HasSubstr("own-review.test,approved"),
                            HasSubstr("dkim-mailer.example,rejected"))));
  EXPECT_THAT(Review("q"), Ends(0, HasSubstr("nothing is pending")));
}

TEST_F(SourcesTest, MergeSplitAndUngroup) {
  EXPECT_THAT(Run({"sources", "merge", "dkim-mailer.example", "--into", "own-review.test"}),
              Ends(2, HasSubstr("--domain")));
  EXPECT_THAT(Run({"sources", "merge", "dkim-mailer.example", "--into", "own-review.test",
                   "--domain", "review.test", "--note", "=1+1"}),
              Ends(0, HasSubstr("own-review.test")));
  EXPECT_THAT(Run({"sources", "split", "own-review.test", "--as", "office", "--range",
                   "192.0.2.2,2001:db8::/64", "--domain", "review.test"}),
              Ends(0, HasSubstr("split-office")));
  EXPECT_THAT(
      Run({"sources", "groupings", "review.test", "-o", "csv"}),
      Ends(0, AllOf(HasSubstr("dkim-mailer.example,own-review.test,all,"), HasSubstr("\"'=1+1\""),
                    HasSubstr("own-review.test,split-office,192.0.2.2/32 2001:db8::/64,"))));
  EXPECT_THAT(Run(InDays({"sources", "list", "review.test", "-o", "csv"})),
              Ends(0, AllOf(HasSubstr("own-review.test,pending,internal,12,"),
                            HasSubstr("split-office,pending"), HasSubstr(",3,"),
                            Not(HasSubstr("dkim-mailer.example,")))));
  for (const char* source : {"dkim-mailer.example", "split-office"}) {
    EXPECT_THAT(Run({"sources", "ungroup", source, "--domain", "review.test"}),
                Ends(0, HasSubstr(source)));
  }
  EXPECT_THAT(Run({"sources", "ungroup", "split-office", "--domain", "review.test"}),
              Ends(5, AllOf(HasSubstr("RESOURCE_NOT_FOUND"),
                            HasSubstr("dmarcate sources groupings review.test"))));
  EXPECT_THAT(Run({"sources", "ungroup", "split-office", "--domain", "nobodys.test"}),
              Ends(5, HasSubstr("dmarcate domains add nobodys.test")));
  EXPECT_TRUE(HasBoth(Run(InDays({"sources", "list", "review.test", "-o", "name"})).output));
}

TEST_F(SourcesTest, AnEmptyTableIsExplained) {
  const std::vector<std::vector<std::string>> commands = {
      {"sources", "list", "review.test"},
      {"stats", "timeline", "review.test"},
      {"stats", "breakdown", "review.test", "--by", "source"},
      {"simulate", "review.test", "--p", "reject"}};
  for (std::vector<std::string> command : commands) {
    EXPECT_THAT(Run(InDays(command)), Ends(0, Not(HasSubstr("no reports about it"))));
    command.insert(command.end(), {"--from", "2025-06-01", "--to", "2025-06-02"});
    EXPECT_THAT(Run(std::move(command)), Ends(0, HasSubstr("no reports about it in these days")));
  }
  EXPECT_THAT(Run(InDays({"sources", "list", "review.test", "--state", "rejected"})),
              Ends(0, AllOf(HasSubstr("no source in that state"), Not(HasSubstr("no reports")))));
}

TEST_F(SourcesTest, SimulateTellsOfSourcesWithoutMail) {
  EXPECT_THAT(Run(InDays({"simulate", "review.test", "--p", "reject", "--sign",
                          "dkim-mailer.exampel,own-review.test"})),
              Ends(0, AllOf(HasSubstr("no mail of dkim-mailer.exampel in these days"),
                            Not(HasSubstr("no mail of own-review.test")))));
}

TEST_F(SourcesTest, AServiceOfOnesOwnNamesItsMailAtOnceAndAfterARestart) {
  const std::vector<std::string> names = InDays({"sources", "list", "review.test", "-o", "name"});
  const auto add = [](std::vector<std::string> more) {
    std::vector<std::string> out = {"catalogue",
                                    "add",
                                    "mailer",
                                    "--name",
                                    "=Mailer",
                                    "--kind",
                                    "marketing",
                                    "--dkim-domain",
                                    "mailer.example",
                                    "--selector",
                                    "m#,mailer-current",
                                    "--spf",
                                    "return_path"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  };
  EXPECT_THAT(Run({"catalogue", "get", "mailer"}), Ends(5, HasSubstr("RESOURCE_NOT_FOUND")));
  EXPECT_THAT(Run(add({"--dry-run"})), Ends(0, HasSubstr("checked only; nothing was kept")));
  EXPECT_THAT(Run(add({"--range", "10.0.0.0/8"})), Ends(2, HasSubstr("10.0.0.0/8")));
  EXPECT_TRUE(HasBoth(Run(names).output));
  ASSERT_THAT(Run(add({})), Ends(0, AllOf(HasSubstr("=Mailer (mailer), marketing, api"),
                                          HasSubstr("m# mailer-current"))));
  EXPECT_THAT(Run(add({})), Ends(7, HasSubstr("RESOURCE_EXISTS")));
  EXPECT_THAT(Run(names), Ends(0, AllOf(HasSubstr("sources/mailer"), HasSubstr("sources/own-"),
                                        Not(HasSubstr("dkim-mailer.example")))));

  ASSERT_THAT(Run({"catalogue", "set", "mailer", "--name", "Mailer", "--selector", ""}),
              Ends(0, AllOf(HasSubstr("Mailer (mailer)"), HasSubstr("mailer.example"),
                            Not(HasSubstr("mailer-current")))));
  EXPECT_THAT(Run({"catalogue", "set", "mailer"}), Ends(2, HasSubstr("nothing to change")));
  EXPECT_THAT(Run({"catalogue", "set", "sendgrid", "--name", "Other"}),
              Ends(5, AllOf(HasSubstr("RESOURCE_NOT_FOUND"), HasSubstr("catalogue add"))));
  EXPECT_THAT(Run({"catalogue", "list", "--origin", "api", "-o", "csv"}),
              Ends(0, AllOf(HasSubstr("mailer,Mailer,marketing,api,custom_return_path"),
                            Not(HasSubstr("sendgrid")))));
  EXPECT_THAT(Run({"catalogue", "list", "--limit", "1000"}),
              Ends(0, AllOf(HasSubstr("sendgrid"), HasSubstr("shipped"))));

  daemons_.KillPolicyd();
  ASSERT_TRUE(daemons_.StartPolicyd().ok());
  EXPECT_TRUE(
      WaitUntil([&] { return Run(names).output.find("sources/mailer") != std::string::npos; }));
  EXPECT_THAT(Run({"catalogue", "remove", "mailer", "--dry-run"}),
              Ends(0, HasSubstr("it is still there")));
  EXPECT_THAT(Run({"catalogue", "remove", "mailer"}), Ends(0, HasSubstr("removed")));
  EXPECT_TRUE(HasBoth(Run(names).output));
}

}  // namespace
}  // namespace dmarcate
