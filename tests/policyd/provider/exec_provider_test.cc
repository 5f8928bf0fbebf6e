// A program that is broken or lies: what is not certain is said to be unknown, and its secret is in
// no message.

#include "policyd/provider/exec/exec_provider.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::IsOk;
using testing_support::StatusIs;

constexpr char kSecret[] = "s3cret-never-seen";

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }
std::vector<TxtRecord> Records(std::string_view text) { return {MakeTxtRecord(text)}; }

// Keeps one record in a file, and does as it is told for each operation.
class ExecProviderTest : public testing::Test {
 protected:
  // Each is a piece of shell; empty: what an honest program does.
  ExecProvider Provider(const std::string& read, const std::string& write = "",
                        const std::string& test = "",
                        ProviderClass provider_class = ProviderClass::kC,
                        absl::Duration limit = absl::Seconds(5)) {
    const std::string keeps = directory_.File("keeps");
    const std::string script =
        "#!/bin/sh\nrequest=$(cat)\nkeeps=" + keeps +
        R"sh(
answer() { printf '{"version": 1, "result": %s}' "$1"; }
read_it() {
  if [ -s "$keeps" ]; then answer "{\"records\": [$(cat "$keeps")], \"ttl\": 300}"; else answer '{"records": []}'; fi
}
write_it() {
  printf '%s' "$request" | sed -n 's/.*"records":\[\([^]]*\)\].*/\1/p' | tr -d '\n' >"$keeps"
  answer '{"outcome": "written"}'
}
case "$request" in
  *'"list_zones"'*) answer '{"zones": ["example.test", "deep.example.test"]}';;
)sh" + "  *'\"read\"'*) " +
        (read.empty() ? "read_it" : read) + ";;\n  *'\"write\"'*) " +
        (write.empty() ? "write_it" : write) + ";;\n  *'\"test\"'*) " +
        (test.empty() ? R"(answer '{"zones": ["example.test"], "class": "C"}')" : test) +
        ";;\nesac\n";
    const std::string path = directory_.Write("program", script);
    EXPECT_EQ(chmod(path.c_str(), 0755), 0);
    return {"mine", ExecProgram{{path}, limit}, provider_class, Secret(kSecret)};
  }
  absl::Status Apply(ExecProvider& provider) {
    return provider.Apply(Name("example.test"), {Name("a.example.test"), {}, Records("x"), 300});
  }
  testing_support::TempDir directory_;
};

TEST_F(ExecProviderTest, AnHonestProgramWorks) {
  ExecProvider provider = Provider("");
  EXPECT_EQ(provider.FindZone(Name("x.deep.example.test")).value(), Name("deep.example.test"));
  EXPECT_THAT(Apply(provider), IsOk());
  EXPECT_THAT(Apply(provider), IsOk());
  EXPECT_EQ(provider.ReadRrSet(Name("example.test"), Name("a.example.test"))->records,
            Records("x"));
  EXPECT_EQ(provider.Test().state, ProviderTest::State::kWorking) << provider.Test().message;
}

struct HostileCase {
  std::string name, what;
  absl::StatusCode of_read, of_write;
  std::string message;
};
class HostileProgramTest : public ExecProviderTest,
                           public testing::WithParamInterface<HostileCase> {};
TEST_P(HostileProgramTest, NothingIsTakenForCertain) {
  const HostileCase& c = GetParam();
  ExecProvider reads = Provider(c.what, "", "", ProviderClass::kC, absl::Milliseconds(700));
  const absl::Status read = reads.ReadRrSet(Name("example.test"), Name("a.example.test")).status();
  EXPECT_THAT(read, StatusIs(c.of_read, HasSubstr(c.message)));
  EXPECT_THAT(Apply(reads), StatusIs(c.of_read)) << "written without reading";
  EXPECT_THAT(std::string(read.message()), Not(HasSubstr(kSecret)));
  ExecProvider writes = Provider("", c.what, "", ProviderClass::kC, absl::Milliseconds(700));
  const absl::Status write = Apply(writes);
  EXPECT_THAT(write, StatusIs(c.of_write, HasSubstr(c.message)));
  EXPECT_THAT(std::string(write.message()), Not(HasSubstr(kSecret)));
}
constexpr auto kUnavailable = absl::StatusCode::kUnavailable;
constexpr auto kUnknown = absl::StatusCode::kUnknown;
constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
INSTANTIATE_TEST_SUITE_P(
    All, HostileProgramTest,
    testing::ValuesIn(std::vector<HostileCase>{
        {"Hangs", "sleep 1000", kUnavailable, kUnknown, "time limit"},
        {"HangsWithChildren", "trap '' TERM; sleep 1000 & sleep 1000 & wait", kUnavailable,
         kUnknown, "time limit"},
        {"Floods", "exec cat /dev/zero", kDataLoss, kUnknown, "says more"},
        {"FloodsErrors", "exec cat /dev/zero >&2", kDataLoss, kUnknown, "says more"},
        {"Garbage", "head -c 1000 /dev/urandom", kDataLoss, kUnknown, "its answer"},
        {"SaysNothing", ":", kDataLoss, kUnknown, "nothing on standard output"},
        {"Exits", "echo broken >&2; exit 4", kUnavailable, kUnknown, "exit status 4: broken"},
        {"AnswersAndExits", "write_it; exit 4", kUnavailable, kUnknown, "exit status 4"},
        {"Crashes", "kill -SEGV $$", kUnavailable, kUnknown, "signal 11"},
        {"AnswersAnotherQuestion", "answer '{\"zones\": []}'", kDataLoss, kUnknown, "zones"},
        {"TellsItsSecret", "cat <&3 >&2; exit 4", kUnavailable, kUnknown, "(secret)"},
        {"TellsItsSecretInBase64", "base64 <&3 >&2; exit 4", kUnavailable, kUnknown, "(secret)"},
        {"TellsItInTheAnswer",
         "printf '{\"version\": 1, \"error\": {\"code\": \"denied\", \"message\": \"key "
         "%s\"}}' \"$(cat <&3)\"",
         absl::StatusCode::kPermissionDenied, absl::StatusCode::kPermissionDenied, "key (secret)"},
        {"TellsItFarDown",
         "head -c 16374 /dev/zero | tr '\\0' x >&2; cat <&3 >&2; head -c 999 /dev/zero >&2; exit 4",
         kUnavailable, kUnknown, "(secret)"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(ExecProviderTest, WhatItSaysWasWrittenIsReadBack) {
  ExecProvider lies = Provider("", R"(answer '{"outcome": "written"}')");
  EXPECT_THAT(Apply(lies), StatusIs(absl::StatusCode::kUnknown, HasSubstr("does not hold it")));
  // It wrote something else.
  ExecProvider errs =
      Provider("", R"(printf '"\\"y\\""' >$keeps; answer '{"outcome": "written"}')");
  EXPECT_THAT(Apply(errs), StatusIs(absl::StatusCode::kUnknown, HasSubstr("does not hold it")));
}

TEST_F(ExecProviderTest, AConflictThatIsOurOwnRecordIsNone) {
  ExecProvider slow = Provider(
      "",
      R"(write_it >/dev/null; printf '{"version": 1, "error": {"code": "conflict", "message": "m"}}')");
  EXPECT_THAT(Apply(slow), IsOk());
  directory_.Write("keeps", "");
  ExecProvider conflict =
      Provider("", R"(printf '{"version": 1, "error": {"code": "conflict", "message": "m"}}')");
  EXPECT_THAT(Apply(conflict), StatusIs(absl::StatusCode::kAborted));
}

TEST_F(ExecProviderTest, ATestFindsAPromiseThatIsTooGood) {
  ExecProvider provider = Provider("", "", "", ProviderClass::kA);
  const ProviderTest test = provider.Test();
  EXPECT_EQ(test.state, ProviderTest::State::kMisconfigured);
  EXPECT_THAT(test.message, HasSubstr("class C only"));
  ExecProvider blind = Provider("exit 1");
  EXPECT_EQ(blind.Test().state, ProviderTest::State::kUnreachable) << blind.Test().message;
  ExecProvider empty = Provider("", "", R"(answer '{"zones": [], "class": "C"}')");
  EXPECT_EQ(empty.Test().state, ProviderTest::State::kMisconfigured);
  ExecProvider refused =
      Provider("", "", R"(printf '{"version": 1, "error": {"code": "denied", "message": "m"}}')");
  EXPECT_EQ(refused.Test().state, ProviderTest::State::kCredentialRefused);
}

TEST_F(ExecProviderTest, AProgramThatIsGoneChangesNothing) {
  ExecProvider gone("gone", ExecProgram{{"/nowhere/program"}}, ProviderClass::kC, Secret());
  EXPECT_THAT(Apply(gone), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(gone.Test().state, ProviderTest::State::kMisconfigured);
}

}  // namespace
}  // namespace dmarcate
