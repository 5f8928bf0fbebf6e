#include "lib/mailauth/record_lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate {
namespace {

struct Case {
  std::string name;
  std::string text;
  std::string code;  // of the first finding; "-": there is none; empty: this is no record
};
const std::string kDigest = "0b9fa5a59eed715c26c1020c711b4f6ec42d58b0015e14337a39dad301c5afc3";
const Case kCases[] = {
    {"Spf", "v=spf1 +all", "SPF_PLUS_ALL"},
    {"SpfSyntax", "v=spf1 include: -all", "SPF_SYNTAX"},
    {"Dmarc", "v=DMARC1; p=none", "DMARC_NO_RUA"},
    {"DmarcSyntax", "v=DMARC1 p=none", "DMARC_SYNTAX"},
    {"DkimSyntax", "v=DKIM1; p=!!", "DKIM_SYNTAX"},
    {"DkimWithoutVersion", "k=rsa; p=", "DKIM_KEY_REVOKED_IN_USE"},
    {"MtaSts", "v=STSv1; id=1;", "-"},
    {"MtaStsSyntax", "v=STSv1; id=1-2;", "MTA_STS_SYNTAX"},
    {"MtaStsWrongCase", "V=stsv1; id=12;", "MTA_STS_SYNTAX"},
    {"Policy", "version: STSv1\nmode: none\nmax_age: 60\n", "MTA_STS_NOT_ENFORCED"},
    {"PolicySyntax", "version: STSv1\n", "MTA_STS_SYNTAX"},
    {"PolicyWithModeFirst", "mode: none\nmax_age: 60\nversion: STSv1\n", "MTA_STS_NOT_ENFORCED"},
    {"PolicyWithMaxAgeFirst", "max_age: 60\r\nmode: none\r\nversion: STSv1\r\n",
     "MTA_STS_NOT_ENFORCED"},
    {"PolicyWithMxFirst", "mx: a.test\nmode: enforce\nversion: STSv1\nmax_age: 604800\nx: p=1\n",
     "MTA_STS_UNKNOWN_FIELD"},
    {"PolicyWithoutVersion", "\n\nmode: enforce\nmx: a.test\nx: p=1\n", "MTA_STS_SYNTAX"},
    {"PolicyWithABlankBeforeTheColon", "Mode : none\n", "MTA_STS_SYNTAX"},
    {"PolicyWithAnUnknownKeyFirst", "https://x.test/\nmode: none\n", ""},
    {"TlsRpt", "v=TLSRPTv1; rua=https://x.test/?p=1", "-"},
    {"TlsRptSyntax", "v=TLSRPTv1; rua=a@x.test", "TLS_RPT_SYNTAX"},
    {"BimiHasAnAvp", "v=BIMI1; avp=me; l=https://x.test/a.svg; a=https://x.test/a.pem",
     "BIMI_BAD_VALUE"},
    {"BimiSyntax", "v=BIMI1; l=http://x.test/a.svg", "BIMI_SYNTAX"},
    {"Tlsa", "3 1 1 " + kDigest + "\n", "-"},
    {"TlsaOfNames", "dane-ee SPKI SHA2-256 " + kDigest, "-"},
    {"TlsaOfAnUnknownType", "\\# 35 030101" + kDigest, "-"},
    {"TlsaBelowEmptyLines", "\r\n \n\t3 1 1 " + kDigest, "-"},
    {"OneTlsaIsNoSet", "1 1 1 " + kDigest, "TLSA_PKIX_USAGE"},
    {"TlsaSet", "1 1 1 " + kDigest + "\n3 1 1 " + kDigest, "TLSA_PKIX_USAGE"},
    {"TlsaSetUnusable", "1 1 1 " + kDigest + "\r\n\r\n0 1 1 " + kDigest, "TLSA_NONE_USABLE"},
    {"TlsaSyntaxOfNames", "PKIX-TA 1", "TLSA_SYNTAX"},
    {"TlsaSyntax", "3 1 1 xyz", "TLSA_SYNTAX"},
    {"Empty", "", ""},
    {"Blank", " \n", ""},
    {"Hello", "hello", ""},
    {"ANumber", "123", ""},
    {"AUsage", "DANE-EE", ""},
};
class LintRecordTextTest : public testing::TestWithParam<Case> {};
TEST_P(LintRecordTextTest, KnowsItByItsVersion) {
  const auto findings = LintRecordText(GetParam().text);
  ASSERT_EQ(findings.has_value(), !GetParam().code.empty());
  if (!findings.has_value()) return;
  EXPECT_EQ(findings->empty() ? "-" : findings->front().code, GetParam().code);
  for (const LintFinding& finding : *findings) {
    EXPECT_FALSE(finding.path.empty());
    EXPECT_TRUE(finding.fix_hint.ends_with('.')) << finding.fix_hint;
    EXPECT_FALSE(finding.rfc_section.empty());
    EXPECT_LE(finding.position, static_cast<int>(GetParam().text.size()));
  }
}
INSTANTIATE_TEST_SUITE_P(All, LintRecordTextTest, testing::ValuesIn(kCases),
                         [](const auto& tested) { return tested.param.name; });

TEST(LintRecordText, ASyntaxErrorHasItsPlaceInTheText) {
  const auto findings = LintRecordText("\t3 1 1 00zz").value();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Severity::kError);
  EXPECT_EQ(findings[0].path, "tlsa");
  EXPECT_EQ(findings[0].position, 9);
  EXPECT_EQ(findings[0].message.find("position"), std::string::npos) << "once is enough";
  EXPECT_EQ(findings[0].rfc_section, "RFC 6698 section 2.2");
}

TEST(LintRecordText, TlsaFindingsHaveTheirPlaceInTheText) {
  const std::string text = "\n 003  0\t01 " + kDigest +
                           "\r\n"
                           "DANE-EE\tSPKI 200 00\n\n"
                           "\\# 6 0 3 0 2 01000000\n"
                           "3 1 1  0 0\n"
                           "PrivCert 1 1 00\n"
                           "\\# 6 03 0101 00 0000";
  const std::pair<std::string, std::string> kWant[] = {
      {"TLSA_CERTIFICATE tlsa/0", "0\t01 "},         {"TLSA_UNUSABLE tlsa/1", "200 00\n"},
      {"TLSA_UNUSABLE tlsa/2", "0 2 01000000\n"},    {"TLSA_UNUSABLE tlsa/3", "0 0\n"},
      {"TLSA_UNUSABLE tlsa/4", "PrivCert 1 1 00\n"}, {"TLSA_UNUSABLE tlsa/5", "00 0000"}};
  const auto findings = LintRecordText(text).value();
  ASSERT_EQ(findings.size(), std::size(kWant));
  for (size_t i = 0; i < findings.size(); ++i) {
    EXPECT_EQ(findings[i].code + " " + findings[i].path, kWant[i].first);
    ASSERT_GE(findings[i].position, 0) << findings[i].path;
    EXPECT_THAT(text.substr(static_cast<size_t>(findings[i].position)),
                testing::StartsWith(kWant[i].second));
  }
}

TEST(LintRecordText, ASyntaxErrorInASetHasItsPlaceInTheText) {
  const auto findings =
      LintRecordText("3 1 1 " + kDigest + "\n\n3 1 1 00 \r\n 3 9x 1 00\n").value();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].code, "TLSA_SYNTAX");
  EXPECT_EQ(findings[0].position, 6 + 64 + 2 + 11 + 3);
}

}  // namespace
}  // namespace dmarcate
