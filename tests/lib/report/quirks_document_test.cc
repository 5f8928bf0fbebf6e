// report-quirks sections 3 (Z12), 5 and 6: bytes, charsets, damaged markup, structure.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/text.h"
#include "tests/lib/report/quirk_case.h"

namespace dmarcate {
namespace {

using Report = const AggregateReport&;
using namespace std::string_literals;

constexpr auto kAccepted = Outcome::kAccepted;
constexpr auto kCosmetic = Outcome::kAcceptedCosmetic;
constexpr auto kMaterial = Outcome::kAcceptedMaterial;

constexpr std::string_view kDeclaration = R"(<?xml version="1.0" encoding="UTF-8"?>)";

std::string Root() { return Changed(std::string(kDeclaration) + "\n", ""); }
std::string Declared(std::string_view declaration) { return Changed(kDeclaration, declaration); }
std::string Org(std::string_view text) { return Changed("Receiver", text); }
std::string From(std::string_view text) {
  return Changed("<header_from>", "<header_from>" + std::string(text));
}
std::string Before(std::string_view end, std::string_view text) {
  return Changed(end, std::string(text) + std::string(end));
}

// Every other byte zero: UTF-16 of an ASCII text.
std::string Utf16(std::string_view text, bool big_endian) {
  std::string out;
  for (const char c : text) {
    if (big_endian) out += '\0';
    out += c;
    if (!big_endian) out += '\0';
  }
  return out;
}

void ExpectWhole(Report r) {
  EXPECT_EQ(r.records.size(), 2u);
  EXPECT_EQ(r.messages(), 5u);
  EXPECT_EQ(r.policy.domain, "example.com");
  EXPECT_EQ(r.metadata.report_id, "id-1");
}

const QuirkCase kCases[] = {
    // --- X: bytes and markup ---
    {"X1_ByteOrderMark", "\xEF\xBB\xBF" + GoodReport(), kAccepted, {}, ExpectWhole},
    {"X1_ByteOrderMarkBeforeRoot", "\xEF\xBB\xBF" + Root(), kAccepted, {}, ExpectWhole},
    {"X2_NoDeclaration", Root(), kAccepted, {}, ExpectWhole},
    {"X3_NoEncoding", Declared("<?xml version=\"1.0\" ?>"), kAccepted, {}, ExpectWhole},
    {"X3_SingleQuotes",
     Declared("<?xml version='1.0' encoding='utf-8' standalone='yes'?>"),
     kAccepted,
     {},
     ExpectWhole},
    {"X4_BlankLines",
     "\n\n " + GoodReport(),
     kCosmetic,
     {"leading_garbage  [\n\n ] -> []"},
     ExpectWhole},
    {"X4_Text",
     "see below\n" + GoodReport(),
     kCosmetic,
     {"leading_garbage  [see below\n] -> []"},
     ExpectWhole},
    {"X5_Cut",
     Declared("<?xml version=\"1.0\"?"),
     kCosmetic,
     {"declaration_broken  [<?xml version=\"1.0\"?\n] -> []"},
     ExpectWhole},
    {"X5_MissingQuestionMark",
     Declared("<?xml version=\"1.0\">"),
     kCosmetic,
     {"declaration_broken  [<?xml version=\"1.0\">] -> []"},
     ExpectWhole},
    {"X5_Unquoted", Declared("<?xml version=1.0 encoding=\"utf8\"?>"), kAccepted, {}, ExpectWhole},
    {"X5_EmptyEncoding",
     Declared("<?xml version=\"1.0\" encoding=\"\"?>"),
     kAccepted,
     {},
     ExpectWhole},
    {"X7_CommentsAndInstructions",
     Replaced(Declared("<?xml version=\"1.0\"?><!-- <feedback> --><?php x?>"), "<row>",
              "<!-- <row> --><?pi <x>?><row>"),
     kAccepted,
     {},
     ExpectWhole},
    {"X8_InvalidByteInOrg",
     Org("M\xFCller"),
     kCosmetic,
     {"bad_bytes report_metadata/org_name [M\xEF\xBF\xBDller] -> [M\xEF\xBF\xBDller]"},
     ExpectWhole},
    {"X8_InvalidByteInDomain",
     From("\x91."),
     kMaterial,
     {"bad_bytes record[1]/identifiers/header_from [\xEF\xBF\xBD.example.com] -> "
      "[\xEF\xBF\xBD.example.com] material",
      "domain_invalid record[1]/identifiers/header_from [\xEF\xBF\xBD.example.com] -> "
      "[\xEF\xBF\xBD.example.com]"},
     ExpectWhole},
    {"X9_Latin1",
     Replaced(Declared("<?xml version='1.0' encoding='ISO-8859-1'?>"), "Receiver", "M\xFCller"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.org_name, "M\u00fcller"); }},
    {"X9_Windows1252",
     Replaced(Declared("<?xml version='1.0' encoding='windows-1252'?>"), "Receiver", "\x93Q\x94"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.org_name, "\u201cQ\u201d"); }},
    {"X9_Windows1251",
     Replaced(Declared("<?xml version='1.0' encoding='Windows-1251'?>"), "Receiver",
              "\xCF\xEE\xF7\xF2\xE0"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.org_name, "\u041f\u043e\u0447\u0442\u0430"); }},
    {"X9_Windows1250",
     Replaced(Declared("<?xml version='1.0' encoding='windows-1250'?>"), "Receiver", "Po\x9Ata"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.org_name, "Po\u0161ta"); }},
    {"X9_Koi8R",
     Replaced(Declared("<?xml version='1.0' encoding='KOI8-R'?>"), "Receiver",
              "\xF0\xCF\xDE\xD4\xC1"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.org_name, "\u041f\u043e\u0447\u0442\u0430"); }},
    {"X9_ShiftJis",
     Replaced(Declared("<?xml version='1.0' encoding='Shift_JIS'?>"), "Receiver",
              "\x93\xFA\x96\x7B"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.org_name, "\u65e5\u672c"); }},
    {"X9_Utf16LittleEndianMark",
     "\xFF\xFE" + Utf16(GoodReport(), false),
     kAccepted,
     {},
     ExpectWhole},
    {"X9_Utf16BigEndianMark", "\xFE\xFF" + Utf16(GoodReport(), true), kAccepted, {}, ExpectWhole},
    {"X9_Utf16WithoutMark", Utf16(Root(), false), kAccepted, {}, ExpectWhole},
    {"X9_Utf16BigEndianWithoutMark", Utf16(Root(), true), kAccepted, {}, ExpectWhole},
    {"X9_Utf16OnlyClaimed",
     Declared("<?xml version='1.0' encoding='UTF-16'?>"),
     kCosmetic,
     {"charset_mismatch  [utf-16] -> [utf-8]"},
     ExpectWhole},
    {"X9_UnknownCharset",
     Declared("<?xml version='1.0' encoding='x-klingon'?>"),
     kCosmetic,
     {"charset_unknown  [x-klingon] -> [utf-8]"},
     ExpectWhole},
    {"X9_ByteWithoutMeaning",
     Replaced(Declared("<?xml version='1.0' encoding='windows-1252'?>"), "<header_from>",
              "<header_from>\x81."),
     kMaterial,
     {"bad_bytes  [CP1252] -> [U+FFFD]",
      "bad_bytes record[1]/identifiers/header_from [\xEF\xBF\xBD.example.com] -> "
      "[\xEF\xBF\xBD.example.com] material",
      "domain_invalid record[1]/identifiers/header_from [\xEF\xBF\xBD.example.com] -> "
      "[\xEF\xBF\xBD.example.com]"}},
    {"X10_ControlCharacter",
     Org("A\x01"
         "B"),
     kCosmetic,
     {"bad_chars report_metadata/org_name [A\x01"
      "B] -> [AB]"},
     ExpectWhole},
    {"X10_BadReference",
     Org("A&#0;B"),
     kCosmetic,
     {"bad_chars report_metadata/org_name [A&#0;B] -> [A\xEF\xBF\xBD"
      "B]"}},
    {"X10_UnknownEntity",
     Org("A&nbsp;B"),
     kCosmetic,
     {"bad_chars report_metadata/org_name [A&nbsp;B] -> [A\xEF\xBF\xBD"
      "B]"}},
    {"X10_Nul",
     Org("A\0B"s),
     kCosmetic,
     {"bad_chars  [NUL] -> []"},
     [](Report r) {
       EXPECT_EQ(r.metadata.org_name, "AB");
       ExpectWhole(r);
     }},
    {"X10_References",
     Org("&lt;&amp;&gt;&quot;&apos;&#65;&#x42;"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.org_name, "<&>\"'AB"); }},
    {"X11_EmailInBrackets",
     Changed("dmarc@receiver.example", "<dmarc@receiver.example>"),
     kCosmetic,
     {"unescaped_text report_metadata/email [<dmarc@receiver.example>] -> "
      "[<dmarc@receiver.example>]",
      "email_extracted report_metadata/email [<dmarc@receiver.example>] -> "
      "[dmarc@receiver.example]"},
     ExpectWhole},
    {"X11_MarkupInDomain",
     From("a<b."),
     kMaterial,
     {"unescaped_text record[1]/identifiers/header_from [a<b.example.com] -> [a<b.example.com] "
      "material",
      "domain_invalid record[1]/identifiers/header_from [a<b.example.com] -> [a<b.example.com]"},
     ExpectWhole},
    {"X11_Ampersand",
     Org("A & B"),
     kCosmetic,
     {"unescaped_text report_metadata/org_name [A & B] -> [A & B]"},
     ExpectWhole},
    {"X12_Disclaimer",
     GoodReport() + "\nThis mail is confidential & <b>private",
     kCosmetic,
     {"trailing_garbage  [\n\nThis mail is confidential & <b>private] -> []"},
     ExpectWhole},
    {"X12_Nuls",
     GoodReport() + "\0\0"s,
     kCosmetic,
     {"trailing_garbage  [\n\0\0] -> []"s},
     ExpectWhole},
    {"X12_BlanksAndComments", GoodReport() + "\r\n<!-- end -->\n", kAccepted, {}, ExpectWhole},
    {"X12_SecondCopy",
     GoodReport() + GoodReport(),
     kCosmetic,
     {"trailing_garbage  [the same report again] -> []"},
     ExpectWhole},
    {"X13_RootEndCut",
     Changed("</feedback>\n", "</feedb"),
     kCosmetic,
     {"root_unclosed  [] -> []"},
     ExpectWhole},
    {"X13_RootEndMissing",
     Changed("</feedback>\n", ""),
     kCosmetic,
     {"root_unclosed  [] -> []"},
     ExpectWhole},
    {"X13_OpenRecord",
     Changed("</record>\n</feedback>\n", ""),
     kMaterial,
     {"root_unclosed  [] -> []", "record_unclosed record[2] [] -> [] material"},
     [](Report r) {
       ASSERT_EQ(r.records.size(), 1u);
       EXPECT_EQ(r.messages(), 2u);
     }},
    {"X14_RecordEndMissingInTheMiddle",
     Changed(" </record>\n <record>", " <record>"),
     kMaterial,
     {"record_unclosed record[1] [] -> [] material"},
     [](Report r) {
       ASSERT_EQ(r.records.size(), 1u);
       EXPECT_EQ(r.records[0].source_ip->ToString(), "192.0.2.2");
     }},
    {"X14_UnbalancedInRecord",
     Changed("</policy_evaluated>\n  </row>", "</row>"),
     kMaterial,
     {"tags_unbalanced record[1] [</row>] -> [] material"},
     ExpectWhole},
    {"X14_RowNotClosed",
     Changed("</policy_evaluated>\n  </row>", ""),
     kMaterial,
     {"tags_unbalanced record[1] [<identifiers>] -> [] material"},
     ExpectWhole},
    {"X14_WrongNesting",
     Changed("<dkim>pass</dkim><spf>fail</spf>", "<dkim>pass<spf></dkim>fail</spf>"),
     kMaterial,
     {"tags_unbalanced record[1] [<dkim>] -> [] material",
      "stray_text record[1]/row/policy_evaluated [fail] -> []"},
     [](Report r) {
       EXPECT_EQ(r.records.size(), 2u);
       EXPECT_FALSE(r.records[1].dmarc_pass());
     }},
    {"X15_StrayText",
     Changed("<pct>", "11<pct>"),
     kCosmetic,
     {"stray_text policy_published [11] -> []"},
     ExpectWhole},
    {"X16_WrapperNeverClosed",
     Declared(
         "<?xml version=\"1.0\"?> <xs:schema targetNamespace=\"http://dmarc.org/dmarc-xml/0.1\">"),
     kCosmetic,
     {"wrapper_ignored  [schema] -> []"},
     ExpectWhole},
    {"X17_BareDoctype",
     Declared("<!DOCTYPE feedback SYSTEM \"http://x.example/f.dtd\">"),
     kAccepted,
     {},
     ExpectWhole},
    {"X19_SplitText",
     Changed("192.0.2.1<", "192.<!-- a -->0.<![CDATA[2]]>.1<"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].source_ip->ToString(), "192.0.2.1"); }},
    {"X20_CdataIsLiteral",
     Org("<![CDATA[ A <&amp; B ]]>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.org_name, "A <&amp; B"); }},
    {"X21_AsciiPadding", Changed("1700092799", "\t1700092799 \n"), kAccepted, {}, ExpectWhole},
    {"X21_UnicodePadding",
     From("\u00a0\u200b\ufeff"),
     kMaterial,
     {"blank_trimmed record[1]/identifiers/header_from [\u00a0\u200b\ufeff"
      "example.com] -> "
      "[example.com] material"},
     ExpectWhole},
    {"X21_UnicodePaddingInText",
     Org("\u00a0Receiver"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.org_name, "Receiver"); }},
    // --- S: structure ---
    {"S2_SchemaAttributes",
     Changed("<feedback>",
             "<feedback xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" "
             "xsi:schemaLocation=\"a b\">"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.xml_namespace, ""); }},
    {"S3_OldNamespace",
     Changed("<feedback>", "<feedback xmlns=\"http//dmarc.org/dmarc-xml/0.2\">"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.xml_namespace, "http//dmarc.org/dmarc-xml/0.2"); }},
    {"S4_PrefixOnRoot",
     Replaced(Changed("<feedback>", "<ns1:feedback xmlns:ns1='http://dmarc.org/dmarc-xml/0.1'>"),
              "</feedback>", "</ns1:feedback >"),
     kAccepted,
     {},
     [](Report r) {
       ExpectWhole(r);
       EXPECT_EQ(r.xml_namespace, "http://dmarc.org/dmarc-xml/0.1");
     }},
    {"S5_NewNamespace",
     Changed("<feedback>", "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.dialect, Dialect::kRfc9990); }},
    {"S6_UndeclaredPrefix",
     Replaced(Changed("<row>", "<x:row>"), "</row>", "</x:row>"),
     kAccepted,
     {},
     ExpectWhole},
    {"S7_VersionAbsent", Changed("<version>1.0</version>", ""), kAccepted, {}, ExpectWhole},
    {"S7_VersionInMetadata",
     Replaced(Changed("<version>1.0</version>", ""), "<org_name>",
              "<version>0.1</version><org_name>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.version, "0.1"); }},
    {"S9_PolicyRepeated",
     Before(" <record>",
            "<policy_published><domain>example.com</domain><p>reject</p>"
            "</policy_published>"),
     kCosmetic,
     {"policy_repeated policy_published [domain=example.com p=reject] -> [the first]"},
     [](Report r) { EXPECT_EQ(r.policy.p, Policy::kNone); }},
    {"S9_OtherPolicyDomain",
     Before(" <record>",
            "<policy_published><domain>b.example</domain>"
            "</policy_published>"),
     kMaterial,
     {"policy_repeated policy_published [domain=b.example] -> [the first] material"}},
    {"S11_NullRecord",
     Changed("<row><source_ip>192.0.2.1</source_ip><count>2</count>",
             "<row><source_ip/><count>0</count>"),
     kCosmetic,
     {"ip_missing record[1]/row/source_ip [] -> []"},
     [](Report r) { EXPECT_EQ(r.messages(), 3u); }},
    {"S12_EqualRecordsAllCount",
     Changed("</feedback>",
             "<record><row><source_ip>192.0.2.1</source_ip><count>1</count></row>"
             "<identifiers><header_from>example.com</header_from></identifiers></record>"
             "<record><row><source_ip>192.0.2.1</source_ip><count>1</count></row>"
             "<identifiers><header_from>example.com</header_from></identifiers></record>"
             "</feedback>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.messages(), 7u); }},
    {"S14_OtherOrder",
     Changed("<record>\n  <row>", "<record><auth_results/><row>"),
     kMaterial,
     {"element_repeated record[1]/auth_results [] -> [the first] material"}},
    {"S15_TwoRows",
     Changed("</row>", "</row><row><source_ip>192.0.2.9</source_ip><count>4</count></row>"),
     kMaterial,
     {"row_repeated record[1]/row [] -> [a record of its own] material"},
     [](Report r) {
       ASSERT_EQ(r.records.size(), 3u);
       EXPECT_EQ(r.messages(), 9u);
       EXPECT_EQ(r.records[1].header_from, "example.com");
       EXPECT_EQ(r.records[1].dkim.size(), 1u);
       EXPECT_FALSE(r.records[1].dmarc_pass());
     }},
    {"S16_Extensions",
     Replaced(Before(" <record>", "<extension><x:a xmlns:x='u'><record/></x:a></extension>"),
              "<row>", "<y:b/><row>"),
     kAccepted,
     {},
     [](Report r) {
       ExpectWhole(r);
       EXPECT_EQ(r.extensions, (std::vector<std::string>{"extension", "b"}));
     }},
    {"S18_RootInOtherCase",
     Replaced(Changed("<feedback>", "<Feedback>"), "</feedback>", "</Feedback>"),
     kCosmetic,
     {"root_name  [Feedback] -> [feedback]"},
     ExpectWhole},
    {"S19_LangAttribute",
     Changed("<date_range>",
             "<extra_contact_info lang=\"de\">Hilfe</extra_contact_info><date_range>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.extra_contact_info, "Hilfe"); }},
};

class QuirksDocumentTest : public testing::TestWithParam<QuirkCase> {};
TEST_P(QuirksDocumentTest, Case) { CheckQuirk(GetParam()); }
INSTANTIATE_TEST_SUITE_P(All, QuirksDocumentTest, testing::ValuesIn(kCases),
                         [](const auto& c) { return c.param.name; });

// What is no report, or none that may be read: outcome and reason.
struct RefusedCase {
  std::string name;
  std::string document;
  Outcome outcome;
  std::string reason;
};
const RefusedCase kRefused[] = {
    {"Empty", "", Outcome::kQuarantined, "empty_payload"},
    {"Blank", " \r\n", Outcome::kQuarantined, "empty_payload"},
    {"Z12_Unused", "unused\n", Outcome::kQuarantined, "empty_payload"},
    {"Text", "Dear customer, your invoice", Outcome::kNotAReport, "not_xml"},
    {"X4_GarbageTooLong", std::string(1024, 'x') + GoodReport(), Outcome::kNotAReport, "not_xml"},
    {"X17_Entities",
     Declared("<!DOCTYPE f [<!ENTITY a \"b\"><!ENTITY c SYSTEM \"file:///etc/passwd\">]>"),
     Outcome::kQuarantined, "doctype_entities"},
    {"X17_EntitiesUnterminated", "<!DOCTYPE f [<!entity a 'b'>" + Root(), Outcome::kQuarantined,
     "doctype_entities"},
    {"X14_MetadataUnreadable", "<feedback><record><row></record></feedback>", Outcome::kQuarantined,
     "xml_not_well_formed"},
    {"X13_CutInMetadata", GoodReport().substr(0, 120), Outcome::kQuarantined,
     "xml_not_well_formed"},
    {"S8_NothingButRecords", "<feedback><record/></feedback>", Outcome::kQuarantined,
     "metadata_missing"},
    {"S18_OtherRoot",
     Replaced(Changed("<feedback>", "<dmarc_report>"), "</feedback>", "</dmarc_report>"),
     Outcome::kQuarantined, "not_a_feedback_document"},
    {"EmptyRoot", "<feedback/>", Outcome::kQuarantined, "metadata_missing"},
    {"Html", "<!DOCTYPE html><html><body>hello</body></html>", Outcome::kQuarantined,
     "not_a_feedback_document"},
};
void PrintTo(const RefusedCase& c, std::ostream* out) { *out << c.name; }
class RefusedTest : public testing::TestWithParam<RefusedCase> {};
TEST_P(RefusedTest, Case) {
  const ParsedAggregate got = ParseOne(GetParam().document);
  EXPECT_EQ(got.outcome, GetParam().outcome);
  EXPECT_EQ(got.reason, GetParam().reason) << got.detail;
  EXPECT_NE(got.detail, "");
  EXPECT_FALSE(got.report.has_value());
}
INSTANTIATE_TEST_SUITE_P(All, RefusedTest, testing::ValuesIn(kRefused),
                         [](const auto& c) { return c.param.name; });

TEST(QuirksDocument, S10_NoRecordsIsAnEmptyReport) {
  std::string document = GoodReport();
  const size_t first = document.find(" <record>");
  document.erase(first, document.find("</feedback>") - first);
  const ParsedAggregate got = ParseOne(document);
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.outcome, kCosmetic);
  EXPECT_EQ(got.repairs[0].code, "records_missing");
  EXPECT_EQ(got.report->messages(), 0u);
}

// S11 with nothing at all in the record: neither a message nor a sender is made up.
TEST(QuirksDocument, S11_NullReport) {
  std::string document = GoodReport();
  const size_t first = document.find(" <record>");
  document.replace(first, document.find("</feedback>") - first,
                   "<record><row><source_ip></source_ip><count>0</count><policy_evaluated/></row>"
                   "<identifiers><header_from/></identifiers><auth_results/></record>");
  const ParsedAggregate got = ParseOne(document);
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.outcome, kCosmetic);
  EXPECT_EQ(got.report->messages(), 0u);
  EXPECT_FALSE(got.report->records[0].dmarc_pass());
}

TEST(QuirksDocument, S8_MetadataFromFileNameAndSubject) {
  std::string document = GoodReport();
  const size_t begin = document.find(" <report_metadata>");
  document.erase(begin, document.find(" <policy_published>") - begin);
  ReportHints hints = Hints();
  hints.from_domain.clear();
  hints.file_name = "r.example!example.com!1700006400!1700092799.xml";
  hints.subject = "Report Domain: example.com Submitter: r.example Report-ID: <77>";
  const ParsedAggregate got = ParseOne(document, hints);
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.outcome, kMaterial);
  EXPECT_EQ(got.repairs[0].code, "metadata_missing");
  EXPECT_EQ(got.report->metadata.org_name, "r.example");
  EXPECT_EQ(got.report->metadata.report_id, "77");
  EXPECT_EQ(got.report->metadata.begin, 1'700'006'400);
  EXPECT_EQ(got.report->messages(), 5u);
}

TEST(QuirksDocument, S17_SeveralReportsInOneDocument) {
  const std::string second = Replaced(GoodReport(), "id-1", "id-2");
  for (const std::string& both : {GoodReport() + second,
                                  // The same when the first is damaged, and so read in pieces.
                                  Replaced(GoodReport(), "</feedback>\n", "") +
                                      Replaced(second, std::string(kDeclaration), "")}) {
    const auto results = ParseAggregate(both, Hints(), {});
    ASSERT_EQ(results.size(), 2u);
    ASSERT_TRUE(results[0].report.has_value() && results[1].report.has_value());
    EXPECT_EQ(results[0].report->metadata.report_id, "id-1");
    EXPECT_EQ(results[1].report->metadata.report_id, "id-2");
    EXPECT_EQ(results[1].report->messages(), 5u);
  }
}

TEST(QuirksDocument, S17_RootWithoutMetadataIsNoReport) {
  const auto results = ParseAggregate(GoodReport() + "<feedback><record/></feedback>", Hints(), {});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].outcome, kMaterial);
  EXPECT_EQ(results[0].repairs.back().code, "root_without_metadata");
}

}  // namespace
}  // namespace dmarcate
