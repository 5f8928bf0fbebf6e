// What every store of groupings promises (grouping_store.h), run on the fake and on RocksDB.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/text.h"
#include "lib/store/fake_grouping_store.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/rocks_policy_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using absl::StatusCode;
using testing::IsEmpty;

struct Param {
  std::string name;
  std::unique_ptr<GroupingStore> (*open)(const std::string& directory);
};

// A merge and a split, every field set, so that one that is forgotten shows.
SourceGroupings Full(const std::string& domain = "example.com") {
  SourceGroupings out;
  out.domain = domain;
  out.rules.resize(2);
  out.rules[0].from = "ip-192-0-2-1";
  out.rules[0].into = "sendgrid";
  out.rules[0].decided_by = "token/root";
  out.rules[0].note = std::string("ours \0\xff", 7);
  out.rules[0].decide_time = absl::FromUnixMicros(1'764'000'000'123'456);
  out.rules[1] = out.rules[0];
  out.rules[1].from = "sendgrid";
  out.rules[1].into = "split-shop";
  out.rules[1].ranges = {"192.0.2.0/24", "2001:db8::/64"};
  return out;
}

class GroupingStoreTest : public testing::TestWithParam<Param> {
 protected:
  GroupingStore& store() { return *store_; }

 private:
  TempDir directory_;
  std::unique_ptr<GroupingStore> store_ = GetParam().open(directory_.path("policy"));
};

TEST_P(GroupingStoreTest, WhereNobodyGroupedThereIsNothingOfRevisionZero) {
  const SourceGroupings none = store().GetGroupings("example.com").value();
  EXPECT_EQ(none.domain, "example.com");
  EXPECT_THAT(none.rules, IsEmpty());
  EXPECT_EQ(none.revision, 0u);
}

TEST_P(GroupingStoreTest, KeepsEveryFieldAndTheOrderByDomain) {
  SourceGroupings want = Full();
  const auto stored = store().PutGroupings(want);
  ASSERT_TRUE(stored.ok()) << stored.status();
  want.revision = 1;
  EXPECT_EQ(*stored, want);
  EXPECT_EQ(store().GetGroupings("example.com").value(), want);
  EXPECT_THAT(store().GetGroupings("example.co").value().rules, IsEmpty());
  EXPECT_THAT(store().GetGroupings("example.com.au").value().rules, IsEmpty());
}

TEST_P(GroupingStoreTest, APutNamesTheRevisionThatItWasReadAt) {
  SourceGroupings stored = store().PutGroupings(Full()).value();
  // Who read nothing must not overwrite what has come meanwhile.
  EXPECT_EQ(store().PutGroupings(Full()).status().code(), StatusCode::kAlreadyExists);
  stored.rules.pop_back();
  stored = store().PutGroupings(stored).value();
  EXPECT_EQ(stored.revision, 2u);
  SourceGroupings late = stored;
  late.revision = 1;
  EXPECT_EQ(store().PutGroupings(late).status().code(), StatusCode::kAborted);
  // Taking the last rule back leaves a revision, so caches see that it went.
  stored.rules.clear();
  EXPECT_EQ(store().PutGroupings(stored).value().revision, 3u);
  EXPECT_EQ(store().GetGroupings("example.com").value().revision, 3u);
  EXPECT_EQ(store().PutGroupings(Full("")).status().code(), StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(All, GroupingStoreTest,
                         testing::Values(Param{"Fake",
                                               [](const std::string&) {
                                                 return std::unique_ptr<GroupingStore>(
                                                     std::make_unique<FakeGroupingStore>());
                                               }},
                                         Param{"RocksDb",
                                               [](const std::string& directory) {
                                                 return std::unique_ptr<GroupingStore>(
                                                     RocksPolicyStore::Open(directory).value());
                                               }}),
                         [](const auto& tested) { return tested.param.name; });

TEST(RocksGroupings, AreThereAfterARestart) {
  TempDir directory;
  RocksPolicyStore::Open(directory.path("policy")).value()->PutGroupings(Full()).value();
  EXPECT_EQ(
      RocksPolicyStore::Open(directory.path("policy")).value()->GetGroupings("example.com")->rules,
      Full().rules);
}

// The bytes of docs/store.md.
TEST(GroupingValue, Golden) {
  const std::string key = policy_keys::Groupings("example.com");
  EXPECT_EQ(ToHex(key), "656578616d706c652e636f6d00");
  SourceGroupings groupings;
  groupings.revision = 1;
  groupings.rules.resize(1);
  groupings.rules[0].from = "a";
  groupings.rules[0].into = "split-b";
  groupings.rules[0].ranges = {"192.0.2.1"};
  groupings.rules[0].decided_by = "p";
  groupings.rules[0].note = "n";
  groupings.rules[0].decide_time = absl::FromUnixSeconds(1728086405);
  const std::string value = EncodeRecord(key, groupings);
  EXPECT_EQ(ToHex(value),
            "01"                      // version
            "0801"                    // revision
            "1226"                    // a rule:
            "0a0161"                  // from
            "120773706c69742d62"      // into
            "1a093139322e302e322e31"  // a range
            "220170"                  // by
            "2a016e"                  // note
            "30c0d6bec2f7f58803"      // when
            "399cc010");              // checksum
  SourceGroupings got;
  got.domain = groupings.domain;
  ASSERT_TRUE(DecodeRecord(key, value, &got).ok());
  EXPECT_EQ(got, groupings);
  std::string damaged = value;
  damaged[6] = static_cast<char>(damaged[6] ^ 1);
  EXPECT_EQ(DecodeRecord(key, damaged, &got).code(), StatusCode::kDataLoss);
  EXPECT_EQ(DecodeRecord(policy_keys::Groupings("example.net"), value, &got).code(),
            StatusCode::kDataLoss)
      << "which belongs under another key";
}

}  // namespace
}  // namespace dmarcate
