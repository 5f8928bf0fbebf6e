// Every limit of the aggregate reader, in documents read whole and in pieces; and hostile documents
// that must end soon.
#include <ctime>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/text.h"
#include "lib/report/charset.h"
#include "lib/report/repair_log.h"
#include "tests/lib/report/quirk_case.h"

namespace dmarcate {
namespace {

constexpr size_t kMiB = 1 << 20;

std::string Repeated(std::string_view text, size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

// `xml` before the first record.
std::string InFrame(std::string_view xml) {
  return Changed(" <record>", std::string(xml) + " <record>");
}

TEST(LimitsTest, Records) {
  AggregateLimits limits;
  limits.records = 2;
  EXPECT_EQ(ParseOne(GoodReport(), Hints(), limits).outcome, Outcome::kAccepted);
  limits.records = 1;
  for (const std::string& document : {GoodReport(), Replaced(GoodReport(), "</feedback>", ""),
                                      Changed("<row>", "<row></row><row>")}) {
    const ParsedAggregate got = ParseOne(document, Hints(), limits);
    EXPECT_EQ(got.outcome, Outcome::kOverLimit);
    EXPECT_EQ(got.reason, "too_many_records");
    EXPECT_EQ(got.detail, "more than 1 records");
    EXPECT_FALSE(got.report.has_value());
  }
}

// "<row/>" repeats the record around it: bounded in number, and counted in memory before it is
// taken.
TEST(LimitsTest, RowsOfOneRecord) {
  const ParsedAggregate got =
      ParseOne(Changed("</row>", "</row>" + Repeated("<row/>", 300) + "<row/>"));
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.outcome, Outcome::kAcceptedMaterial);
  EXPECT_EQ(got.report->records.size(), 100u + 1);
  EXPECT_EQ(got.report->records[99].dkim, got.report->records[0].dkim);
  AggregateLimits limits;
  limits.rows = 2;
  EXPECT_THAT(RepairTexts(ParseOne(Changed("</row>", "</row><row/><row/><row/>"), Hints(), limits)),
              testing::Contains("rows_capped record[1]/row [4] -> [2] material"));
}

TEST(LimitsTest, SignaturesAreCappedBeforeRowsRepeatThem) {
  const ParsedAggregate got = ParseOne(
      Replaced(Changed("</row>", "</row><row/>"), "<dkim><domain>",
               Repeated("<dkim><domain>x.example</domain><result>fail</result></dkim>", 9'000) +
                   "<dkim><domain>"));
  ASSERT_TRUE(got.report.has_value());
  ASSERT_EQ(got.report->records.size(), 3u);
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(got.report->records[i].dkim.size(), 100u);
    EXPECT_EQ(got.report->records[i].dkim[0].domain, "example.com");
  }
  EXPECT_EQ(got.repairs[0].code, "dkim_capped");
}

TEST(LimitsTest, ModelBytes) {
  AggregateLimits limits;
  const ParsedAggregate whole = ParseOne(GoodReport());
  limits.model_bytes = FrameBytes(*whole.report) + ModelBytes(whole.report->records[0]) +
                       ModelBytes(whole.report->records[1]);
  EXPECT_EQ(ParseOne(GoodReport(), Hints(), limits).outcome, Outcome::kAccepted);
  --limits.model_bytes;
  for (const std::string& document :
       {GoodReport(), Replaced(GoodReport(), "</feedback>", ""), Changed("<row>", "<row/><row>"),
        Changed("Receiver", std::string(4096, 'x'))}) {
    const ParsedAggregate got = ParseOne(document, Hints(), limits);
    EXPECT_EQ(got.outcome, Outcome::kOverLimit);
    EXPECT_EQ(got.reason, "model_too_large");
    EXPECT_FALSE(got.report.has_value());
  }
}

// A model may be as large as its text, and a little larger: what repeats itself in memory only is
// refused while it is small, and before its records are read.
TEST(LimitsTest, ModelBytesAreEarnedByText) {
  AggregateLimits limits;
  limits.model_free_bytes = 100'000;
  const std::string head = GoodReport().substr(0, GoodReport().find(" <record>"));
  const auto parse = [&](const std::string& records, ModelBudget& budget) {
    return ParseAggregate(head + records + "</feedback>", Hints(), limits, budget)[0];
  };
  ModelBudget budget(limits.records, limits.model_bytes, limits.model_free_bytes);
  const std::string empty = Repeated("<record/>", 1000);
  EXPECT_EQ(parse(empty, budget).reason, "model_too_large");
  EXPECT_EQ(parse("<record><row/>" + Repeated("<row/>", 99) + "</record>" +
                      Repeated("<record><row/></record>", 900),
                  budget)
                .reason,
            "model_too_large");
  // What was refused earned nothing.
  EXPECT_EQ(budget.bytes_left(), limits.model_free_bytes);
  const std::string wordy = "<record><row><source_ip>192.0.2.1</source_ip><count>1</count></row>" +
                            std::string(300, ' ') + "</record>";
  EXPECT_EQ(parse(Repeated(wordy, 1000), budget).report->records.size(), 1000u);
  EXPECT_GT(budget.bytes_left(), limits.model_free_bytes);
  // In pieces, too, where the records are counted first.
  ModelBudget large(limits.records, limits.model_bytes, limits.model_free_bytes);
  EXPECT_EQ(parse(Repeated("<record/>", 300'000), large).reason, "model_too_large");
  EXPECT_EQ(parse(Repeated(wordy, 10'000), large).report->records.size(), 10'000u);
}

TEST(LimitsTest, RootsAndDocumentsShareOneBudget) {
  const std::string second =
      Replaced(GoodReport().substr(GoodReport().find("<feedback>")), "id-1", "id-2");
  AggregateLimits limits;
  limits.records = 3;
  for (const std::string& document : {GoodReport() + second, GoodReport() + second + "<"}) {
    const std::vector<ParsedAggregate> roots = ParseAggregate(document, Hints(), limits);
    ASSERT_EQ(roots.size(), 2u);
    EXPECT_TRUE(roots[0].report.has_value());
    EXPECT_EQ(roots[1].outcome, Outcome::kOverLimit);
    EXPECT_EQ(roots[1].reason, "too_many_records");
  }
  ModelBudget budget(3, limits.model_bytes, limits.model_free_bytes);
  const auto parse = [&](const std::string& document) {
    return ParseAggregate(document, Hints(), limits, budget)[0].outcome;
  };
  EXPECT_EQ(parse(GoodReport()), Outcome::kAccepted);
  EXPECT_EQ(budget.records_left(), 1);
  const int64_t left = budget.bytes_left();
  EXPECT_EQ(parse(second), Outcome::kOverLimit);
  // What was refused gave back what it had taken: a smaller one still fits.
  EXPECT_EQ(budget.records_left(), 1);
  EXPECT_EQ(budget.bytes_left(), left);
  const size_t record = second.rfind(" <record>");
  EXPECT_EQ(parse(second.substr(0, record) + "</feedback>"), Outcome::kAccepted);
  EXPECT_EQ(budget.records_left(), 0);
}

// One octet of an 8-bit charset is up to three of UTF-8.
TEST(LimitsTest, ConvertedBytes) {
  const std::string head = "<?xml version=\"1.0\" encoding=\"windows-1252\"?><feedback>";
  AggregateLimits limits;
  limits.converted_bytes = head.size() + 300;
  const auto outcome = [&](const std::string& document) {
    const ParsedAggregate got = ParseOne(document, Hints(), limits);
    return std::pair(got.outcome, got.reason);
  };
  for (const char* octet : {"\x80", "\x81"}) {  // the Euro sign, nothing
    EXPECT_NE(outcome(head + Repeated(octet, 100)).second, "document_too_large");
    EXPECT_EQ(outcome(head + Repeated(octet, 101)),
              std::pair(Outcome::kOverLimit, std::string("document_too_large")));
  }
  limits = AggregateLimits();
  // Before it is converted, too: ASCII that a charset leaves as it is.
  const std::string much = head + "\x80" + std::string(limits.converted_bytes, ' ');
  EXPECT_EQ(outcome(much), std::pair(Outcome::kOverLimit, std::string("document_too_large")));
  for (const char* octet : {"\x80", "\x81"}) {
    const std::string document = head + Repeated(octet, 15 * kMiB);
    const std::clock_t begin = std::clock();
    EXPECT_EQ(outcome(document), std::pair(Outcome::kOverLimit, std::string("document_too_large")));
    EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 1.0);
  }
}

TEST(LimitsTest, CharactersWithoutMeaning) {
  const std::string head = "<?xml version=\"1.0\" encoding=\"euc-kr\"?><feedback>";
  const ParsedAggregate got = ParseOne(head + Repeated("\xFF", kMaxBadCharacters + 1));
  EXPECT_EQ(got.outcome, Outcome::kQuarantined);
  EXPECT_EQ(got.reason, "charset_broken");
  EXPECT_FALSE(got.excerpt.bytes.empty());
  EXPECT_NE(ParseOne(head + Repeated("\xFF", kMaxBadCharacters)).reason, "charset_broken");
}

// As many records as are allowed, of ordinary content.
TEST(LimitsTest, TheLargestHonestReport) {
  constexpr size_t kRecords = 500'000;
  const std::string good = GoodReport();
  const std::string record =
      "<record><row><source_ip>192.0.2.1</source_ip><count>1</count><policy_evaluated>"
      "<disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>"
      "<identifiers><header_from>example.com</header_from></identifiers></record>\n";
  const ParsedAggregate got =
      ParseOne(good.substr(0, good.find(" <record>")) + Repeated(record, kRecords) + "</feedback>");
  EXPECT_EQ(got.outcome, Outcome::kAccepted) << got.reason << ": " << got.detail;
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.report->messages(), kRecords);
}

TEST(LimitsTest, Depth) {
  // feedback, extension and 30 more are 32 deep.
  const auto nested = [](size_t depth) {
    return "<extension>" + Repeated("<a>", depth) + Repeated("</a>", depth) + "</extension>";
  };
  EXPECT_EQ(ParseOne(InFrame(nested(30))).outcome, Outcome::kAccepted);
  for (const std::string& document :
       {InFrame(nested(31)), InFrame(nested(100'000)),
        Replaced(InFrame(nested(31)), "</feedback>", ""),  // in pieces
        Changed("<row>", nested(31) + "<row>"),            // in a record
        Changed("Receiver", Repeated("<a>", 31) + Repeated("</a>", 31))}) {
    const ParsedAggregate got = ParseOne(document);
    EXPECT_EQ(got.outcome, Outcome::kOverLimit) << document.substr(0, 200);
    EXPECT_EQ(got.reason, "xml_too_deep");
  }
}

TEST(LimitsTest, StoredText) {
  AggregateLimits limits;
  limits.stored_text_bytes = 10;
  EXPECT_EQ(ParseOne(Changed("Receiver", "0123456789"), Hints(), limits).repairs[0].path,
            "report_metadata/email");
  // The cut is between characters.
  const ParsedAggregate got = ParseOne(Changed("Receiver", "012345678\u00fc"), Hints(), limits);
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.report->metadata.org_name, "012345678");
  EXPECT_EQ(got.repairs[0].code, "text_cut");
}

TEST(LimitsTest, RepairsAreCountedBeyondTheLimit) {
  AggregateLimits limits;
  limits.repairs = 3;
  const ParsedAggregate got =
      ParseOne(Changed("<pct>", Repeated("1<pct/>", 9) + "<pct>"), Hints(), limits);
  EXPECT_EQ(got.repairs.size(), 3u);
  EXPECT_EQ(got.repairs_dropped, 9 + 9 - 3);
  // One that was not kept still weighs.
  limits.repairs = 0;
  EXPECT_EQ(ParseOne(Changed(">2</count>", ">-2</count>"), Hints(), limits).outcome,
            Outcome::kAcceptedMaterial);
}

TEST(LimitsTest, RawTextOfARepairIsCut) {
  const ParsedAggregate got = ParseOne(Changed("192.0.2.1<", Repeated("\u00fc", 1000) + "<"));
  EXPECT_EQ(got.repairs[0].code, "ip_unreadable");
  EXPECT_EQ(got.repairs[0].raw.size(), 256u);
  EXPECT_TRUE(IsValidUtf8(got.repairs[0].raw));
}

TEST(LimitsTest, PathOfARepairIsLocalNames) {
  const std::string prefix = Repeated("x", 100'000);
  const ParsedAggregate got =
      ParseOne(Changed("<pct>", "<pct>1</pct><" + prefix + ":pct>2</" + prefix + ":pct><pct>"));
  ASSERT_FALSE(got.repairs.empty());
  for (const Repair& repair : got.repairs) EXPECT_EQ(repair.path, "policy_published/pct");
  RepairLog log(1);
  log.Add("code", Repeated("\xFF", 10'000), "", "", Effect::kCosmetic);
  EXPECT_LE(log.repairs()[0].path.size(), 256u);
  EXPECT_TRUE(IsValidUtf8(log.repairs()[0].path));
}

TEST(LimitsTest, ExtensionNamesAreCapped) {
  std::string many;
  for (int i = 0; i < 100; ++i) many += "<x" + std::to_string(i) + "/>";
  const ParsedAggregate got = ParseOne(Changed("<pct>", many + "<pct>"));
  EXPECT_EQ(got.report->extensions.size(), 32u);
}

TEST(LimitsTest, FrameOfALargeDocument) {
  const ParsedAggregate got = ParseOne(Changed("Receiver", std::string(3 * kMiB, 'x')));
  EXPECT_EQ(got.outcome, Outcome::kOverLimit);
  EXPECT_EQ(got.reason, "frame_too_large");
}

TEST(LimitsTest, ARecordTooLargeForATreeIsLeftOut) {
  const ParsedAggregate got = ParseOne(Changed("192.0.2.1<", std::string(3 * kMiB, '1') + "<"));
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.outcome, Outcome::kAcceptedMaterial);
  EXPECT_EQ(got.repairs[0].code, "record_too_large");
  ASSERT_EQ(got.report->records.size(), 1u);
  EXPECT_EQ(got.report->records[0].source_ip->ToString(), "192.0.2.2");
}

double CpuSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// Start tags are told in any case, what ends a record quickly only in lower case. Each is a report
// with a valid frame and some 8 MiB of records.
TEST(LimitsTest, RecordsInAnyCaseTakeLinearTime) {
  const std::string head = GoodReport().substr(0, GoodReport().find(" <record>"));
  for (const std::string_view pattern :
       {"<RECORD></RECORD>", "<Record></Record>", "<RECORD>", "<Record><row></RECORD>", "<record>",
        "<x:RECORD></x:RECORD>", "<record></RECORD>", "<RECORD><!---->"}) {
    for (const std::string_view tail : {"</feedback>", "</record></feedback>", "record"}) {
      const double begin = CpuSeconds();
      const ParsedAggregate got =
          ParseOne(head + Repeated(pattern, 8 * kMiB / pattern.size()) + std::string(tail));
      EXPECT_LT(CpuSeconds() - begin, 8.0) << pattern << " " << tail;
      EXPECT_TRUE(got.report.has_value() || got.outcome == Outcome::kOverLimit) << got.detail;
    }
  }
}

// Quadratic work over one of these would take minutes.
TEST(LimitsTest, HostilePatternsEndSoon) {
  constexpr size_t kTimes = 200'000;
  const std::string head = GoodReport().substr(0, GoodReport().find(" <record>"));
  for (const std::string_view pattern : {"<a>",
                                         "</a>",
                                         "<a",
                                         "<",
                                         "</",
                                         "<a/>",
                                         "<domain>",
                                         "<p><sp>",
                                         "<record>",
                                         "</record>",
                                         "<record/>",
                                         "<record><row>",
                                         "<!--",
                                         "<![CDATA[",
                                         "<!--<![CDATA[",
                                         "<?",
                                         "<!DOCTYPE [",
                                         "<feedback>",
                                         "</feedback>",
                                         "<x:y>",
                                         "<extension>",
                                         "&",
                                         "&amp",
                                         "<a b='",
                                         "\0<",
                                         "\xFF",
                                         "<dkim><domain>",
                                         "<record><dkim></record>"}) {
    for (const std::string& document :
         {Repeated(pattern, kTimes), "<feedback>" + Repeated(pattern, kTimes),
          head + Repeated(pattern, kTimes),
          head + "<record>" + Repeated(pattern, kTimes) + "</record></feedback>"}) {
      EXPECT_FALSE(ParseAggregate(document, Hints(), {}).empty());
    }
  }
}

}  // namespace
}  // namespace dmarcate
