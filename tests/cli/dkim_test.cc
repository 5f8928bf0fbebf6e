// DKIM keys by the command line: a real name server, reports that were imported, both daemons.

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/cli/daemons.h"
#include "tests/testing/process.h"
#include "tests/testing/servers.h"

namespace dmarcate {
namespace {

using cli_testing::Daemons;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing_support::CommandResult;
using testing_support::MakeZone;
using testing_support::RealBind;
using testing_support::WaitUntil;
using Json = nlohmann::json;

// A report of yesterday: two messages that pass with s1, and three that fail with s3.
std::string ReportOfYesterday() {
  std::string xml = ingest_testing::MakeReportXml("example.test", "a", {2, 3});
  const auto replace = [&xml](const std::string& from, const std::string& to, size_t after = 0) {
    const size_t at = xml.find(from, after);
    ASSERT_NE(at, std::string::npos) << from;
    xml.replace(at, from.size(), to);
  };
  const int64_t day = absl::ToUnixSeconds(absl::Now()) / 86'400 * 86'400 - 86'400;
  replace("1767225600", std::to_string(day));
  replace("1767311999", std::to_string(day + 86'399));
  const size_t second = xml.rfind("<record>");
  replace("<dkim>pass", "<dkim>fail", second);
  replace("<selector>s1</selector><result>pass", "<selector>s3</selector><result>fail", second);
  return xml;
}

TEST(DkimTest, EachSelectorIsToldWithItsKeyAndItsMessages) {
  auto bind = RealBind::Start({MakeZone("example.test",
                                        "s1._domainkey TXT \"v=DKIM1; k=ed25519; t=s; "
                                        "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n"
                                        "s2._domainkey TXT \"v=DKIM1; p=\"\n")});
  ASSERT_TRUE(bind.ok()) << bind.status();
  Daemons daemons;
  ASSERT_TRUE(daemons.StartIngestd().ok());
  ASSERT_TRUE(daemons
                  .StartPolicyd("", fmt::format("[[dns.stub]]\nzone = \"example.test\"\n"
                                                "servers = [\"{}\"]\n",
                                                (*bind)->server()))
                  .ok());
  const std::string file = daemons.directory().Write("a.xml", ReportOfYesterday());
  ASSERT_EQ(daemons.Run({"reports", "import", file}).exit_code, 0);
  ASSERT_EQ(daemons.Run({"domains", "add", "example.test"}).exit_code, 0);
  const std::vector<std::string> command = {
      "records", "dkim", "example.test", "--selector", "s2", "--selector", "s3"};
  CommandResult result;
  EXPECT_TRUE(WaitUntil([&] {  // policyd has seen the report
    result = daemons.Run(command);
    return result.output.find("s1 ") != std::string::npos;
  })) << result.output;
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output,
              AllOf(ContainsRegex("s1 +usable +ed25519 +256 +t=s +2 +2 +0 +pass"),
                    ContainsRegex("s2 +revoked +rsa +- +- +0 +0 +0 +warn"),
                    ContainsRegex("s3 +absent +- +- +- +3 +0 +3 +fail"),
                    HasSubstr("warning DKIM_KEY_REVOKED_IN_USE"), HasSubstr("error DKIM_MISSING"),
                    HasSubstr("fix: Publish the key, or stop signing with this selector.")));
  std::vector<std::string> as_json = command;
  as_json.insert(as_json.end(), {"-o", "json"});
  result = daemons.Run(as_json);
  const Json json = Json::parse(result.output, nullptr, false);
  ASSERT_TRUE(json.is_object()) << result.output;
  ASSERT_EQ(json["records"].size(), 3u);
  const Json& key = json["records"][1]["dkim_key"];
  EXPECT_EQ(key["selector"], "s3");
  EXPECT_EQ(key["state"], "DKIM_KEY_STATE_ABSENT");
  EXPECT_EQ(key["signatures"]["fail_count"], "3");
}

}  // namespace
}  // namespace dmarcate
