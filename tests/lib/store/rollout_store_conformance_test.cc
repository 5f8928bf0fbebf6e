// What every store of rollouts promises (rollout_store.h), run on the fake and on RocksDB.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/store/fake_rollout_store.h"
#include "lib/store/policy_keys.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_policy_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kNow = absl::FromUnixMicros(1'764'000'000'123'456);

struct Param {
  std::string name;
  std::shared_ptr<RolloutStore> (*open)(const std::string& directory);
};

// Every field set, so that one that is forgotten shows.
RolloutRecord Full(const std::string& domain = "example.com", const std::string& id = "r1") {
  RolloutRecord out;
  out.domain = domain;
  out.id = id;
  out.state = std::string("\0\xff", 2);
  out.pending_decision = std::string("\xfe\0", 2);
  out.created_by = "local";
  out.create_time = kNow;
  out.update_time = kNow + absl::Hours(1);
  return out;
}
RolloutLogRecord Entry(const std::string& text) {
  RolloutLogRecord out;
  out.time = kNow;
  out.event = RolloutEvent::kPublished;
  out.who = "local";
  out.text = text;
  out.explanation = "several\nlines";
  out.decision = std::string("\0d", 2);
  out.change_id = "c1";
  out.lowered = true;
  out.alert = true;
  return out;
}

class RolloutStoreTest : public testing::TestWithParam<Param> {
 protected:
  RolloutStore& store() { return *store_; }
  RolloutRecord Put(RolloutRecord record, std::vector<RolloutLogRecord> log = {}) {
    auto stored = store().PutRollout(std::move(record), std::move(log));
    EXPECT_TRUE(stored.ok()) << stored.status();
    return stored.ok() ? *stored : RolloutRecord();
  }
  std::vector<std::string> Texts(const std::string& id, const std::string& before = "",
                                 size_t limit = 100) {
    std::vector<std::string> out;
    const auto log = store().ListRolloutLog("example.com", id, before, limit);
    EXPECT_TRUE(log.ok()) << log.status();
    if (!log.ok()) return out;
    for (const RolloutLogRecord& entry : *log) out.push_back(entry.text);
    return out;
  }
  std::vector<std::string> Names(const std::string& domain, const std::string& after_domain = "",
                                 const std::string& after_id = "", size_t limit = 100) {
    std::vector<std::string> out;
    const auto rollouts = store().ListRollouts(domain, after_domain, after_id, limit);
    EXPECT_TRUE(rollouts.ok()) << rollouts.status();
    if (!rollouts.ok()) return out;
    for (const RolloutRecord& rollout : *rollouts) out.push_back(rollout.domain + "/" + rollout.id);
    return out;
  }

 private:
  TempDir directory_;
  std::shared_ptr<RolloutStore> store_ = GetParam().open(directory_.path("policy"));
};

TEST_P(RolloutStoreTest, KeepsEveryField) {
  RolloutRecord want = Full();
  want.revision = 1;
  RolloutLogRecord entry = Entry("a");
  EXPECT_EQ(Put(Full(), {entry}), want);
  const auto got = store().GetRollout("example.com", "r1");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, want);
  entry.id = "0000000000000001-000";
  const auto log = store().ListRolloutLog("example.com", "r1", "", 10);
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_THAT(*log, ElementsAre(entry));
}

TEST_P(RolloutStoreTest, AStaleRevisionWritesNeitherRolloutNorLog) {
  const RolloutRecord first = Put(Full(), {Entry("a")});
  Put(first, {Entry("b")});
  EXPECT_EQ(store().PutRollout(first, {Entry("late")}).status().code(), StatusCode::kAborted);
  EXPECT_EQ(store().PutRollout(Full(), {Entry("new")}).status().code(), StatusCode::kAlreadyExists);
  RolloutRecord other = Full("example.com", "r9");
  other.revision = 3;
  EXPECT_EQ(store().PutRollout(other, {Entry("x")}).status().code(), StatusCode::kNotFound);
  EXPECT_THAT(Texts("r1"), ElementsAre("b", "a"));
  EXPECT_THAT(Texts("r9"), IsEmpty());
  EXPECT_EQ(store().GetRollout("example.com", "r9").status().code(), StatusCode::kNotFound);
}

TEST_P(RolloutStoreTest, TheLogIsNewestFirstAndOfOneRollout) {
  RolloutRecord record = Put(Full(), {Entry("1"), Entry("2")});
  Put(Full("example.com", "r10"), {Entry("other")});
  for (int i = 3; i < 20; ++i) record = Put(record, {Entry(std::to_string(i))});
  EXPECT_THAT(Texts("r1", "", 3), ElementsAre("19", "18", "17"));
  const auto log = store().ListRolloutLog("example.com", "r1", "", 18);
  ASSERT_TRUE(log.ok() && log->size() == 18u);
  EXPECT_THAT(Texts("r1", log->back().id), ElementsAre("1"));
  EXPECT_THAT(Texts("r10"), ElementsAre("other"));
}

TEST_P(RolloutStoreTest, ForgetsSingleEntriesOfTheLog) {
  const RolloutRecord record = Put(Full(), {Entry("1"), Entry("2"), Entry("3")});
  Put(record, {Entry("4")});
  Put(Full("example.com", "r10"), {Entry("other")});
  const auto log = store().ListRolloutLog("example.com", "r1", "", 10);
  ASSERT_TRUE(log.ok() && log->size() == 4u);
  const std::string second = log->at(2).id;
  ASSERT_TRUE(store().ForgetRolloutLog("example.com", "r1", {second, log->at(0).id}).ok());
  EXPECT_THAT(Texts("r1"), ElementsAre("3", "1"));
  EXPECT_THAT(Texts("r10"), ElementsAre("other"));
  // Twice is no error; the rollout itself is what it was, and later entries come after.
  ASSERT_TRUE(store().ForgetRolloutLog("example.com", "r1", {second}).ok());
  RolloutRecord now = store().GetRollout("example.com", "r1").value();
  EXPECT_EQ(now.revision, 2u);
  Put(now, {Entry("5")});
  EXPECT_THAT(Texts("r1"), ElementsAre("5", "3", "1"));
}

TEST_P(RolloutStoreTest, ListsByDomainThenId) {
  Put(Full("b.test", "r1"));
  Put(Full("a.test", "r2"));
  Put(Full("a.test", "r1"));
  Put(Full("a.test.example", "r1"));
  EXPECT_THAT(Names("-"), ElementsAre("a.test/r1", "a.test/r2", "a.test.example/r1", "b.test/r1"));
  EXPECT_THAT(Names("a.test"), ElementsAre("a.test/r1", "a.test/r2"));
  EXPECT_THAT(Names("-", "a.test", "r1", 2), ElementsAre("a.test/r2", "a.test.example/r1"));
  EXPECT_THAT(Names("none.test"), IsEmpty());
}

TEST_P(RolloutStoreTest, ALeaseIsWonByOne) {
  const auto none = store().GetRolloutLease();
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(*none, RolloutLease());
  const auto first = store().PutRolloutLease({.holder = "a"});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(store().PutRolloutLease({.holder = "b"}).status().code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(store().PutRolloutLease(*first).ok());
  EXPECT_EQ(store().PutRolloutLease(*first).status().code(), StatusCode::kAborted);
  const auto now = store().GetRolloutLease();
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(now->holder, "a");
  EXPECT_EQ(now->revision, 2u);
}

TEST_P(RolloutStoreTest, RefusesNamesThatAreNoKeys) {
  EXPECT_EQ(store().PutRollout(Full("", "r1"), {}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store().PutRollout(Full("a.test", ""), {}).status().code(),
            StatusCode::kInvalidArgument);
}

std::shared_ptr<RocksPolicyStore> OpenRocks(const std::string& directory) {
  auto store = RocksPolicyStore::Open(directory);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

INSTANTIATE_TEST_SUITE_P(
    All, RolloutStoreTest,
    testing::Values(Param{"Fake",
                          [](const std::string&) -> std::shared_ptr<RolloutStore> {
                            return std::make_shared<FakeRolloutStore>();
                          }},
                    Param{"Rocks",
                          [](const std::string& directory) -> std::shared_ptr<RolloutStore> {
                            return OpenRocks(directory);
                          }},
                    Param{"RocksMtaSts",
                          [](const std::string& directory) {
                            const auto store = OpenRocks(directory);
                            return std::shared_ptr<RolloutStore>(store, &store->mta_sts_rollouts());
                          }}),
    [](const auto& c) { return c.param.name; });

// Two kinds in one database: neither sees, lists, numbers or leases the other's.
TEST(RocksRollouts, KindsAreApart) {
  TempDir directory;
  const auto store = *RocksPolicyStore::Open(directory.path("policy"));
  RolloutStore& dmarc = *store;
  RolloutStore& mta_sts = store->mta_sts_rollouts();
  ASSERT_TRUE(dmarc.PutRollout(Full(), {Entry("dmarc")}).ok());
  EXPECT_EQ(mta_sts.GetRollout("example.com", "r1").status().code(), StatusCode::kNotFound);
  EXPECT_THAT(*mta_sts.ListRolloutLog("example.com", "r1", "", 9), IsEmpty());
  RolloutRecord other = Full();
  other.state = "of mta-sts";
  ASSERT_TRUE(mta_sts.PutRollout(other, {}).ok());
  EXPECT_EQ(dmarc.GetRollout("example.com", "r1")->state, Full().state);
  EXPECT_EQ(dmarc.ListRollouts("-", "", "", 9)->size(), 1u);
  ASSERT_TRUE(dmarc.PutRolloutLease({.holder = "a"}).ok());
  EXPECT_EQ(*mta_sts.GetRolloutLease(), RolloutLease());
  ASSERT_TRUE(mta_sts.PutRolloutLease({.holder = "b"}).ok());
  EXPECT_EQ(dmarc.GetRolloutLease()->holder, "a");
  EXPECT_EQ(mta_sts.ListRollouts("-", "", "", 9)->size(), 1u);
}

// Those that can be read must go on: one may have to be lowered.
TEST(RocksRollouts, OneThatDoesNotDecodeHidesNoOther) {
  TempDir directory;
  const std::string path = directory.path("policy");
  {
    const auto store = *RocksPolicyStore::Open(path);
    for (const char* domain : {"a.test", "b.test", "c.test"}) {
      ASSERT_TRUE(store->PutRollout(Full(domain), {}).ok());
    }
  }
  {
    const auto db = *RocksDb::Open(path, {{"default", FamilyKind::kSmall}});
    WriteSet damage(1);
    damage.Put(0, policy_keys::Rollout(policy_keys::kDmarcRollouts, "b.test", "r1"), "no record");
    ASSERT_TRUE(db->Write(damage, Sync::kYes).ok());
  }
  const auto store = *RocksPolicyStore::Open(path);
  EXPECT_EQ(store->GetRollout("b.test", "r1").status().code(), StatusCode::kDataLoss);
  const auto all = store->ListRollouts("-", "", "", 10);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ(all->back().domain, "c.test");
}

// docs/store.md
TEST(RolloutKeys, AreAsDocumented) {
  const auto zero = std::string(1, '\0');
  EXPECT_EQ(policy_keys::Rollout(policy_keys::kDmarcRollouts, "a.test", "1"),
            "Ra.test" + zero + "1" + zero);
  EXPECT_EQ(
      policy_keys::RolloutLog(policy_keys::kDmarcRollouts, "a.test", "1", RolloutLogId(163, 1)),
      "La.test" + zero + "1" + zero + "00000000000000a3-001" + zero);
  EXPECT_EQ(policy_keys::kDmarcRollouts.lease, "A");
  EXPECT_EQ(policy_keys::Rollout(policy_keys::kMtaStsRollouts, "a.test", "1"),
            "ma.test" + zero + "1" + zero);
  EXPECT_EQ(
      policy_keys::RolloutLog(policy_keys::kMtaStsRollouts, "a.test", "1", RolloutLogId(163, 1)),
      "na.test" + zero + "1" + zero + "00000000000000a3-001" + zero);
  EXPECT_EQ(policy_keys::kMtaStsRollouts.lease, "Amta-sts");
}

}  // namespace
}  // namespace dmarcate
