#include "policyd/fleet/fleet_plan.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate {
namespace {

using State = FleetMemberState;
using testing::ElementsAre;

FleetMemberRecord Member(const std::string& domain, State state = State::kPlanned,
                         const std::string& account = "a", const std::string& reason = "") {
  FleetMemberRecord member;
  member.domain = domain;
  member.state = state;
  member.dns_provider = account;
  member.reason = reason;
  member.plan_digest = "d-" + domain;
  return member;
}

std::vector<std::string> Canaries(const std::vector<FleetMemberRecord>& members) {
  std::vector<std::string> out;
  for (const FleetMemberRecord& member : members) {
    if (member.canary) out.push_back(member.domain);
  }
  return out;
}

TEST(ChooseCanariesTest, TakesTurnsOverTheAccounts) {
  std::vector<FleetMemberRecord> members = {Member("a1"), Member("a2"), Member("a3"),
                                            Member("b1", State::kPlanned, "b"),
                                            Member("c1", State::kPlanned, "c")};
  ChooseCanaries(4, members);
  EXPECT_THAT(Canaries(members), ElementsAre("a1", "a2", "b1", "c1"));
}

TEST(ChooseCanariesTest, OnlyWhatIsPlannedIsTakenAndNoMoreThanThereIs) {
  std::vector<FleetMemberRecord> members = {Member("a1", State::kRefused), Member("a2"),
                                            Member("a3", State::kUnchanged)};
  members[0].canary = true;
  ChooseCanaries(9, members);
  EXPECT_THAT(Canaries(members), ElementsAre("a2"));
  ChooseCanaries(0, members);
  EXPECT_THAT(Canaries(members), ElementsAre());
}

TEST(GroupMembersTest, ByStateAndReasonTheLargestFirst) {
  std::vector<FleetMemberRecord> members = {
      Member("a", State::kRefused, "p", "X"), Member("b", State::kRefused, "p", "Y"),
      Member("c", State::kRefused, "p", "Y"), Member("d", State::kRefused, "p", "Y"),
      Member("e", State::kRefused, "p", "Y"), Member("f")};
  members[1].message = "why";
  const std::vector<FleetGroup> groups = GroupMembers(members);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].state, State::kPlanned);
  EXPECT_EQ(groups[1].reason, "Y");
  EXPECT_EQ(groups[1].count, 4U);
  EXPECT_EQ(groups[1].message, "why");
  EXPECT_THAT(groups[1].domains, ElementsAre("b", "c", "d"));
  EXPECT_EQ(groups[2].reason, "X");
}

TEST(FleetDigestTest, ChangesWithAllThatIsShown) {
  const FleetRecord fleet;
  const std::vector<FleetMemberRecord> members = {Member("a"), Member("b")};
  std::set<std::string> digests = {FleetDigest(fleet, members)};
  EXPECT_EQ(digests.begin()->size(), 64U);
  const auto is_new = [&](const FleetRecord& other, const std::vector<FleetMemberRecord>& of) {
    return digests.insert(FleetDigest(other, of)).second;
  };
  FleetRecord other = fleet;
  other.intent.dmarc_report_address = true;
  EXPECT_TRUE(is_new(other, members));
  other = fleet;
  other.selection.rollback_of = "x";
  EXPECT_TRUE(is_new(other, members));
  std::vector<FleetMemberRecord> changed = members;
  changed[1].plan_digest = "e";
  EXPECT_TRUE(is_new(fleet, changed));
  changed = members;
  changed[1].state = State::kRefused;
  EXPECT_TRUE(is_new(fleet, changed));
  changed = members;
  changed[1].reason = "SPF_MULTIPLE";
  EXPECT_TRUE(is_new(fleet, changed));
  EXPECT_TRUE(is_new(fleet, {members[0]}));
  // Not with what is not shown, nor with who asks.
  changed = members;
  changed[0].change_id = "other";
  changed[0].canary = true;
  other = fleet;
  other.id = "other";
  other.requested_by = "somebody";
  EXPECT_FALSE(is_new(other, changed));
}

TEST(FleetDigestTest, FieldsDoNotRunIntoEachOther) {
  FleetMemberRecord a = Member("a");
  FleetMemberRecord b = Member("a");
  a.plan_digest = "12";
  a.reason = "3";
  b.plan_digest = "1";
  b.reason = "23";
  EXPECT_NE(FleetDigest({}, {a}), FleetDigest({}, {b}));
}

}  // namespace
}  // namespace dmarcate
