// What every store of rollout rules promises (rollout_rules_store.h), run on the fake and on
// RocksDB.

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/store/fake_rollout_rules_store.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/rocks_policy_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using absl::StatusCode;

struct Param {
  std::string name;
  std::unique_ptr<RolloutRulesStore> (*open)(const std::string& directory);
};

// Every field set, so that one that is forgotten shows.
RolloutRules Full(const std::string& domain = "example.com") {
  const absl::Time now = absl::FromUnixMicros(1'764'000'000'123'456);
  RolloutRules out;
  out.domain = domain;
  out.freezes = {{"f1", now, now + absl::Hours(1), "year end", "local", now - absl::Hours(2)},
                 {"f2", now + absl::Hours(3), now + absl::Hours(4), "fair", "token/root", now}};
  out.two_people = true;
  out.release_by = "token/ann";
  out.release_time = now + absl::Hours(5);
  out.suspended = true;
  out.suspend_reason = "sold";
  out.log = {{now, "local", "froze"}, {now + absl::Hours(6), "token/root", "suspended"}};
  return out;
}

class RolloutRulesStoreTest : public testing::TestWithParam<Param> {
 protected:
  RolloutRulesStore& store() { return *store_; }

 private:
  TempDir directory_;
  std::unique_ptr<RolloutRulesStore> store_ = GetParam().open(directory_.path("policy"));
};

TEST_P(RolloutRulesStoreTest, WhereNobodySetAnyThereAreNoneOfRevisionZero) {
  RolloutRules none;
  none.domain = "example.com";
  EXPECT_EQ(store().GetRolloutRules("example.com").value(), none);
}

TEST_P(RolloutRulesStoreTest, KeepsEveryFieldByDomainAndOfAll) {
  for (const std::string& domain : {std::string("example.com"), std::string(kRulesOfAll)}) {
    RolloutRules want = Full(domain);
    want.suspend_reason += domain;
    const auto stored = store().PutRolloutRules(want);
    ASSERT_TRUE(stored.ok()) << stored.status();
    want.revision = 1;
    EXPECT_EQ(*stored, want);
    EXPECT_EQ(store().GetRolloutRules(domain).value(), want);
  }
  EXPECT_EQ(store().GetRolloutRules("example.co").value().revision, 0u);
}

TEST_P(RolloutRulesStoreTest, APutNamesTheRevisionThatItWasReadAt) {
  RolloutRules stored = store().PutRolloutRules(Full()).value();
  EXPECT_EQ(store().PutRolloutRules(Full()).status().code(), StatusCode::kAlreadyExists);
  stored.freezes.clear();
  stored = store().PutRolloutRules(stored).value();
  EXPECT_EQ(stored.revision, 2u);
  RolloutRules late = stored;
  late.revision = 1;
  EXPECT_EQ(store().PutRolloutRules(late).status().code(), StatusCode::kAborted);
  EXPECT_EQ(store().PutRolloutRules(Full("")).status().code(), StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(All, RolloutRulesStoreTest,
                         testing::Values(Param{"Fake",
                                               [](const std::string&) {
                                                 return std::unique_ptr<RolloutRulesStore>(
                                                     std::make_unique<FakeRolloutRulesStore>());
                                               }},
                                         Param{"RocksDb",
                                               [](const std::string& directory) {
                                                 return std::unique_ptr<RolloutRulesStore>(
                                                     RocksPolicyStore::Open(directory).value());
                                               }}),
                         [](const auto& tested) { return tested.param.name; });

// docs/store.md
TEST(RolloutRulesCodec, AnotherKeyOrDamageDoesNotDecode) {
  const std::string key = policy_keys::RolloutRules("a.test");
  EXPECT_EQ(key, std::string("oa.test") + std::string(1, '\0'));
  RolloutRules rules = Full();
  rules.revision = 7;
  const std::string value = EncodeRecord(key, rules);
  RolloutRules got;
  got.domain = rules.domain;  // is in the key
  ASSERT_TRUE(DecodeRecord(key, value, &got).ok());
  EXPECT_EQ(got, rules);
  std::string damaged = value;
  damaged[6] = static_cast<char>(damaged[6] ^ 1);
  EXPECT_EQ(DecodeRecord(key, damaged, &got).code(), StatusCode::kDataLoss);
  EXPECT_EQ(DecodeRecord(policy_keys::RolloutRules("b.test"), value, &got).code(),
            StatusCode::kDataLoss);
}

TEST(RocksRolloutRules, AreThereAfterARestart) {
  TempDir directory;
  RocksPolicyStore::Open(directory.path("policy")).value()->PutRolloutRules(Full()).value();
  EXPECT_EQ(RocksPolicyStore::Open(directory.path("policy"))
                .value()
                ->GetRolloutRules("example.com")
                ->freezes,
            Full().freezes);
}

}  // namespace
}  // namespace dmarcate
