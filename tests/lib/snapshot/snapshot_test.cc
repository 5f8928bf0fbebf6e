#include "lib/snapshot/snapshot.h"

#include <algorithm>
#include <set>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/random.h"
#include "lib/base/status_macros.h"
#include "lib/snapshot/report_address.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;

constexpr char kFirst[] = "r-0123456789abcdef@reports.example";
constexpr char kSecond[] = "r-zyxwvtsrqpnmkjhg@reports.example";

DomainName Host() { return *DomainName::Parse("Reports.Example"); }

TEST(ReportAddress, Is80BitsInLowerCase) {
  EXPECT_EQ(MakeReportAddress(Host(), std::string(10, '\0')), "r-0000000000000000@reports.example");
  EXPECT_EQ(MakeReportAddress(Host(), std::string(10, '\xff')),
            "r-zzzzzzzzzzzzzzzz@reports.example");
  // Each bit of the seed shows.
  std::set<std::string> seen;
  for (size_t bit = 0; bit < 80; ++bit) {
    std::string seed(10, '\0');
    seed[bit / 8] = static_cast<char>(1 << bit % 8);
    const std::string address = MakeReportAddress(Host(), seed);
    EXPECT_TRUE(IsReportLocalPart(address.substr(0, 18))) << address;
    seen.insert(address);
  }
  EXPECT_EQ(seen.size(), 80u);
}

TEST(ReportAddress, OtherLocalPartsAreNone) {
  for (const char* text : {"", "r-", "r-0123456789abcde", "r-0123456789abcdefg",
                           "R-0123456789abcdef", "x-0123456789abcdef", "r-0123456789abcdei",
                           "r-0123456789ABCDEF", "dmarc", "r-0123456789abc.ef"}) {
    EXPECT_FALSE(IsReportLocalPart(text)) << text;
  }
}

TEST(ReportAddress, TheHostIsAHostName) {
  EXPECT_EQ(ParseReportHost("Reports.Example.NET.")->text(), "reports.example.net");
  std::string longest;
  while (longest.size() < 234) longest += "a.";
  EXPECT_TRUE(ParseReportHost(longest + "a").ok());
  EXPECT_FALSE(ParseReportHost(longest + "aa").ok());
  for (const char* text : {"", ".", "localhost", "_x.example", "a b.example", "-a.example",
                           "*.example", "r@reports.example", "192.0.2.1"}) {
    const auto host = ParseReportHost(text);
    EXPECT_EQ(host.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(host.status().message()), HasSubstr(fmt::format("'{}'", text)));
  }
}

TEST(Snapshot, IsTextThatSaysItsLength) {
  const Snapshot snapshot{{"example.com", "a.example"},
                          {{kSecond, "a.example"}, {kFirst, "example.com"}}};
  const std::string text =
      "dmarcate snapshot 1\n"
      "domain a.example\n"
      "domain example.com\n"
      "address r-0123456789abcdef@reports.example example.com\n"
      "address r-zyxwvtsrqpnmkjhg@reports.example a.example\n"
      "end 4\n";
  EXPECT_EQ(RenderSnapshot(snapshot), text);
  const auto read = ParseSnapshot(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->domains, (std::vector<std::string>{"a.example", "example.com"}));
  EXPECT_EQ(read->addresses,
            (std::vector<Snapshot::Address>{{kFirst, "example.com"}, {kSecond, "a.example"}}));
  EXPECT_EQ(RenderSnapshot({}), "dmarcate snapshot 1\nend 0\n");
  EXPECT_EQ(*ParseSnapshot("dmarcate snapshot 1\nend 0\n"), Snapshot());
}

// A policyd that crashed, a disk that lost the rest, an editor: half of it is never taken for it.
TEST(Snapshot, NoPieceOfOneIsOne) {
  SeededRandom random(7);
  Snapshot snapshot;
  for (int i = 0; i < 20; ++i) {
    snapshot.domains.push_back(fmt::format("d{}.example", i));
    snapshot.addresses.push_back(
        {MakeReportAddress(Host(), random.Bytes(10)), snapshot.domains.back()});
  }
  const std::string text = RenderSnapshot(snapshot);
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(ParseSnapshot(text.substr(0, size)).status().code(), absl::StatusCode::kDataLoss)
        << size;
  }
  // Nor one that lost a line within.
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    std::string without = text;
    without.erase(at, text.find('\n', at) + 1 - at);
    EXPECT_FALSE(ParseSnapshot(without).ok()) << text.substr(at, 40);
  }
  const auto whole = ParseSnapshot(text);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(RenderSnapshot(*whole), text);
}

struct Case {
  std::string name, text, want;
};
const Case kCases[] = {
    {"Nothing", "", "line 1: the end is missing"},
    {"SomethingElse", "[smtp]\n", "line 1: no snapshot"},
    {"AnotherFormat", "dmarcate snapshot 2\nend 0\n", "line 1: format 2 is not known"},
    {"NoEnd", "dmarcate snapshot 1\ndomain a.example\n", "line 3: the end is missing"},
    {"AWrongNumber", "dmarcate snapshot 1\ndomain a.example\nend 2\n", "line 3: 1 lines came"},
    {"MoreAfterTheEnd", "dmarcate snapshot 1\nend 0\nend 0\n", "line 2: something follows"},
    {"AnEmptyLine", "dmarcate snapshot 1\n\nend 1\n", "line 2"},
    {"UpperCase", "dmarcate snapshot 1\ndomain A.example\nend 1\n", "line 2: want \"domain NAME\""},
    {"NoName", "dmarcate snapshot 1\ndomain a..example\nend 1\n", "line 2: want"},
    {"NoHost",
     "dmarcate snapshot 1\ndomain a.example\naddress r-0123456789abcdef@a_b.example a.example\n"
     "end 2\n",
     "line 3: want \"address"},
    {"TwoNames", "dmarcate snapshot 1\ndomain a.example b.example\nend 1\n", "line 2: want"},
    {"TheSameDomain", "dmarcate snapshot 1\ndomain a.example\ndomain a.example\nend 2\n",
     "line 3: a domain that was there before"},
    {"AnotherLocalPart", "dmarcate snapshot 1\naddress dmarc@reports.example a.example\nend 1\n",
     "line 2: want \"address"},
    {"AnAddressOfNobody",
     "dmarcate snapshot 1\naddress r-0123456789abcdef@reports.example a.example\nend 1\n",
     "line 3: address r-0123456789abcdef@reports.example is of a.example, which has no line"},
    {"AnAddressOfTwo",
     "dmarcate snapshot 1\ndomain a.example\ndomain b.example\n"
     "address r-0123456789abcdef@reports.example a.example\n"
     "address r-0123456789abcdef@reports.example b.example\nend 4\n",
     "line 5: an address that was there before"},
};
void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

class SnapshotTest : public testing::TestWithParam<Case> {};
TEST_P(SnapshotTest, IsRefused) {
  const auto read = ParseSnapshot(GetParam().text);
  ASSERT_EQ(read.status().code(), absl::StatusCode::kDataLoss) << read.status();
  EXPECT_THAT(std::string(MessageOf(read.status())), HasSubstr(GetParam().want));
}
INSTANTIATE_TEST_SUITE_P(All, SnapshotTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(Snapshot, ALaterPolicydMaySayMore) {
  const auto read = ParseSnapshot(
      "dmarcate snapshot 1\ndomain a.example\ntoken 00ff a.example\n"
      "address r-0123456789abcdef@reports.example a.example\nend 3\n");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->addresses.size(), 1u);
}

}  // namespace
}  // namespace dmarcate
