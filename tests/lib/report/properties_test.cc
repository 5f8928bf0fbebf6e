// What holds for every report (report-quirks section 19), over generated ones. A failure prints the
// seed.
#include <algorithm>
#include <random>
#include <sstream>

#include <gtest/gtest.h>
#include <pugixml.hpp>

#include "tests/lib/report/quirk_case.h"

namespace dmarcate {
namespace {

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

std::string Print(const pugi::xml_document& tree) {
  std::ostringstream out;
  tree.save(out, "", pugi::format_raw);
  return out.str();
}

// Shuffles the children of every element; those of one name keep their order, which has a meaning.
void Shuffle(pugi::xml_node node, std::mt19937& engine) {
  std::vector<std::string> names;
  std::vector<pugi::xml_node> children;
  for (const pugi::xml_node child : node.children()) {
    if (child.type() != pugi::node_element) continue;
    names.emplace_back(child.name());
    children.push_back(child);
  }
  for (const pugi::xml_node child : children) Shuffle(child, engine);
  std::vector<std::string> order = names;
  std::ranges::shuffle(order, engine);
  for (const std::string& name : order) {
    const auto at = static_cast<size_t>(std::ranges::find(names, name) - names.begin());
    node.append_move(children[at]);
    names[at].clear();
  }
}

void AddPrefix(pugi::xml_node node, const std::string& prefix) {
  if (node.type() == pugi::node_element) node.set_name((prefix + ":" + node.name()).c_str());
  for (const pugi::xml_node child : node.children()) AddPrefix(child, prefix);
}

class PropertiesTest : public testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override {
    document_ = RandomReport(GetParam(), 1 + static_cast<int>(GetParam() % 8));
  }
  std::string document_;
};

TEST_P(PropertiesTest, SiblingsMayStandInAnyOrder) {
  pugi::xml_document tree;
  ASSERT_TRUE(tree.load_string(document_.c_str()));
  Random random(GetParam());
  Shuffle(tree.document_element(), random.engine());
  const ParsedAggregate want = ParseOne(document_);
  const ParsedAggregate got = ParseOne(Print(tree));
  ASSERT_TRUE(want.report.has_value() && got.report.has_value());
  EXPECT_TRUE(*want.report == *got.report) << Print(tree);
  EXPECT_EQ(SortedRepairs(want), SortedRepairs(got));
}

TEST_P(PropertiesTest, PrefixAndNamespaceChangeNothingElse) {
  pugi::xml_document tree;
  ASSERT_TRUE(tree.load_string(document_.c_str()));
  AddPrefix(tree.document_element(), "ns1");
  tree.document_element().append_attribute("xmlns:ns1") = "http://dmarc.org/dmarc-xml/0.1";
  const ParsedAggregate want = ParseOne(document_);
  ParsedAggregate got = ParseOne(Print(tree));
  ASSERT_TRUE(want.report.has_value() && got.report.has_value());
  EXPECT_EQ(got.report->xml_namespace, "http://dmarc.org/dmarc-xml/0.1");
  got.report->xml_namespace.clear();
  EXPECT_TRUE(*want.report == *got.report) << Print(tree);
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
  static constexpr std::string_view kNasty = "<>&;!-?/\"'[]=: \n\0\xFF\xC3\x80";
  Random random(GetParam());
  const ParsedAggregate whole = ParseOne(document_);
  ASSERT_TRUE(whole.report.has_value());
  const size_t first_record = document_.find("<record>");
  for (size_t begin = document_.find('>', first_record); begin != std::string::npos;
       begin = document_.find('>', begin + 1)) {
    const size_t end = document_.find('<', begin);
    if (end == std::string::npos || end + 1 >= document_.size() || document_[end + 1] != '/')
      continue;
    std::string noise;
    for (int i = random.Below(12); i > 0; --i) {
      noise += random.Chance(60) ? kNasty[static_cast<size_t>(random.Below(std::ssize(kNasty)))]
                                 : static_cast<char>(random.Below(256));
    }
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
