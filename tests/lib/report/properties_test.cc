// What holds for every report (report-quirks section 19), over generated ones. A failure prints the
// seed.
#include <algorithm>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/report/aggregate_stream.h"
#include "tests/lib/report/quirk_case.h"
#include "tests/lib/report/variations.h"

namespace dmarcate {
namespace {

__extension__ using Wide = unsigned __int128;  // for sums that 64 bits do not hold

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int Below(int n) { return static_cast<int>(engine_() % static_cast<uint32_t>(n)); }
  bool Chance(int percent) { return Below(100) < percent; }
  template <size_t N>
  std::string Pick(const char* const (&words)[N]) {
    return words[Below(N)];
  }
  std::mt19937& engine() { return engine_; }

 private:
  std::mt19937 engine_;
};

std::string Leaf(std::string_view name, std::string_view text) {
  return "<" + std::string(name) + ">" + std::string(text) + "</" + std::string(name) + ">";
}

// Some good, some odd: about one value in ten needs a repair. The address tells the ordinal.
std::string RandomRecord(Random& random, int ordinal) {
  static constexpr const char* kResults[] = {"pass",    "fail", "none", "softfail",
                                             "unknown", "",     "x"};
  static constexpr const char* kAligned[] = {"pass", "fail", "", "none"};
  static constexpr const char* kDispositions[] = {"none", "quarantine", "reject", "", "15"};
  static constexpr const char* kReasons[] = {"forwarded", "mailing list", "", "odd"};
  static constexpr const char* kFrom[] = {"example.com", "News.example.com.", "a@example.com",
                                          "other.example"};
  std::string reasons;
  for (int i = random.Below(3); i > 0; --i) {
    reasons += Leaf("reason", Leaf("type", random.Pick(kReasons)) + Leaf("comment", "c &amp; d"));
  }
  std::string auth;
  for (int i = random.Below(4); i > 0; --i) {
    auth += Leaf("dkim", Leaf("domain", random.Pick(kFrom)) +
                             (random.Chance(70) ? Leaf("selector", "s1") : "") +
                             Leaf("result", random.Pick(kResults)));
  }
  if (random.Chance(90)) {
    auth += Leaf("spf", Leaf("domain", random.Pick(kFrom)) + Leaf("scope", "mfrom") +
                            Leaf("result", random.Pick(kResults)));
  }
  return Leaf("record", Leaf("row", Leaf("source_ip", "198.51." + std::to_string(ordinal / 256) +
                                                          "." + std::to_string(ordinal % 256)) +
                                        Leaf("count", std::to_string(random.Below(1000))) +
                                        Leaf("policy_evaluated",
                                             Leaf("disposition", random.Pick(kDispositions)) +
                                                 Leaf("dkim", random.Pick(kAligned)) +
                                                 Leaf("spf", random.Pick(kAligned)) + reasons)) +
                            Leaf("identifiers",
                                 Leaf("header_from", random.Pick(kFrom)) +
                                     (random.Chance(50) ? Leaf("envelope_from", "b.example") : "") +
                                     (random.Chance(50) ? "<envelope_to/>" : "")) +
                            Leaf("auth_results", auth)) +
         "\n";
}

std::string Frame(Random& random) {
  return Leaf("version", "1.0") +
         Leaf("report_metadata",
              Leaf("org_name", "M\u00fcller &amp; Co") + Leaf("email", "a@receiver.example") +
                  (random.Chance(80) ? Leaf("report_id", "id-1") : "") +
                  Leaf("date_range", Leaf("begin", "1700006400") + Leaf("end", "1700092799"))) +
         Leaf("policy_published", Leaf("domain", "example.com") + Leaf("p", "none") +
                                      (random.Chance(50) ? Leaf("sp", "") : "") +
                                      Leaf("pct", "100") +
                                      (random.Chance(20) ? Leaf("np", "reject") : ""));
}

std::string RandomReport(uint32_t seed, int records) {
  Random random(seed);
  std::string body = Frame(random) + "\n";
  for (int i = 0; i < records; ++i) body += RandomRecord(random, i);
  return "<?xml version=\"1.0\"?>\n<feedback>\n" + body + "</feedback>\n";
}

std::vector<std::string> SortedRepairs(const ParsedAggregate& parsed) {
  std::vector<std::string> repairs = RepairTexts(parsed);
  std::ranges::sort(repairs);
  return repairs;
}

class PropertiesTest : public testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override {
    document_ = RandomReport(GetParam(), 1 + static_cast<int>(GetParam() % 8));
  }
  std::string document_;
};

TEST_P(PropertiesTest, SiblingsMayStandInAnyOrder) {
  const std::optional<std::string> shuffled = Shuffled(document_, GetParam());
  ASSERT_TRUE(shuffled.has_value());
  const ParsedAggregate want = ParseOne(document_);
  const ParsedAggregate got = ParseOne(*shuffled);
  ASSERT_TRUE(want.report.has_value() && got.report.has_value());
  EXPECT_TRUE(*want.report == *got.report) << *shuffled;
  EXPECT_EQ(SortedRepairs(want), SortedRepairs(got));
}

TEST_P(PropertiesTest, PrefixAndNamespaceChangeNothingElse) {
  const std::optional<std::string> prefixed = Prefixed(document_, "http://dmarc.org/dmarc-xml/0.1");
  ASSERT_TRUE(prefixed.has_value());
  const ParsedAggregate want = ParseOne(document_);
  ParsedAggregate got = ParseOne(*prefixed);
  ASSERT_TRUE(want.report.has_value() && got.report.has_value());
  EXPECT_EQ(got.report->xml_namespace, "http://dmarc.org/dmarc-xml/0.1");
  got.report->xml_namespace.clear();
  EXPECT_TRUE(*want.report == *got.report) << *prefixed;
  EXPECT_EQ(SortedRepairs(want), SortedRepairs(got));
}

// However much is missing, what is left is a beginning of the whole.
TEST_P(PropertiesTest, CuttingAnywhereNeverAddsRecords) {
  const ParsedAggregate whole = ParseOne(document_);
  ASSERT_TRUE(whole.report.has_value());
  const std::vector<AggregateRecord>& records = whole.report->records;
  for (size_t length = 0; length < document_.size(); ++length) {
    for (const ParsedAggregate& got : ParseAggregate(document_.substr(0, length), Hints(), {})) {
      if (!got.report.has_value()) continue;
      ASSERT_LE(got.report->records.size(), records.size()) << "cut at " << length;
      ASSERT_TRUE(
          std::equal(got.report->records.begin(), got.report->records.end(), records.begin()))
          << "cut at " << length;
    }
  }
}

// Random bytes in any one text leave all other records as they were.
TEST_P(PropertiesTest, OneBadTextSpoilsOneRecordAtMost) {
  Random random(GetParam());
  const ParsedAggregate whole = ParseOne(document_);
  ASSERT_TRUE(whole.report.has_value());
  const size_t first_record = document_.find("<record>");
  for (size_t begin = document_.find('>', first_record); begin != std::string::npos;
       begin = document_.find('>', begin + 1)) {
    const size_t end = document_.find('<', begin);
    if (end == std::string::npos || end + 1 >= document_.size() || document_[end + 1] != '/')
      continue;
    const std::string noise = Noise(random.engine());
    const std::string changed = document_.substr(0, begin + 1) + noise + document_.substr(end);
    const auto ordinal = static_cast<size_t>(
        std::ranges::count(std::string_view(document_).substr(0, begin), '\n') - 3);
    const ParsedAggregate got = ParseOne(changed);
    ASSERT_TRUE(got.report.has_value()) << got.detail << "\n" << changed;
    for (size_t i = 0; i < whole.report->records.size(); ++i) {
      if (i == ordinal) continue;
      ASSERT_NE(std::ranges::find(got.report->records, whole.report->records[i]),
                got.report->records.end())
          << "record " << i << " of\n"
          << changed;
    }
    ASSERT_LE(got.report->records.size(), whole.report->records.size()) << changed;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PropertiesTest, testing::Range(1u, 25u));

// The same records read in pieces, as those of a large document are, and as one tree.
TEST(LargeDocumentTest, PiecesGiveWhatOneTreeGives) {
  constexpr int kRecords = 8000;
  Random random(7);
  const std::string frame = Frame(random);
  std::string all;
  std::vector<AggregateRecord> want;
  uint64_t messages = 0;
  for (int i = 0; i < kRecords; i += 1000) {
    std::string some;
    for (int k = 0; k < 1000; ++k) some += RandomRecord(random, i + k);
    const ParsedAggregate part = ParseOne("<feedback>" + frame + some + "</feedback>");
    ASSERT_TRUE(part.report.has_value());
    want.insert(want.end(), part.report->records.begin(), part.report->records.end());
    messages += part.report->messages();
    all += some;
  }
  // Metadata may follow the records, and nothing but blanks need separate them.
  for (const std::string& document : {"<feedback>" + frame + all + "</feedback>",
                                      "<n:feedback xmlns:n='u'>" + all + frame + "</n:feedback>"}) {
    ASSERT_GT(document.size(), size_t{4} << 20);
    const ParsedAggregate got = ParseOne(document);
    ASSERT_TRUE(got.report.has_value()) << got.detail;
    EXPECT_EQ(got.report->records.size(), want.size());
    EXPECT_TRUE(got.report->records == want);
    EXPECT_EQ(got.report->messages(), messages);
  }
}

// Numbers at and beyond their ends (safety.md 3 A): each is what it says or the largest there is,
// and no sum wraps around.
TEST(NumbersTest, CountsNeverWrapAround) {
  std::mt19937_64 random(20261129);
  std::vector<std::string> counts = {"0",
                                     "2147483648",
                                     "4294967296",
                                     "9223372036854775807",
                                     "9223372036854775808",
                                     "18446744073709551615",
                                     "18446744073709551616",
                                     "99999999999999999999999999",
                                     "000000000000000000000000000007"};
  for (int i = 0; i < 2000; ++i) {
    std::string digits(1 + random() % 24, '0');
    for (char& digit : digits) digit = static_cast<char>('0' + random() % 10);
    counts.push_back(digits);
  }
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  const auto at_most = [](Wide exact) {
    return exact > kMost ? kMost : static_cast<uint64_t>(exact);
  };
  for (size_t first = 0; first < counts.size(); first += 7) {
    std::string records;
    std::vector<uint64_t> want;
    Wide sum = 0;
    for (size_t i = first; i < std::min(first + 7, counts.size()); ++i) {
      records += "<record><row><source_ip>192.0.2.1</source_ip>" + Leaf("count", counts[i]) +
                 "</row></record>";
      Wide exact = 0;
      for (const char digit : counts[i]) exact = exact * 10 + static_cast<unsigned>(digit - '0');
      want.push_back(at_most(exact));
      sum += want.back();
    }
    Random frame(1);
    const ParsedAggregate got = ParseOne("<feedback>" + Frame(frame) + records + "</feedback>");
    ASSERT_TRUE(got.report.has_value());
    ASSERT_EQ(got.report->records.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(got.report->records[i].count, want[i]);
    EXPECT_EQ(got.report->messages(), at_most(sum));
    // Nothing beyond belief passes without a word.
    if (sum > 100'000'000'000) {
      EXPECT_EQ(got.outcome, Outcome::kAcceptedMaterial) << records;
    }
  }
}

// A thousand rows, each believable, that are not together.
TEST(NumbersTest, AReportHasACeilingToo) {
  std::string records;
  for (int i = 0; i < 101; ++i) {
    records +=
        "<record><row><source_ip>192.0.2.1</source_ip><count>1000000000</count></row></record>";
    Random frame(1);
    const ParsedAggregate got = ParseOne("<feedback>" + Frame(frame) + records + "</feedback>");
    const std::vector<std::string> repairs = RepairTexts(got);
    EXPECT_EQ(std::ranges::count(repairs,
                                 "count_absurd record [101000000000] -> [101000000000] "
                                 "material"),
              i == 100 ? 1 : 0)
        << i;
  }
}

TEST(NumbersTest, WhatIsNoNumberIsNone) {
  for (const char* text : {"-1", "NaN", "Infinity", "1e9", "0x10", "1.5", "--", "١", "1 2"}) {
    Random frame(1);
    const ParsedAggregate got =
        ParseOne("<feedback>" + Frame(frame) + "<record><row><source_ip>192.0.2.1</source_ip>" +
                 Leaf("count", text) + "</row></record></feedback>");
    ASSERT_TRUE(got.report.has_value());
    EXPECT_EQ(got.report->records[0].count, 0u) << text;
    EXPECT_EQ(got.outcome, Outcome::kAcceptedMaterial) << text;
  }
}

TEST(NumbersTest, AnyIntervalIsPlacedWithinTheYearsThatThereAre) {
  for (const char* begin : {"0", "-1", "1", "253402300800", "9223372036854775807", "1e300", "NaN",
                            "99999999999999999999", "1700006400", "1700092800"}) {
    for (const char* end : {"0", "-1", "1", "253402300800", "9223372036854775807", "1700006400"}) {
      Random frame(1);
      std::string xml = "<feedback>" + Frame(frame) + "</feedback>";
      xml = Replaced(xml, "1700006400", begin);
      xml = Replaced(xml, "1700092799", end);
      const ParsedAggregate got = ParseOne(xml);
      ASSERT_TRUE(got.report.has_value());
      const ReportMetadata& metadata = got.report->metadata;
      EXPECT_LE(metadata.begin, metadata.end) << begin << " " << end;
      EXPECT_GE(metadata.begin, 1'325'376'000) << begin << " " << end;  // 2012
      EXPECT_LE(metadata.end, 1'700'092'800 + 3 * 86'400) << begin << " " << end;
    }
  }
}

ParsedAggregate ParseStream(std::string_view document, size_t piece,
                            const AggregateLimits& limits) {
  ModelBudget budget(limits.records, limits.model_bytes, limits.model_free_bytes);
  const ReportHints hints = Hints();
  AggregateStream stream(hints, limits, budget, static_cast<int64_t>(document.size()));
  for (size_t at = 0; at < document.size(); at += piece) {
    if (!stream.Add(document.substr(at, piece))) break;
  }
  return stream.Finish();
}

// What comes piece by piece and is never held gives what the whole gives.
TEST(LargeDocumentTest, AStreamGivesWhatTheWholeGives) {
  constexpr int kRecords = 6000;
  AggregateLimits limits;
  limits.repairs = 1'000'000;  // all, so that they can be compared
  for (const uint32_t seed : {1u, 2u, 3u, 4u}) {
    Random random(seed);
    std::string frame = Frame(random);
    if (seed == 1) frame = Replaced(frame, "<report_id>id-1</report_id>", "");
    std::string records;
    for (int i = 0; i < kRecords; ++i) records += RandomRecord(random, i);
    const std::string good = "<?xml version=\"1.0\"?>\n<feedback>\n" + frame + "\n" + records;
    const std::string some = records.substr(0, records.find("<record>", 300'000));
    const std::string foreign = "<x:a></b></b>" + some + "</x:a>";  // its tags do not balance
    const size_t middle = good.find("</row>", good.size() / 2);
    for (const std::string& document :
         {good + "</feedback>\n", good, good + "<!-- " + some + " --></feedback>",
          good + "<extension>" + some + "</extension></feedback>",
          good + foreign + records + "</feedback>",
          Replaced(good, "<count>", "<count>99999999") + "</feedback>",
          Replaced(good, "</record>\n<record>", "<Record>") + "</feedback>",
          Replaced(good, frame, frame + "<extension><record></record></extension>") + "</feedback>",
          Replaced(good, Leaf("version", "1.0"), "") + Leaf("version", "1.0") + "</feedback>",
          Replaced(good, "</record>", "<comment><![CDATA[ </record> ]]></comment></record>") +
              "</feedback>",
          Replaced(Replaced(good, "</record>", "</Record\n>"), "<record>", "<RECORD>") +
              "</feedback>",
          good + "</feedback>" + records.substr(0, 20'000),
          good + "</feedback>" + std::string(3 << 20, '\n'),
          good + "<extra>1</extra></feedback> behind", good.substr(0, good.size() - 700),
          Replaced(good, "</record>", "</recor>") + "</feedback>",
          good.substr(0, middle) + "</bad><" + good.substr(middle) + "</feedback>",
          *Prefixed(good + "</feedback>", "urn:x")}) {
      const ParsedAggregate want = ParseOne(document, Hints(), limits);
      const ParsedAggregate got = ParseStream(document, 1 + seed * 50'000, limits);
      ASSERT_TRUE(want.report.has_value() && got.report.has_value()) << got.reason << got.detail;
      EXPECT_EQ(got.outcome, want.outcome);
      EXPECT_EQ(got.report->records.size(), want.report->records.size());
      EXPECT_TRUE(*got.report == *want.report) << document.substr(document.size() - 100);
      EXPECT_EQ(SortedRepairs(got), SortedRepairs(want));
    }
  }
}

TEST(LargeDocumentTest, AStreamEndsWhereItMust) {
  AggregateLimits limits;
  Random random(5);
  const std::string frame = "<feedback>" + Frame(random);
  std::string records;
  for (int i = 0; i < 3000; ++i) records += RandomRecord(random, i);
  const auto reason = [&](const std::string& document) {
    const ParsedAggregate got = ParseStream(document, 64 * 1024, limits);
    EXPECT_FALSE(got.report.has_value());
    EXPECT_NE(got.detail, "");
    EXPECT_FALSE(got.excerpt.bytes.empty());
    return got.reason;
  };
  const std::string blank(2 << 20, ' ');
  EXPECT_EQ(reason(frame + blank + records), "frame_too_large");  // before the first record
  EXPECT_EQ(reason(frame + "<record>" + std::string(4 << 20, 'x')), "frame_too_large");
  EXPECT_EQ(reason("<other>" + blank), "not_a_feedback_document");
  EXPECT_EQ(reason("<!DOCTYPE f [<!ENTITY a 'b'>]>" + frame + records), "doctype_entities");
  EXPECT_EQ(reason(frame + records + "</feedback>" + frame + records + "</feedback>"),
            "document_too_large");
  EXPECT_EQ(reason(frame + records + "</feedback>" + records), "document_too_large");
  EXPECT_EQ(reason("<feedback>" + records + records + frame.substr(10)), "metadata_missing");
  const size_t policy = frame.find("<policy_published>");
  const size_t metadata = frame.find("<report_metadata>");
  ASSERT_LT(metadata, policy);
  EXPECT_EQ(reason(frame.substr(0, metadata) + frame.substr(policy) + records + records +
                   frame.substr(metadata, policy - metadata)),
            "frame_after_records");
  limits.records = 2500;
  EXPECT_EQ(reason(frame + records + "</feedback>"), "too_many_records");
  limits = {};
  limits.model_free_bytes = 1000;
  EXPECT_EQ(
      reason(frame + Replaced(records, "<record>", "<record/><record>") + std::string(1, ' ') +
             [] {
               std::string empty;
               while (empty.size() < (2 << 20)) empty += "<record></record>";
               return empty;
             }()),
      "model_too_large");
}

TEST(LargeDocumentTest, OneDamagedRecordCostsOneRecord) {
  constexpr int kRecords = 8000;
  Random random(7);
  std::string document = "<feedback>" + Frame(random);
  for (int i = 0; i < kRecords; ++i) document += RandomRecord(random, i);
  document += "</feedback>";
  ASSERT_GT(document.size(), size_t{4} << 20);
  const size_t middle = document.find("</row>", document.size() / 2);
  document.replace(document.find("</record>", middle), 9, "");
  const ParsedAggregate got = ParseOne(document);
  ASSERT_TRUE(got.report.has_value()) << got.detail;
  EXPECT_EQ(got.report->records.size(), kRecords - 1u);
  EXPECT_EQ(got.outcome, Outcome::kAcceptedMaterial);
}

}  // namespace
}  // namespace dmarcate
