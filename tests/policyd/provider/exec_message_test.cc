#include "policyd/provider/exec/exec_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::StatusIs;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

TEST(ExecRequestTest, AreWhatTheManualSays) {
  const auto expect = [](const std::string& request, const char* want) {
    EXPECT_EQ(nlohmann::json::parse(request), nlohmann::json::parse(want)) << request;
  };
  expect(ExecListZonesRequest(), R"({"version": 1, "operation": "list_zones"})");
  expect(ExecTestRequest(), R"({"version": 1, "operation": "test"})");
  expect(ExecReadRequest(Name("example.com"), Name("_dmarc.example.com")),
         R"({"version": 1, "operation": "read", "zone": "example.com",
             "name": "_dmarc.example.com", "type": "TXT"})");
  const TxtRecord odd{{"a\"b", "\\c\xff", ""}};
  const RrSetChange change{Name("example.com"), {}, {MakeTxtRecord("v=spf1 -all"), odd}, 300};
  expect(ExecWriteRequest(Name("example.com"), change, {odd}),
         R"({"version": 1, "operation": "write", "zone": "example.com", "name": "example.com",
             "type": "TXT", "expected": ["\"a\\\"b\" \"\\\\c\\255\" \"\""],
             "records": ["\"v=spf1 -all\"", "\"a\\\"b\" \"\\\\c\\255\" \"\""], "ttl": 300})");
  expect(ExecWriteRequest(Name("example.com"), {Name("example.com"), {}, {}, 300}, {odd}),
         R"({"version": 1, "operation": "write", "zone": "example.com", "name": "example.com",
             "type": "TXT", "expected": ["\"a\\\"b\" \"\\\\c\\255\" \"\""], "records": []})");
}

TEST(ExecAnswerTest, AreReadAsTheManualSays) {
  EXPECT_EQ(ParseExecZones(R"({"version": 1, "result": {"zones": ["b.test", "A.test.", "b.test",
                               "..", "."]}})")
                .value(),
            (std::vector<DomainName>{Name("a.test"), Name("b.test")}));
  const ExecTest test =
      ParseExecTest(R"({"version": 1, "result": {"zones": [], "class": "B", "warnings": ["x\n"]}})")
          .value();
  EXPECT_EQ(test.provider_class, ProviderClass::kB);
  EXPECT_EQ(test.warnings, std::vector<std::string>{"x\\x0a"});
  const RrSet rrset =
      ParseExecRrSet(R"({"version": 1, "result": {"records": ["\"a\\\"b\" \"\\\\c\\255\" \"\""],
                         "ttl": 0}})")
          .value();
  EXPECT_EQ(rrset.records, std::vector<TxtRecord>({TxtRecord{{"a\"b", "\\c\xff", ""}}}));
  EXPECT_TRUE(ParseExecRrSet(R"({"version": 1, "result": {"records": []}})")->records.empty());
  EXPECT_THAT(ParseExecWritten(R"( {"version": 1, "result": {"outcome": "written"}} )"), IsOk());
  EXPECT_THAT(ParseExecWritten(R"({"version": 1, "result": {"outcome": "unchanged"}})"), IsOk());
}

// What is shown of an answer is searched for the secret afterwards: half of one would not be found.
TEST(ExecAnswerTest, NothingIsQuotedInPart) {
  const std::string key = "s3cret-" + std::string(60, 'k');
  for (const std::string& answer :
       {R"({"version": 1, "result": {"zones": [], ")" + key + R"(": 1}})",
        R"({"version": 1, "error": {"code": ")" + key + R"(", "message": "x"}})",
        R"({"version": 1, "result": {"zones": [], "class": ")" + key + R"("}})"}) {
    const absl::Status status = ParseExecTest(answer).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("of 67 octets")));
    EXPECT_THAT(std::string(status.message()), testing::Not(HasSubstr("s3cret")));
  }
}

struct ErrorCase {
  const char* code;
  absl::StatusCode of_read, of_write;
};
TEST(ExecAnswerTest, ErrorsHaveTheirCodes) {
  constexpr auto kNonsense = absl::StatusCode::kDataLoss;
  const ErrorCase cases[] = {
      {"unavailable", absl::StatusCode::kUnavailable, absl::StatusCode::kUnavailable},
      {"denied", absl::StatusCode::kPermissionDenied, absl::StatusCode::kPermissionDenied},
      {"no_zone", absl::StatusCode::kNotFound, absl::StatusCode::kNotFound},
      {"refused", absl::StatusCode::kInvalidArgument, absl::StatusCode::kInvalidArgument},
      {"cannot", absl::StatusCode::kFailedPrecondition, absl::StatusCode::kFailedPrecondition},
      // Of what a read changes nothing is unknown, and it has nothing to compare.
      {"conflict", kNonsense, absl::StatusCode::kAborted},
      {"unknown", kNonsense, absl::StatusCode::kUnknown},
      {"ok", kNonsense, kNonsense},
      {"Unavailable", kNonsense, kNonsense},
  };
  for (const ErrorCase& c : cases) {
    const std::string answer = std::string(R"({"version": 1, "error": {"code": ")") + c.code +
                               R"(", "message": "why\u001b[2J"}})";
    EXPECT_EQ(ParseExecRrSet(answer).status().code(), c.of_read) << c.code;
    EXPECT_EQ(ParseExecZones(answer).status().code(), c.of_read) << c.code;
    EXPECT_EQ(ParseExecWritten(answer).code(), c.of_write) << c.code;
    EXPECT_EQ(ParseExecRrSet(answer).status().message().find('\x1b'), std::string::npos);
  }
}

struct NonsenseCase {
  std::string name, answer, want;
};
class ExecNonsenseTest : public testing::TestWithParam<NonsenseCase> {};
TEST_P(ExecNonsenseTest, IsDataLossAndNeverAnEmptySet) {
  EXPECT_THAT(ParseExecRrSet(GetParam().answer),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(GetParam().want)));
}
std::string Result(const std::string& result) {
  return R"({"version": 1, "result": )" + result + "}";
}
INSTANTIATE_TEST_SUITE_P(
    All, ExecNonsenseTest,
    testing::ValuesIn(std::vector<NonsenseCase>{
        {"Nothing", "", "nothing"},
        {"Blanks", " \n", "nothing"},
        {"NoJson", "error: no such zone", "no JSON"},
        {"CutOff", R"({"version": 1, "result": {"records": [)", "no JSON"},
        {"TwoObjects", Result(R"({"records": []})") + Result(R"({"records": []})"), "no JSON"},
        {"TextBefore", "debug\n" + Result(R"({"records": []})"), "no JSON"},
        {"List", "[]", "no object"},
        {"NoVersion", R"({"result": {"records": []}})", "version"},
        {"VersionTwo", R"({"version": 2, "result": {"records": []}})", "version"},
        {"VersionAsText", R"({"version": "1", "result": {"records": []}})", "version"},
        {"Neither", R"({"version": 1})", "either"},
        {"Both", R"({"version": 1, "result": {"records": []}, "error": {"code": "x"}})", "either"},
        {"More", R"({"version": 1, "result": {"records": []}, "x": 1})", "\"x\""},
        {"MoreInResult", Result(R"({"records": [], "recods": []})"), "recods"},
        {"Twice", R"({"version": 1, "result": {"records": []}, "result": {"records": []}})",
         "twice"},
        {"RecordsTwice", Result(R"({"records": ["\"a\""], "ttl": 1, "records": []})"), "twice"},
        {"NoRecords", Result("{}"), "records"},
        {"NullRecords", Result(R"({"records": null})"), "records"},
        {"RecordIsNumber", Result(R"({"records": [1], "ttl": 300})"), "no text"},
        {"RecordIsBare", Result(R"({"records": ["v=spf1"], "ttl": 300})"), "quotes"},
        {"RecordIsEmpty", Result(R"({"records": [""], "ttl": 300})"), "quotes"},
        {"RecordNotClosed", Result(R"({"records": ["\"a\\\""], "ttl": 300})"), "record"},
        {"RecordTooLong",
         Result(R"({"records": ["\")" + std::string(256, 'x') + R"(\""], "ttl": 300})"), "record"},
        {"RecordTwice", Result(R"({"records": ["\"a\"", "\"a\""], "ttl": 300})"), "twice"},
        {"NoTtl", Result(R"({"records": ["\"a\""]})"), "ttl"},
        {"TtlAsText", Result(R"({"records": ["\"a\""], "ttl": "300"})"), "ttl"},
        {"TtlNegative", Result(R"({"records": ["\"a\""], "ttl": -1})"), "ttl"},
        {"TtlTooLong", Result(R"({"records": ["\"a\""], "ttl": 2147483648})"), "ttl"},
        {"TtlWithoutRecords", Result(R"({"records": [], "ttl": 300})"), "ttl"},
        {"ErrorWithoutMessage", R"({"version": 1, "error": {"code": "denied"}})", "message"},
        {"Deep", std::string(100'000, '['), "no JSON"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace dmarcate
