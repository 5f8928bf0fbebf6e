// report-quirks sections 4, 7 and 8: names and subjects, metadata, the published policy.
#include <gtest/gtest.h>

#include "lib/report/date_text.h"
#include "lib/report/report_name.h"
#include "tests/lib/report/quirk_case.h"

namespace dmarcate {
namespace {

using Report = const AggregateReport&;

constexpr auto kAccepted = Outcome::kAccepted;
constexpr auto kCosmetic = Outcome::kAcceptedCosmetic;
constexpr auto kMaterial = Outcome::kAcceptedMaterial;

constexpr std::string_view kRange = "<begin>1700006400</begin><end>1700092799</end>";

std::string Range(std::string_view begin, std::string_view end) {
  return Changed(kRange,
                 "<begin>" + std::string(begin) + "</begin><end>" + std::string(end) + "</end>");
}
std::string Policy(std::string_view from, std::string_view to) { return Changed(from, to); }

const QuirkCase kCases[] = {
    // --- R: report_metadata ---
    {"R1_OtherOrder",
     Changed("<org_name>Receiver</org_name><email>dmarc@receiver.example</email>"
             "<report_id>id-1</report_id>",
             "<report_id>id-1</report_id><email>dmarc@receiver.example</email>"
             "<org_name>Receiver</org_name>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.report_id, "id-1"); }},
    {"R2_OrgEmpty",
     Changed("Receiver", " "),
     kCosmetic,
     {"org_missing report_metadata/org_name [] -> [receiver.example]"}},
    {"R2_OrgAndEmailMissing",
     Changed("<org_name>Receiver</org_name><email>dmarc@receiver.example</email>", ""),
     kCosmetic,
     {"org_missing report_metadata/org_name [] -> [mail.receiver.example]"}},
    {"R3_OrgAsWritten",
     Changed("Receiver", " Fastmail  Pty L\u00fcbeck "),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.org_name, "Fastmail  Pty L\u00fcbeck"); }},
    {"R4_DisplayName",
     Changed("dmarc@receiver.example", "DMARC &lt;a@b.example&gt;, c@d.example"),
     kCosmetic,
     {"email_extracted report_metadata/email [DMARC <a@b.example>, c@d.example] -> [a@b.example]"}},
    {"R4_NoAddress",
     Changed("dmarc@receiver.example", "n/a"),
     kCosmetic,
     {"email_invalid report_metadata/email [n/a] -> []"}},
    {"R4_Absent", Changed("<email>dmarc@receiver.example</email>", ""), kAccepted, {}},
    {"R6_OddId",
     Changed("id-1", " &lt;a$b=c!d@e:f&gt; "),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.report_id, "<a$b=c!d@e:f>"); }},
    {"R9_Errors",
     Changed("<date_range>", "<error>one</error><error lang=\"en\">two</error><date_range>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.errors, (std::vector<std::string>{"one", "two"})); }},
    {"R10_Generator",
     Changed("<date_range>", "<generator>g 1</generator><date_range>"),
     kAccepted,
     {},
     [](Report r) {
       EXPECT_EQ(r.metadata.generator, "g 1");
       EXPECT_EQ(r.dialect, Dialect::kRfc9990);
     }},
    {"R11_Padded", Range(" 1700006400", "1700092799 "), kAccepted, {}},
    {"R11_Fraction",
     Range("1700006400.9", "1700092799.1"),
     kCosmetic,
     {"date_fraction report_metadata/date_range/begin [1700006400.9] -> [1700006400]",
      "date_fraction report_metadata/date_range/end [1700092799.1] -> [1700092800]"}},
    {"R11_FractionOfNothing",
     Range("1700006400.0", "1700092799.0"),
     kCosmetic,
     {"date_fraction report_metadata/date_range/begin [1700006400.0] -> [1700006400]",
      "date_fraction report_metadata/date_range/end [1700092799.0] -> [1700092799]"}},
    {"R12_Milliseconds",
     Range("1700006400123", "1700092799"),
     kMaterial,
     {"date_scaled report_metadata/date_range/begin [1700006400123] -> [1700006400] material"}},
    {"R12_Microseconds",
     Range("1700006400123456", "1700092799"),
     kMaterial,
     {"date_scaled report_metadata/date_range/begin [1700006400123456] -> [1700006400] material"}},
    {"R12_Nanoseconds",
     Range("1700006400123456789", "1700092799"),
     kMaterial,
     {"date_scaled report_metadata/date_range/begin [1700006400123456789] -> [1700006400] "
      "material"}},
    {"R13_Iso",
     Range("2023-11-15T00:00:00Z", "2023-11-15 23:59:59"),
     kMaterial,
     {"date_text report_metadata/date_range/begin [2023-11-15T00:00:00Z] -> [1700006400] material",
      "date_text report_metadata/date_range/end [2023-11-15 23:59:59] -> [1700092799] material"}},
    {"R14_Missing",
     Changed(kRange, ""),
     kMaterial,
     {"date_missing report_metadata/date_range [..] -> [1700092800..1700179199] material"}},
    {"R14_Zero",
     Range("0", "0"),
     kMaterial,
     {"date_missing report_metadata/date_range [0..0] -> [1700092800..1700179199] material"}},
    {"R14_Negative",
     Range("-5", ""),
     kMaterial,
     {"date_missing report_metadata/date_range [-5..] -> [1700092800..1700179199] material"}},
    {"R14_Beyond64Bit",
     Range("99999999999999999999", "1700092799"),
     kMaterial,
     {"date_missing report_metadata/date_range [99999999999999999999..1700092799] -> "
      "[1700092799..1700092799] material"}},
    {"R15_Swapped",
     Range("1700092799", "1700006400"),
     kMaterial,
     {"date_swapped report_metadata/date_range [1700092799..1700006400] -> "
      "[1700006400..1700092799] material"}},
    {"R16_Instant", Range("1700006400", "1700006400"), kAccepted, {}},
    {"R17_Future",
     Range("1900000000", "1900086399"),
     kMaterial,
     {"date_implausible report_metadata/date_range [1900000000..1900086399] -> "
      "[1700092800..1700179199] material"}},
    {"R17_Before2012",
     Range("100", "200"),
     kMaterial,
     {"date_implausible report_metadata/date_range [100..200] -> [1700092800..1700179199] "
      "material"}},
    {"R17_TwoDaysAheadAreFine", Range("1700006400", "1700270000"), kAccepted, {}},
    {"R20_LongSpan",
     Range("1650000000", "1700006400"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.metadata.begin, 1'650'000'000); }},
    // --- P: policy_published ---
    {"P1_OtherOrder",
     Policy("<domain>example.com</domain><adkim>r</adkim>",
            "<adkim>r</adkim><domain>example.com</domain>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.policy.domain, "example.com"); }},
    {"P2_CaseAndDot",
     Policy("<domain>example.com", "<domain> Example.COM. "),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.policy.domain, "example.com"); }},
    {"P4_Words",
     Policy("<adkim>r</adkim><aspf>r", "<adkim>Relaxed</adkim><aspf>strict"),
     kCosmetic,
     {"alignment_word policy_published/adkim [Relaxed] -> [r]",
      "alignment_word policy_published/aspf [strict] -> [s]"},
     [](Report r) { EXPECT_EQ(r.policy.aspf, AlignmentMode::kStrict); }},
    {"P4_AbsentAndEmpty",
     Policy("<adkim>r</adkim><aspf>r", "<aspf>"),
     kAccepted,
     {},
     [](Report r) {
       EXPECT_EQ(r.policy.adkim, std::nullopt);
       EXPECT_EQ(r.policy.aspf, AlignmentMode::kUnspecified);
     }},
    {"P4_Other",
     Policy("<adkim>r", "<adkim>x"),
     kCosmetic,
     {"alignment_unknown policy_published/adkim [x] -> []"}},
    {"P5_Absent",
     Policy("<p>none</p>", ""),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.policy.p, std::nullopt); }},
    {"P5_Case",
     Policy("<p>none", "<p>Quarantine"),
     kAccepted,
     {},
     [](Report r) {
       EXPECT_EQ(r.policy.p, dmarcate::Policy::kQuarantine);
       EXPECT_EQ(r.policy.p_raw, "Quarantine");
     }},
    {"P5_Unknown",
     Policy("<p>none", "<p>monitor"),
     kCosmetic,
     {"policy_unknown policy_published/p [monitor] -> []"},
     [](Report r) {
       EXPECT_EQ(r.policy.p, dmarcate::Policy::kUnspecified);
       EXPECT_EQ(r.policy.p_raw, "monitor");
     }},
    {"P6_Absent",
     Policy("<sp>reject</sp>", ""),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.policy.sp, std::nullopt); }},
    {"P6_Empty",
     Policy("<sp>reject", "<sp>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.policy.sp, dmarcate::Policy::kUnspecified); }},
    {"P6_Nil",
     Policy("<sp>reject", "<sp>nil"),
     kCosmetic,
     {"policy_nil policy_published/sp [nil] -> []"},
     [](Report r) { EXPECT_EQ(r.policy.sp, std::nullopt); }},
    {"P7_Np",
     Policy("<pct>", "<np>reject</np><pct>"),
     kAccepted,
     {},
     [](Report r) {
       EXPECT_EQ(r.policy.np, dmarcate::Policy::kReject);
       EXPECT_EQ(r.dialect, Dialect::kRfc9990);
     }},
    {"P8_Percent",
     Policy("<pct>100", "<pct>50%"),
     kCosmetic,
     {"pct_folded policy_published/pct [50%] -> [50]"}},
    {"P8_Fraction",
     Policy("<pct>100", "<pct>100.0"),
     kCosmetic,
     {"pct_folded policy_published/pct [100.0] -> [100]"}},
    {"P8_TooLarge",
     Policy("<pct>100", "<pct>101"),
     kCosmetic,
     {"pct_invalid policy_published/pct [101] -> []"},
     [](Report r) { EXPECT_EQ(r.policy.pct, std::nullopt); }},
    {"P8_Negative",
     Policy("<pct>100", "<pct>-1"),
     kCosmetic,
     {"pct_invalid policy_published/pct [-1] -> []"}},
    {"P8_Zero",
     Policy("<pct>100", "<pct>0"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.policy.pct, 0); }},
    {"P9_Fo",
     Policy("<pct>", "<fo>0:1:d:s</fo><pct>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.policy.fo, "0:1:d:s"); }},
    {"P10_Extras",
     Policy("<pct>", "<rf>afrf</rf><ri>86400</ri><pct>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.extensions, (std::vector<std::string>{"rf", "ri"})); }},
    {"P11_Testing",
     Policy("<pct>", "<testing>y</testing><pct>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.policy.testing, true); }},
    {"P11_TagLetter",
     Policy("<pct>", "<testing>t</testing><pct>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.policy.testing, true); }},
    {"P11_Unknown",
     Policy("<pct>", "<testing>?</testing><pct>"),
     kCosmetic,
     {"testing_unknown policy_published/testing [?] -> []"}},
    {"P12_Method",
     Policy("<pct>", "<discovery_method>treewalk</discovery_method><pct>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.policy.discovery_method, DiscoveryMethod::kTreeWalk); }},
    {"P12_Other",
     Policy("<pct>", "<discovery_method>oracle</discovery_method><pct>"),
     kCosmetic,
     {"discovery_method_unknown policy_published/discovery_method [oracle] -> []"}},
};

class QuirksMetadataTest : public testing::TestWithParam<QuirkCase> {};
TEST_P(QuirksMetadataTest, Case) { CheckQuirk(GetParam()); }
INSTANTIATE_TEST_SUITE_P(All, QuirksMetadataTest, testing::ValuesIn(kCases),
                         [](const auto& c) { return c.param.name; });

ReportHints Named(std::string file_name, std::string subject = "") {
  ReportHints hints = Hints();
  hints.file_name = std::move(file_name);
  hints.subject = std::move(subject);
  return hints;
}

TEST(QuirksMetadata, R7_IdIsMadeOfTheContentInAnyOrder) {
  const std::string without = Changed("<report_id>id-1</report_id>", "");
  const ParsedAggregate first = ParseOne(without);
  ASSERT_TRUE(first.report.has_value());
  EXPECT_TRUE(first.report->metadata.report_id.starts_with("sha256:"));
  EXPECT_EQ(first.outcome, kCosmetic);
  const size_t record = without.find(" <record>");
  const size_t second = without.find(" <record>", record + 1);
  const size_t end = without.find("</feedback>");
  const std::string turned = without.substr(0, record) + without.substr(second, end - second) +
                             without.substr(record, second - record) + without.substr(end);
  EXPECT_EQ(ParseOne(turned).report->metadata.report_id, first.report->metadata.report_id);
  const std::string other = Replaced(without, ">2</count>", ">4</count>");
  EXPECT_NE(ParseOne(other).report->metadata.report_id, first.report->metadata.report_id);
}

TEST(QuirksMetadata, P3_DomainFromFileName) {
  const ParsedAggregate got =
      ParseOne(Changed("<domain>example.com</domain>", ""),
               Named("receiver.example!example.com!1700006400!1700092799.xml.gz"));
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.report->policy.domain, "example.com");
  EXPECT_EQ(
      RepairTexts(got),
      std::vector<std::string>{
          "from_filename policy_published/domain "
          "[receiver.example!example.com!1700006400!1700092799.xml.gz] -> [example.com] material"});
}

TEST(QuirksMetadata, P3_DomainFromSubject) {
  const ParsedAggregate got =
      ParseOne(Changed("<domain>example.com</domain>", "<domain> </domain>"),
               Named("", "[Preview] Report domain:Example.com Submitter: x"));
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.report->policy.domain, "example.com");
  EXPECT_EQ(got.repairs[0].code, "from_subject");
}

TEST(QuirksMetadata, P3_NoDomainAtAllIsQuarantined) {
  const ParsedAggregate got = ParseOne(Changed("<domain>example.com</domain>", ""));
  EXPECT_EQ(got.outcome, Outcome::kQuarantined);
  EXPECT_EQ(got.reason, "policy_domain_missing");
  EXPECT_FALSE(got.report.has_value());
}

// It is what reports are kept under: no text of a stranger's choice.
TEST(QuirksMetadata, P3_ADomainThatIsNoHostNameIsMissing) {
  for (const std::string& domain :
       {std::string("a/../b"), std::string("a b.example"), std::string("100%.example"),
        std::string("*.example.com"), std::string("example..com"), std::string(4096, 'x'),
        std::string("\xC3\xBC.\xE2\x80\xAE")}) {
    const std::string document = Changed("<domain>example.com", "<domain>" + domain);
    const ParsedAggregate alone = ParseOne(document);
    if (domain != "a b.example") {  // that is a list, whose first name is one
      EXPECT_EQ(alone.outcome, Outcome::kQuarantined) << domain;
      EXPECT_EQ(alone.reason, "policy_domain_missing") << domain;
    }
    const ParsedAggregate named =
        ParseOne(document, Named("", "Report Domain: example.com Submitter: x"));
    ASSERT_TRUE(named.report.has_value()) << domain;
    EXPECT_EQ(named.report->policy.domain, domain == "a b.example" ? "a" : "example.com");
    EXPECT_EQ(named.outcome, kMaterial);
  }
}

TEST(QuirksMetadata, N5_TheDocumentWinsOverTheName) {
  const ParsedAggregate got = ParseOne(GoodReport(), Named("r.example!other.example!1!2.xml"));
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.outcome, kCosmetic);
  EXPECT_EQ(got.repairs[0].code, "filename_interval_mismatch");
  EXPECT_EQ(got.report->policy.domain, "example.com");
  EXPECT_EQ(got.report->metadata.begin, 1'700'006'400);
}

TEST(QuirksMetadata, R14_IntervalFromFileName) {
  const ParsedAggregate got =
      ParseOne(Changed(kRange, ""), Named("r.example!example.com!1700006400!1700092799!x!y.xml"));
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.report->metadata.end, 1'700'092'799);
  EXPECT_EQ(got.outcome, kMaterial);
}

struct NameCase {
  std::string name;
  std::string file_name;
  std::string want;  // "receiver domain begin end", or empty
};
const NameCase kNames[] = {
    {"N1_WithId", "google.com!example.com!1!2!id!more.xml.gz", "google.com example.com 1 2"},
    {"N1_WithoutId", "google.com!example.com!1!2.zip", "google.com example.com 1 2"},
    {"N2_EmptyReceiver", "!example.com!1538204542!1538463818.xml",
     " example.com 1538204542 1538463818"},
    {"N3_OtherForm", "21062413zoho.com.xml.gz", ""},
    {"N3_Blanks", "aol com 123 xml", ""},
    {"N4_Escaped", "r.example%21example.com%211%212.xml", "r.example example.com 1 2"},
    {"N4_Folder", "C:\\reports\\r.example!example.com!1!2.xml", "r.example example.com 1 2"},
    {"N4_Flattened", "_var_db_/receiver x!example.com!1!2", ""},
    {"N5_ZeroTimes", "r.example!example.com!0!0.xml", "r.example example.com 0 0"},
    {"NoTimes", "r.example!example.com!a!b.xml", ""},
    {"NoDomain", "r.example!exa mple.com!1!2.xml", ""},
};
class ReportFileNameTest : public testing::TestWithParam<NameCase> {};
TEST_P(ReportFileNameTest, Case) {
  const auto got = ReadReportFileName(GetParam().file_name);
  EXPECT_EQ(got.has_value() ? got->receiver + " " + got->domain + " " + std::to_string(got->begin) +
                                  " " + std::to_string(got->end)
                            : "",
            GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(All, ReportFileNameTest, testing::ValuesIn(kNames),
                         [](const auto& c) { return c.param.name; });

TEST(ReportSubjectTest, N6_AnyFormOfIt) {
  for (const char* subject :
       {"Report Domain: example.com Submitter: r.example Report-ID: <id-1>",
        "Report domain:Example.com submitter:R.example report-id: id-1",
        "[Preview] Report Domain: example.com\r\n Submitter: r.example\r\n Report-ID: <id-1>"}) {
    const ReportSubject got = ReadReportSubject(subject);
    EXPECT_EQ(got.domain, "example.com") << subject;
    EXPECT_EQ(got.submitter, "r.example") << subject;
    EXPECT_EQ(got.report_id, "id-1") << subject;
  }
  EXPECT_EQ(ReadReportSubject("Ihr DMARC-Bericht").domain, "");
  EXPECT_EQ(ReadReportSubject("report domain: <unclosed").domain, "unclosed");
  EXPECT_EQ(ReadReportSubject("report domain:").domain, "");
}

struct DateCase {
  std::string text;
  int64_t want;  // 0: no date
};
const DateCase kDates[] = {
    {"2025-05-23T00:00:00Z", 1747958400},
    {"2025-05-23T00:00:00", 1747958400},
    {"2025-05-23t02:00:00.123456+02:00", 1747958400},
    {"2025-05-23", 1747958400},
    {"Fri, 28 Sep 2018 16:48:42 +0800 (CST)", 1538124522},
    {"8 Oct 2011 20:15:58 +0000 (GMT)", 1318104958},
    {"Tue, 30 Apr 2019 02:09 EST", 1556608140},
    {"2016-12-31T23:59:60Z", 1483228799},
    {"2025-02-30T00:00:00Z", 0},
    {"2025-13-01", 0},
    {"28 Foo 2018 00:00:00", 0},
    {"yesterday", 0},
    {"2025-05-23T00:00:00 and more", 0},
    {"", 0},
};
TEST(DateTextTest, RfcForms) {
  for (const DateCase& c : kDates) {
    EXPECT_EQ(ReadDateText(c.text).value_or(0), c.want) << c.text;
  }
}

}  // namespace
}  // namespace dmarcate
