#include "lib/mailauth/tls_rpt_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/mailauth/syntax_error.h"
#include "tests/lib/mailauth/bad_case.h"
#include "tests/lib/mailauth/corpus.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Addresses(const TlsRptRecord& record) {
  std::vector<std::string> out;
  for (const TlsRptAddress& address : record.rua) out.push_back(address.uri.text);
  return out;
}

TEST(ParseTlsRpt, ReadsAddressesAndKeepsEveryByte) {
  const std::string text =
      "v=TLSRPTv1;\trua=mailto:a@x.test ,\thttps://x.test/r?a=b%2Cc ; Ext.1=of:them "
      ";rua=mailto:b@x.test; ";
  const auto record = ParseTlsRpt(text);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_THAT(Addresses(*record),
              ElementsAre("mailto:a@x.test", "https://x.test/r?a=b%2Cc", "mailto:b@x.test"));
  EXPECT_EQ(record->rua[0].uri.mailbox, "a@x.test");
  EXPECT_EQ(record->rua[1].uri.host, "x.test");
  EXPECT_EQ(text.substr(static_cast<size_t>(record->rua[1].position), 6), "https:");
  EXPECT_EQ(text.substr(static_cast<size_t>(record->rua[2].position), 8), "mailto:b");
  ASSERT_NE(record->list.Find("Ext.1"), nullptr);
  EXPECT_EQ(record->list.Find("Ext.1")->value, "of:them");
  EXPECT_EQ(record->list.Find("ext.1"), nullptr);
  EXPECT_EQ(record->Render(), text);
  EXPECT_EQ(ParseTlsRpt(record->Render()).value(), *record);
}

const std::string kLongName(33, 'a');
const BadCase kBad[] = {
    {"Empty", "", "begin with 'v=TLSRPTv1'", 0},
    {"OtherVersion", "v=TLSRPTv2; rua=mailto:a@x.test", "begin with", 0},
    {"VersionInLowerCase", "v=tlsrptv1; rua=mailto:a@x.test", "begin with", 0},
    {"BlankInFront", " v=TLSRPTv1; rua=mailto:a@x.test", "begin with", 0},
    {"VersionAlone", "v=TLSRPTv1;", "no field", 11},
    {"NoRua", "v=TLSRPTv1; ext=1", "no rua", 17},
    {"RuaInUpperCase", "v=TLSRPTv1; RUA=mailto:a@x.test", "no rua", 31},
    {"BlankBesideEquals", "v=TLSRPTv1; rua = mailto:a@x.test", "blank beside '='", 12},
    {"BlankBehindEquals", "v=TLSRPTv1; rua= mailto:a@x.test", "blank beside '='", 12},
    {"NoEquals", "v=TLSRPTv1; mailto:a@x.test", "no name=value", 12},
    {"EmptyItem", "v=TLSRPTv1; rua=mailto:a@x.test,,mailto:b@x.test", "no URI", 32},
    {"NoScheme", "v=TLSRPTv1; rua=a@x.test", "scheme", 16},
    {"SizeLimitOfDmarc", "v=TLSRPTv1; rua=mailto:a@x.test!10m", "no size limit", 16},
    {"BracketInAPath", "v=TLSRPTv1; rua=https://x.test/[1]", "no URI", 16},
    {"NoPort", "v=TLSRPTv1; rua=https://x.test:99999/", "no URI", 16},
    {"TwoSemicolons", "v=TLSRPTv1;; rua=mailto:a@x.test", "between two semicolons", 11},
    {"LongName", "v=TLSRPTv1; rua=mailto:a@x.test; " + kLongName + "=1", "at most 32", 33},
    {"EqualsInExtension", "v=TLSRPTv1; rua=mailto:a@x.test; a=b=c", "'='", 33},
    {"Control", "v=TLSRPTv1; rua=mailto:a@x.test; a=\x01", "visible ASCII", 33},
    {"NonAscii", "v=TLSRPTv1; rua=mailto:\xc3\xbc@x.test", "visible ASCII", 12},
    {"TooLong", "v=TLSRPTv1; rua=mailto:a@x.test; a=" + std::string(65535, 'b'), "longer", 65535},
};
class BadTlsRptTest : public testing::TestWithParam<BadCase> {};
TEST_P(BadTlsRptTest, SaysWhyAndWhere) {
  ExpectRefused(ParseTlsRpt(GetParam().text).status(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(All, BadTlsRptTest, testing::ValuesIn(kBad),
                         [](const auto& tested) { return tested.param.name; });

TEST(ParseTlsRpt, LimitsFieldsAndAddresses) {
  std::string text = "v=TLSRPTv1; rua=mailto:a@x.test";
  for (int i = 0; i < 99; ++i) text += ",mailto:a@x.test";
  EXPECT_EQ(ParseTlsRpt(text).value().rua.size(), 100u);
  EXPECT_THAT(std::string(MessageOf(ParseTlsRpt(text + ",mailto:a@x.test").status())),
              HasSubstr("more than 100 report addresses"));
  EXPECT_FALSE(ParseTlsRpt(text + "; rua=mailto:a@x.test").ok());
  for (int i = 0; i < 999; ++i) text += ";a=b";
  EXPECT_EQ(ParseTlsRpt(text).value().list.fields.size(), 1000u);
  EXPECT_THAT(std::string(MessageOf(ParseTlsRpt(text + ";a=b").status())),
              HasSubstr("more than 1000 fields"));
}

TEST(SelectTlsRpt, DropsWhatDoesNotBeginSo) {
  using Outcome = RecordSelection::Outcome;
  const std::string good = "v=TLSRPTv1; rua=mailto:a@x.test";
  const std::string blank = "v=TLSRPTv1 ; rua=mailto:a@x.test";
  EXPECT_EQ(SelectTlsRpt({}).outcome, Outcome::kNone);
  EXPECT_EQ(SelectTlsRpt({"v=TLSRPTv10; rua=mailto:a@x.test"}).outcome, Outcome::kNone);
  EXPECT_EQ(SelectTlsRpt({good}).outcome, Outcome::kOne);
  // The dropping is for several records; alone, the grammar decides.
  EXPECT_EQ(SelectTlsRpt({blank}).outcome, Outcome::kOne);
  EXPECT_EQ(SelectTlsRpt({blank, "other"}).outcome, Outcome::kNone);
  EXPECT_THAT(SelectTlsRpt({"other", blank, good}).indexes, ElementsAre(2u));
  EXPECT_EQ(SelectTlsRpt({good, good}).outcome, Outcome::kMultiple);
}

std::vector<std::string> Findings(std::string_view text) {
  std::vector<std::string> out;
  for (const LintFinding& finding : LintTlsRpt(ParseTlsRpt(text).value())) {
    out.push_back(fmt::format("{} {} {} {}", ToString(finding.severity), finding.code, finding.path,
                              finding.position));
    EXPECT_FALSE(finding.message.empty());
    EXPECT_TRUE(finding.fix_hint.ends_with('.')) << finding.fix_hint;
    EXPECT_EQ(finding.rfc_section, "RFC 8460 section 3");
  }
  return out;
}

TEST(LintTlsRpt, Finds) {
  EXPECT_THAT(Findings("v=TLSRPTv1; rua=mailto:a@x.test,https://x.test/r;"), IsEmpty());
  EXPECT_THAT(Findings("v=TLSRPTv1; rua=https://[2001:db8::1]/r"), IsEmpty());
  EXPECT_THAT(Findings("v=TLSRPTv1 ; rua=mailto:a@x.test "),
              ElementsAre("warning TLS_RPT_SYNTAX tlsrpt 10", "warning TLS_RPT_SYNTAX tlsrpt 32"));
  EXPECT_THAT(Findings("v=TLSRPTv1; ruf=b; rua=mailto:a@x.test"),
              ElementsAre("info TLS_RPT_UNKNOWN_FIELD tlsrpt/ruf 12"));
  EXPECT_THAT(Findings("v=TLSRPTv1; rua=mailto:a@x.test; rua=mailto:b@x.test"),
              ElementsAre("warning TLS_RPT_DUPLICATE_FIELD tlsrpt/rua 33"));
  EXPECT_THAT(Findings("v=TLSRPTv1; rua=http://x.test/r,mailto:a@x.test"),
              ElementsAre("warning TLS_RPT_BAD_ADDRESS tlsrpt/rua 16"));
  EXPECT_THAT(Findings("v=TLSRPTv1; rua=mailto:nobody,https:x"),
              ElementsAre("error TLS_RPT_BAD_ADDRESS tlsrpt/rua 16",
                          "error TLS_RPT_BAD_ADDRESS tlsrpt/rua 30"));
  EXPECT_THAT(LintTlsRpt(ParseTlsRpt("v=TLSRPTv1; rau=b; rua=mailto:a@x.test").value())[0].fix_hint,
              HasSubstr("Did you mean rua?"));
}

TEST(LintTlsRpt, FindsAtMost100) {
  std::string text = "v=TLSRPTv1; rua=mailto:a@x.test";
  for (int i = 0; i < 500; ++i) text += ";a=b";
  EXPECT_EQ(LintTlsRpt(ParseTlsRpt(text).value()).size(), 100u);
}

TEST(TlsCorpus, TlsRptRecords) {
  const auto lines = ReadCorpusLines("dns-records/tlsrpt-mtasts.jsonl");
  if (lines.empty()) GTEST_SKIP() << "no corpus";
  int checked = 0;
  for (const auto& line : lines) {
    if (line["kind"] != "tlsrpt-record") continue;
    ++checked;
    const std::string text = line["record"];
    const auto record = ParseTlsRpt(text);
    ASSERT_EQ(record.ok(), line["valid"].get<bool>()) << line << record.status();
    if (!record.ok()) continue;
    EXPECT_EQ(nlohmann::json(Addresses(*record)), line["rua"]) << line;
    EXPECT_EQ(record->Render(), text) << line;
  }
  EXPECT_EQ(checked, 23);
}

}  // namespace
}  // namespace dmarcate
