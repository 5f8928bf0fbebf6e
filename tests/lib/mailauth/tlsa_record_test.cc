#include "lib/mailauth/tlsa_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/syntax_error.h"
#include "tests/lib/mailauth/bad_case.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const std::string kDigest256 = "0b9fa5a59eed715c26c1020c711b4f6ec42d58b0015e14337a39dad301c5afc3";
const std::string kDigest512 = kDigest256 + kDigest256;
// A self-signed certificate with an Ed25519 key for a.test, and the key.
const std::string kCertificate =
    "308201233081d6a003020102020101300506032b65703011310f300d06035504030c06612e746573"
    "74301e170d3236313133303030343033315a170d3236313230313030343033315a3011310f300d06"
    "035504030c06612e74657374302a300506032b65700321001fe9fa0aa50258365d65687e1fdcf424"
    "a56a23a00bf52a242cc3c28fbe3d3d21a3533051301d0603551d0e04160414f8eb934bde4d3ffe2c"
    "6578a6c7fe0874b1081f1e301f0603551d23041830168014f8eb934bde4d3ffe2c6578a6c7fe0874"
    "b1081f1e300f0603551d130101ff040530030101ff300506032b6570034100e011bc7df53b0a5732"
    "8a14e6f2e7ef4dfb759435969bfd612e3cf3c22a1a011d53ecec80a49278584d362c6499e509473f"
    "ea06932e401f96d8a42610705a2901";
const std::string kPublicKey =
    "302a300506032b65700321001fe9fa0aa50258365d65687e1fdcf424a56a23a00bf52a242cc3c28fbe3d3d21";

TEST(ParseTlsa, ReadsNumbersNamesAndUnknownTypes) {
  const TlsaRecord want = {3, 1, 1, FromHex(kDigest256)};
  for (const std::string& text :
       {"3 1 1 " + kDigest256,
        " 003\t1  1 0B9FA5A59EED715C26C1020C711B4F6E C42D58B0015E1433" +
            std::string("\t7A39DAD301C5AFC3 "),
        "DANE-EE SPKI SHA2-256 " + kDigest256, "dane-ee spki sha2-256 " + kDigest256,
        "\\# 35 030101" + kDigest256, "\\#  35 03 01 01 " + kDigest256}) {
    const auto record = ParseTlsa(text);
    ASSERT_TRUE(record.ok()) << text << record.status();
    EXPECT_EQ(*record, want) << text;
    EXPECT_EQ(record->ToPresentation(), "3 1 1 " + kDigest256);
  }
  EXPECT_EQ(ParseTlsaRdata(want.ToRdata()).value(), want);
  EXPECT_EQ(ToHex(want.ToRdata()), "030101" + kDigest256);
}

TEST(ParseTlsa, KeepsWhatNobodyKnows) {
  for (const std::string text : {"255 255 255 00", "4 2 3 ff00", "0 0 0 ab"}) {
    const auto record = ParseTlsa(text);
    ASSERT_TRUE(record.ok()) << text << record.status();
    EXPECT_EQ(record->ToPresentation(), text);
    EXPECT_EQ(ParseTlsaRdata(record->ToRdata()).value(), *record);
  }
  EXPECT_EQ(ParseTlsa("PrivCert PrivSel PrivMatch 00").value(),
            (TlsaRecord{255, 255, 255, {"\0", 1}}));
}

const BadCase kBad[] = {
    {"Empty", "", "no certificate usage", 0},
    {"UsageTooLarge", "256 1 1 00", "'256' is no certificate usage", 0},
    {"Negative", "-1 1 1 00", "no certificate usage", 0},
    {"NameOfAnotherField", "3 SHA2-256 1 00", "no selector", 2},
    {"NoMatchingType", "3 1", "no matching type", 3},
    {"NoData", "3 1 1", "no data", 5},
    {"OnlyBlanks", "3 1 1  ", "no data", 5},
    {"NoHex", "3 1 1 0g", "hex digit", 7},
    {"Odd", "3 1 1 000", "odd", 9},
    {"Lines", "3 1 1 00\n00", "hex digit", 8},
    {"UnknownTypeTooShort", "\\# 3 030101", "at least 4", 3},
    {"UnknownTypeMiscounted", "\\# 5 03010100", "4 octets follow, not 5", 4},
    {"UnknownTypeWithoutCount", "\\# x 03010100", "number of octets", 3},
    {"TooMuchData", "3 1 0 " + std::string(std::size_t{2} * 65533, '0'), "longer than a record",
     131072},
    {"TooMuchText", "3 1 0 00" + std::string(std::size_t{4} * 65535, ' '), "longer than a record",
     262140},
};
class BadTlsaTest : public testing::TestWithParam<BadCase> {};
TEST_P(BadTlsaTest, SaysWhyAndWhere) {
  ExpectRefused(ParseTlsa(GetParam().text).status(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(All, BadTlsaTest, testing::ValuesIn(kBad),
                         [](const auto& tested) { return tested.param.name; });

TEST(LintTlsa, HasNoPositionsWithoutAText) {
  const auto findings = LintTlsa({ParseTlsaRdata(std::string("\3\0\0x", 4)).value()});
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[1].code, lint_code::kTlsaUnusable);
  EXPECT_EQ(findings[1].position, -1);
}

TEST(ParseTlsaRdata, HasLimits) {
  EXPECT_FALSE(ParseTlsaRdata("").ok());
  EXPECT_FALSE(ParseTlsaRdata("\3\1\1").ok());
  EXPECT_TRUE(ParseTlsaRdata(std::string(65535, 'x')).ok());
  EXPECT_FALSE(ParseTlsaRdata(std::string(65536, 'x')).ok());
  const TlsaRecord largest = {3, 1, 0, std::string(65532, 'x')};
  EXPECT_EQ(ParseTlsa(largest.ToPresentation()).value(), largest);
}

TEST(TlsaRecord, UsabilityForSmtp) {
  const struct {
    std::string text;
    std::string want;
  } cases[] = {
      {"3 1 1 " + kDigest256, "usable"},
      {"3 0 1 " + kDigest256, "usable"},
      {"2 1 1 " + kDigest256, "usable"},
      {"2 0 2 " + kDigest512, "usable"},
      {"0 1 1 " + kDigest256, "pkix-usage"},
      {"1 0 2 " + kDigest512, "pkix-usage"},
      {"4 1 1 " + kDigest256, "unknown-usage"},
      {"255 1 1 " + kDigest256, "unknown-usage"},
      {"3 2 1 " + kDigest256, "unknown-selector"},
      {"3 1 3 " + kDigest256, "unknown-matching-type"},
      {"3 1 1 " + kDigest512, "digest-length"},
      {"3 1 2 " + kDigest256, "digest-length"},
      {"2 0 1 00", "digest-length"},
      {"3 0 0 " + kCertificate, "usable"},
      {"3 1 0 " + kPublicKey, "usable"},
      {"3 1 0 " + kCertificate, "no-public-key"},
      {"3 0 0 " + kPublicKey, "no-certificate"},
      {"2 0 0 " + kCertificate + "00", "no-certificate"},
      {"2 1 0 " + kPublicKey + "00", "no-public-key"},
      {"2 1 0 " + kPublicKey.substr(2), "no-public-key"},
  };
  for (const auto& test : cases) {
    const auto record = ParseTlsa(test.text);
    ASSERT_TRUE(record.ok()) << test.text << record.status();
    EXPECT_EQ(ToString(record->Usability()), test.want) << test.text;
  }
}

TEST(LintTlsa, Finds) {
  const auto lint = [](const std::vector<std::string>& texts) {
    std::vector<TlsaRecord> records;
    for (const std::string& text : texts) records.push_back(ParseTlsa(text).value());
    std::vector<std::string> out;
    for (const LintFinding& finding : LintTlsa(records)) {
      out.push_back(fmt::format("{} {} {} {}", ToString(finding.severity), finding.code,
                                finding.path, finding.position));
      EXPECT_FALSE(finding.message.empty());
      EXPECT_TRUE(finding.fix_hint.ends_with('.')) << finding.fix_hint;
      // What a client must not use is defined there; the rest is advice for SMTP.
      const bool unusable = finding.code == lint_code::kTlsaUnusable;
      EXPECT_THAT(finding.rfc_section, StartsWith(unusable ? "RFC 6698 section 4.1" : "RFC 767"));
    }
    return out;
  };
  EXPECT_THAT(lint({}), IsEmpty());
  EXPECT_THAT(lint({"3 1 1 " + kDigest256, "2 1 1 " + kDigest256}), IsEmpty());
  EXPECT_THAT(lint({"3 1 1 " + kDigest256, "1 1 1 " + kDigest256, "3 1 2 " + kDigest256}),
              ElementsAre("warning TLSA_PKIX_USAGE tlsa/1 0", "warning TLSA_UNUSABLE tlsa/2 6"));
  EXPECT_THAT(lint({"3 22 1 " + kDigest256, "33 1 200 00"}),
              ElementsAre("error TLSA_NONE_USABLE tlsa -1", "warning TLSA_UNUSABLE tlsa/0 2",
                          "warning TLSA_UNUSABLE tlsa/1 0"));
  EXPECT_THAT(lint({"3 1 200 00", "3 1 1 " + kDigest256}),
              ElementsAre("warning TLSA_UNUSABLE tlsa/0 4"));
  EXPECT_THAT(lint({"3 0 0 " + kCertificate}),
              ElementsAre("info TLSA_CERTIFICATE tlsa/0 2", "info TLSA_FULL_DATA tlsa/0 4"));
  EXPECT_THAT(lint({" 3\t02 01  " + kDigest256}),
              ElementsAre("error TLSA_NONE_USABLE tlsa -1", "warning TLSA_UNUSABLE tlsa/0 3"));
  EXPECT_THAT(lint({"2 0 1 " + kDigest256}), IsEmpty());
  EXPECT_EQ(lint(std::vector<std::string>(500, "0 0 0 00")).size(), 100u);
}

}  // namespace
}  // namespace dmarcate
