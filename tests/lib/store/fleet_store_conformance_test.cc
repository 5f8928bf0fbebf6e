// What every store of fleet changes promises (fleet_store.h), run on the fake and on RocksDB.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/store/fake_fleet_store.h"
#include "lib/store/policy_codec.h"
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
  std::unique_ptr<FleetStore> (*open)(const std::string& directory);
};

// Every field set, so that one that is forgotten shows.
FleetRecord Full(const std::string& id = "01a") {
  FleetRecord out;
  out.id = id;
  out.state = FleetState::kPaused;
  out.selection = {true, "main", "example.com", "01r", "01b"};
  out.intent.spf_from_decisions = true;
  out.intent.dmarc_report_address = true;
  out.intent.flatten = FlattenMode::kNever;
  out.limits = {3, 4, 5};
  out.member_count = 6;
  out.plan_digest = "digest";
  out.requested_by = "p";
  out.applied_by = "a";
  out.create_time = kNow;
  out.plan_end_time = kNow + absl::Seconds(1);
  out.plan_expire_time = kNow + absl::Seconds(2);
  out.apply_time = kNow + absl::Seconds(3);
  out.end_time = kNow + absl::Seconds(4);
  out.apply_expire_time = kNow + absl::Seconds(5);
  out.pause_reason = "OPERATOR";
  out.pause_message = std::string("by \0\xff", 5);
  out.accepted_failures = 7;
  return out;
}

void ExpectEqual(const FleetRecord& a, const FleetRecord& b) {
  // Equal records, equal bytes; the codec names every field.
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.state, b.state);
  EXPECT_EQ(a.selection, b.selection);
  EXPECT_EQ(a.intent.spf_from_decisions, b.intent.spf_from_decisions);
  EXPECT_EQ(a.intent.dmarc_report_address, b.intent.dmarc_report_address);
  EXPECT_EQ(a.intent.flatten, b.intent.flatten);
  EXPECT_EQ(a.limits, b.limits);
  EXPECT_EQ(a.member_count, b.member_count);
  EXPECT_EQ(a.plan_digest, b.plan_digest);
  EXPECT_EQ(a.requested_by, b.requested_by);
  EXPECT_EQ(a.applied_by, b.applied_by);
  EXPECT_EQ(a.create_time, b.create_time);
  EXPECT_EQ(a.plan_end_time, b.plan_end_time);
  EXPECT_EQ(a.plan_expire_time, b.plan_expire_time);
  EXPECT_EQ(a.apply_time, b.apply_time);
  EXPECT_EQ(a.end_time, b.end_time);
  EXPECT_EQ(a.apply_expire_time, b.apply_expire_time);
  EXPECT_EQ(a.pause_reason, b.pause_reason);
  EXPECT_EQ(a.pause_message, b.pause_message);
  EXPECT_EQ(a.accepted_failures, b.accepted_failures);
  EXPECT_EQ(a.revision, b.revision);
}

FleetMemberRecord Member(const std::string& domain) {
  FleetMemberRecord out;
  out.domain = domain;
  out.dns_provider = "main";
  out.state = FleetMemberState::kNeedsAttention;
  out.change_id = "01c";
  out.plan_digest = "digest";
  out.reason = "VERIFY_TIMEOUT";
  out.message = std::string("m\xff", 2);
  out.canary = true;
  out.end_time = kNow;
  return out;
}

class FleetStoreTest : public testing::TestWithParam<Param> {
 protected:
  FleetStore& store() { return *store_; }
  FleetRecord Put(FleetRecord record, const std::vector<FleetMemberRecord>& members = {}) {
    const auto stored = store().PutFleet(std::move(record), members);
    EXPECT_TRUE(stored.ok()) << stored.status();
    return stored.ok() ? *stored : FleetRecord();
  }
  std::vector<std::string> Ids(const std::string& before, size_t limit) {
    std::vector<std::string> out;
    const std::vector<FleetRecord> fleets = store().ListFleets(before, limit).value();
    for (const FleetRecord& fleet : fleets) out.push_back(fleet.id);
    return out;
  }

 private:
  TempDir directory_;
  std::unique_ptr<FleetStore> store_ = GetParam().open(directory_.path("policy"));
};

TEST_P(FleetStoreTest, KeepsEveryField) {
  const FleetRecord stored = Put(Full(), {Member("b.test"), Member("a.test")});
  EXPECT_EQ(stored.revision, 1U);
  ExpectEqual(*store().GetFleet("01a"), stored);
  FleetMemberRecord plain;
  plain.domain = "c.test";
  ASSERT_TRUE(store().PutFleetMember("01a", plain).ok());
  EXPECT_THAT(*store().ListFleetMembers("01a", "", 9),
              ElementsAre(Member("a.test"), Member("b.test"), plain));
  FleetRecord bare;
  bare.id = "01b";
  bare.create_time = kNow;
  const FleetRecord stored_bare = Put(bare);
  ExpectEqual(*store().GetFleet("01b"), stored_bare);
}

TEST_P(FleetStoreTest, APutNamesTheRevisionThatItWasReadAt) {
  FleetRecord stored = Put(Full());
  EXPECT_EQ(store().PutFleet(Full(), {}).status().code(), StatusCode::kAlreadyExists);
  stored.state = FleetState::kApplying;
  EXPECT_EQ(Put(stored).revision, 2U);
  // All or nothing: the member of a refused put is not there.
  EXPECT_EQ(store().PutFleet(stored, {Member("a.test")}).status().code(), StatusCode::kAborted);
  EXPECT_THAT(*store().ListFleetMembers("01a", "", 9), IsEmpty());
}

TEST_P(FleetStoreTest, ListsNewestFirstInPages) {
  for (const char* id : {"01a", "01c", "01b"}) Put(Full(id));
  EXPECT_THAT(Ids("", 9), ElementsAre("01c", "01b", "01a"));
  EXPECT_THAT(Ids("", 2), ElementsAre("01c", "01b"));
  EXPECT_THAT(Ids("01b", 9), ElementsAre("01a"));
  EXPECT_THAT(Ids("01a", 9), IsEmpty());
  EXPECT_THAT(Ids("", 0), IsEmpty());
}

TEST_P(FleetStoreTest, MembersAreListedByDomainInPagesAndApart) {
  Put(Full(), {Member("a.test"), Member("b.test"), Member("c.test")});
  Put(Full("01aa"), {Member("d.test")});
  EXPECT_THAT(*store().ListFleetMembers("01a", "", 2),
              ElementsAre(Member("a.test"), Member("b.test")));
  EXPECT_THAT(*store().ListFleetMembers("01a", "b.test", 9), ElementsAre(Member("c.test")));
  EXPECT_THAT(*store().ListFleetMembers("01a", "", 0), IsEmpty());
  EXPECT_THAT(*store().ListFleetMembers("01", "", 9), IsEmpty());
}

TEST_P(FleetStoreTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(store().GetFleet("01a").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(store().PutFleetMember("01a", Member("a.test")).code(), StatusCode::kNotFound);
}

TEST_P(FleetStoreTest, NamesAreChecked) {
  EXPECT_EQ(store().PutFleet(Full(""), {}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store().PutFleet(Full(), {Member("")}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store().GetFleet("01a").status().code(), StatusCode::kNotFound) << "all or nothing";
}

INSTANTIATE_TEST_SUITE_P(
    All, FleetStoreTest,
    testing::Values(Param{"Fake",
                          [](const std::string&) -> std::unique_ptr<FleetStore> {
                            return std::make_unique<FakeFleetStore>();
                          }},
                    Param{"Rocks",
                          [](const std::string& directory) -> std::unique_ptr<FleetStore> {
                            return std::move(*RocksPolicyStore::Open(directory));
                          }}),
    [](const auto& tested) { return tested.param.name; });

TEST(RocksFleets, OneThatDoesNotDecodeHidesNoOther) {
  TempDir directory;
  const std::string path = directory.path("policy");
  {
    const auto store = *RocksPolicyStore::Open(path);
    for (const char* id : {"01a", "01b"}) ASSERT_TRUE(store->PutFleet(Full(id), {}).ok());
  }
  {
    const auto db = *RocksDb::Open(path, {{"default", FamilyKind::kSmall}});
    WriteSet damage(1);
    damage.Put(0, policy_keys::Fleet("01b"), "no record");
    ASSERT_TRUE(db->Write(damage, Sync::kYes).ok());
  }
  const auto store = *RocksPolicyStore::Open(path);
  const auto all = store->ListFleets("", 10);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ(all->front().id, "01a");
}

TEST(RocksFleets, EnumsThatAreNotKnownAreDataLoss) {
  const std::string key = policy_keys::Fleet("01a");
  FleetRecord fleet = Full();
  FleetRecord got;
  EXPECT_TRUE(DecodeRecord(key, EncodeRecord(key, fleet), &got).ok());
  fleet.state = static_cast<FleetState>(9);
  EXPECT_EQ(DecodeRecord(key, EncodeRecord(key, fleet), &got).code(), StatusCode::kDataLoss);
  const std::string member_key = policy_keys::FleetMember("01a", "a.test");
  FleetMemberRecord member = Member("a.test");
  FleetMemberRecord got_member;
  EXPECT_TRUE(DecodeRecord(member_key, EncodeRecord(member_key, member), &got_member).ok());
  member.state = static_cast<FleetMemberState>(11);
  EXPECT_EQ(DecodeRecord(member_key, EncodeRecord(member_key, member), &got_member).code(),
            StatusCode::kDataLoss);
}

}  // namespace
}  // namespace dmarcate
