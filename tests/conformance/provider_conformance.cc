#include "tests/conformance/provider_conformance.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "tests/testing/status_matchers.h"

namespace dmarcate {

using testing::AnyOf;
using testing_support::IsOk;
using testing_support::StatusIs;

namespace {

// RRsets have no order.
std::vector<TxtRecord> Sorted(std::vector<TxtRecord> records) {
  std::ranges::sort(records, {}, &TxtRecord::strings);
  return records;
}

}  // namespace

void ProviderConformanceTest::SetUp() {
  host_ = GetParam()();
  ASSERT_NE(host_, nullptr) << "the server did not start";
  zone_ = TestName("example.test");
}

absl::Status ProviderConformanceTest::Apply(const DomainName& owner,
                                            const std::vector<TxtRecord>& before,
                                            const std::vector<TxtRecord>& after,
                                            uint32_t ttl_seconds) {
  return provider().Apply(zone_, {owner, before, after, ttl_seconds});
}

TEST_P(ProviderConformanceTest, FindsTheLongestZone) {
  DMARCATE_ASSERT_OK_AND_ASSIGN(const DomainName zone,
                                provider().FindZone(TestName("_dmarc.deep.example.test")));
  EXPECT_EQ(zone, zone_);
  EXPECT_EQ(provider().FindZone(zone_).value(), zone_);
  EXPECT_THAT(provider().FindZone(TestName("example.org")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(provider().FindZone(TestName("xexample.test")),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(provider().ListZones().value(), testing::Contains(zone_));
}

TEST_P(ProviderConformanceTest, TestSaysThatItWorks) {
  const ProviderTest test = provider().Test();
  EXPECT_EQ(test.state, ProviderTest::State::kWorking) << test.message;
  EXPECT_THAT(test.zones, testing::Contains(zone_));
}

TEST_P(ProviderConformanceTest, AbsentIsEmptyAndNoError) {
  DMARCATE_ASSERT_OK_AND_ASSIGN(const RrSet rrset,
                                provider().ReadRrSet(zone_, TestName("none.example.test")));
  EXPECT_TRUE(rrset.records.empty());
  EXPECT_EQ(rrset.ttl_seconds, 0u);
}

TEST_P(ProviderConformanceTest, CreatesReplacesAndRemoves) {
  const DomainName owner = TestName("_dmarc.example.test");
  const std::vector<TxtRecord> first = Records({"v=DMARC1; p=none"});
  const std::vector<TxtRecord> second = Records({"v=DMARC1; p=reject"});
  ASSERT_THAT(Apply(owner, {}, first, 600), IsOk());
  DMARCATE_ASSERT_OK_AND_ASSIGN(const RrSet created, provider().ReadRrSet(zone_, owner));
  EXPECT_EQ(created.records, first);
  EXPECT_EQ(created.ttl_seconds, host_->traits().ttl(600));
  EXPECT_EQ(host_->Served(owner), first);
  ASSERT_THAT(Apply(owner, first, second, 900), IsOk());
  EXPECT_EQ(host_->Served(owner), second);
  EXPECT_EQ(provider().ReadRrSet(zone_, owner)->ttl_seconds, host_->traits().ttl(900));
  ASSERT_THAT(Apply(owner, second, {}), IsOk());
  EXPECT_TRUE(host_->Served(owner).empty());
  EXPECT_TRUE(provider().ReadRrSet(zone_, owner)->records.empty());
}

TEST_P(ProviderConformanceTest, TheLongestOfNestedZones) {
  if (!host_->AddNestedZone()) GTEST_SKIP() << "no nested zones";
  EXPECT_EQ(provider().FindZone(TestName("_dmarc.nested.example.test")).value(),
            TestName("nested.example.test"));
  EXPECT_EQ(provider().FindZone(TestName("_dmarc.xnested.example.test")).value(), zone_);
}

// The same records; byte for byte where the host says where it cuts.
void ProviderConformanceTest::ExpectRecords(std::vector<TxtRecord> got,
                                            std::vector<TxtRecord> want) {
  if (host_->traits().keeps_cuts) {
    EXPECT_EQ(Sorted(std::move(got)), Sorted(std::move(want)));
  } else {
    EXPECT_TRUE(SameTexts(got, want)) << testing::PrintToString(Sorted(got).size());
  }
}

TEST_P(ProviderConformanceTest, TheApexKeepsItsSiblings) {
  std::vector<TxtRecord> before = Records({"v=spf1 -all", "verification=1"});
  before.push_back({{"cut", "oddly", ""}});
  for (const std::string& text : host_->traits().hard_texts) before.push_back(MakeTxtRecord(text));
  host_->ForeignWrite(zone_, before);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const RrSet read, provider().ReadRrSet(zone_, zone_));
  ExpectRecords(read.records, before);
  std::vector<TxtRecord> after = before;
  after[0] = MakeTxtRecord("v=spf1 mx -all");
  ASSERT_THAT(Apply(zone_, read.records, after), IsOk());
  // What the world sees of the others is what it saw, cuts included.
  EXPECT_EQ(Sorted(host_->Served(zone_)), Sorted(after));
}

TEST_P(ProviderConformanceTest, HardTextsSurvive) {
  const DomainName owner = TestName("texts.example.test");
  const HostTraits traits = host_->traits();
  const std::vector<TxtRecord> records = Records(traits.hard_texts);
  ASSERT_THAT(Apply(owner, {}, records), IsOk());
  ExpectRecords(host_->Served(owner), records);
  ExpectRecords(provider().ReadRrSet(zone_, owner)->records, records);
  EXPECT_THAT(Apply(owner, records, {}), IsOk());
}

TEST_P(ProviderConformanceTest, LongTextsAreCutAt255) {
  const DomainName owner = TestName("long.example.test");
  std::vector<TxtRecord> before;
  for (const size_t length :
       {size_t{254}, size_t{255}, size_t{256}, host_->traits().longest_text}) {
    std::string text;
    for (size_t i = 0; i < length; ++i) text += static_cast<char>('a' + i % 26);
    const std::vector<TxtRecord> after = Records({text});
    ASSERT_THAT(Apply(owner, before, after), IsOk()) << length;
    EXPECT_TRUE(SameTexts(host_->Served(owner), after)) << length;
    for (const TxtRecord& record : host_->Served(owner)) {
      for (const std::string& string : record.strings) EXPECT_LE(string.size(), 255u);
    }
    ExpectRecords(provider().ReadRrSet(zone_, owner)->records, after);
    before = after;
  }
}

TEST_P(ProviderConformanceTest, EveryOctetSurvives) {
  const DomainName owner = TestName("octets.example.test");
  std::string all;
  for (int octet = 1; octet < 256; ++octet) all += static_cast<char>(octet);
  const std::vector<TxtRecord> records =
      Records({all + all + all, "quote \" backslash \\ semicolon ; parens ( )", "\\065", " blanks ",
               std::string(255, 'x')});
  if (!host_->traits().every_octet) {
    // Refused, and nothing half written.
    EXPECT_THAT(Apply(owner, {}, Records({all})), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_TRUE(host_->Served(owner).empty());
    return;
  }
  ASSERT_THAT(Apply(owner, {}, records), IsOk());
  EXPECT_EQ(Sorted(host_->Served(owner)), Sorted(records));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const RrSet read, provider().ReadRrSet(zone_, owner));
  EXPECT_EQ(Sorted(read.records), Sorted(records));
  EXPECT_THAT(Apply(owner, read.records, {}), IsOk());
}

TEST_P(ProviderConformanceTest, TtlsTheHostDoesNotTakeAreBroughtIntoItsRange) {
  const DomainName owner = TestName("ttl.example.test");
  std::vector<TxtRecord> before;
  for (const uint32_t wished : {1u, 60u, 86'400u, 604'800u}) {
    const std::vector<TxtRecord> after = Records({"ttl " + std::to_string(wished)});
    ASSERT_THAT(Apply(owner, before, after, wished), IsOk()) << wished;
    EXPECT_EQ(provider().ReadRrSet(zone_, owner)->ttl_seconds, host_->traits().ttl(wished));
    before = after;
  }
}

TEST_P(ProviderConformanceTest, ApplyMayBeRepeated) {
  const DomainName owner = TestName("twice.example.test");
  const std::vector<TxtRecord> first = Records({"one"});
  const std::vector<TxtRecord> second = Records({"two"});
  ASSERT_THAT(Apply(owner, {}, first), IsOk());
  ASSERT_THAT(Apply(owner, {}, first), IsOk());
  ASSERT_THAT(Apply(owner, first, second), IsOk());
  ASSERT_THAT(Apply(owner, first, second), IsOk());
  EXPECT_EQ(host_->Served(owner), second);
  ASSERT_THAT(Apply(owner, second, {}), IsOk());
  ASSERT_THAT(Apply(owner, second, {}), IsOk());
  if (host_->Writes() >= 0) {
    EXPECT_EQ(host_->Writes(), 3);
  }
}

TEST_P(ProviderConformanceTest, AForeignWriteBetweenReadAndWriteIsKept) {
  const DomainName owner = TestName("race.example.test");
  ASSERT_THAT(Apply(owner, {}, Records({"ours"})), IsOk());
  DMARCATE_ASSERT_OK_AND_ASSIGN(const RrSet read, provider().ReadRrSet(zone_, owner));
  const std::vector<TxtRecord> foreign = Records({"ours", "foreign"});
  host_->ForeignWrite(owner, foreign);
  EXPECT_THAT(Apply(owner, read.records, Records({"ours 2"})),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(Sorted(host_->Served(owner)), Sorted(foreign));
  // Gone, or there though it should not be: both are no longer what was read.
  EXPECT_THAT(Apply(TestName("gone.example.test"), Records({"x"}), Records({"y"})),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(Apply(owner, {}, Records({"y"})), StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(Sorted(host_->Served(owner)), Sorted(foreign));
}

TEST_P(ProviderConformanceTest, NothingIsWrittenOutsideTheZone) {
  EXPECT_THAT(
      provider().Apply(TestName("other.test"), {TestName("a.other.test"), {}, Records({"x"}), 300}),
      StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(provider().Apply(zone_, {TestName("a.other.test"), {}, Records({"x"}), 300}).ok());
}

TEST_P(ProviderConformanceTest, AnAliasIsNotWrittenOver) {
  const DomainName alias = TestName("alias.example.test");
  EXPECT_TRUE(provider().ReadRrSet(zone_, alias)->records.empty());
  EXPECT_FALSE(Apply(alias, {}, Records({"x"})).ok());
  EXPECT_TRUE(host_->Served(alias).empty());
}

TEST_P(ProviderConformanceTest, AWrongCredentialWritesNothing) {
  const std::unique_ptr<DnsProvider> wrong = host_->WithWrongCredential();
  if (wrong == nullptr) GTEST_SKIP() << "no credential";
  const DomainName owner = TestName("denied.example.test");
  EXPECT_THAT(wrong->Apply(zone_, {owner, {}, Records({"x"}), 300}),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(host_->Served(owner).empty());
  EXPECT_EQ(wrong->Test().state, ProviderTest::State::kCredentialRefused) << wrong->Test().message;
}

TEST_P(ProviderConformanceTest, AHostThatIsDownIsUnavailable) {
  if (!host_->GoDown()) GTEST_SKIP() << "cannot go down";
  const DomainName owner = TestName("down.example.test");
  EXPECT_THAT(provider().ReadRrSet(zone_, owner), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Apply(owner, {}, Records({"x"})), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(provider().Test().state, ProviderTest::State::kUnreachable);
}

}  // namespace dmarcate
