#include "cli/change_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

void AddStep(v1::Change* change, const std::string& step, int64_t seconds, int32_t nanos,
             const std::string& detail = "") {
  v1::Step* out = change->add_steps();
  out->set_step(step);
  out->set_detail(detail);
  out->mutable_time()->set_seconds(1782820800 + seconds);
  out->mutable_time()->set_nanos(nanos);
}

v1::Change Planned() {
  v1::Change change;
  change.set_name("domains/example.com/changes/c1");
  change.set_state(v1::Change::STATE_PLANNED);
  change.set_plan_digest("0a1b");
  change.mutable_plan_expire_time()->set_seconds(1782822600);
  v1::RecordChange* record = change.add_record_changes();
  record->set_owner_name("example.com");
  record->set_type("TXT");
  record->add_before("\"v=spf1 mx -all\"");
  record->add_after("\"v=spf1 mx include:a.test -all\"");
  record->add_untouched("\"verification=1\"");
  record->set_lookups_before(1);
  record->set_lookups_after(3);
  v1::TermChange* keep = record->add_term_changes();
  keep->set_action(v1::TermChange::ACTION_KEEP);
  keep->set_term("mx");
  keep->set_lookup_cost(1);
  v1::TermChange* add = record->add_term_changes();
  add->set_action(v1::TermChange::ACTION_ADD);
  add->set_term("include:a.test");
  add->set_source("a");
  add->set_lookup_cost(2);
  return change;
}

TEST(ChangeText, APlanThatIsNotKeptHasNoName) {
  v1::Change change = Planned();
  v1::GuardResult* choice = change.add_guards();
  choice->set_code("REPAIR_CHOICE");
  choice->set_result(v1::GuardResult::RESULT_REFUSE);
  choice->set_message("say which");
  (*choice->mutable_metadata())["record_1"] = "v=spf1 -all";
  (*choice->mutable_metadata())["record_2"] = "v=spf1 mx";
  const std::string text = PlanText(change);
  EXPECT_THAT(text, testing::StartsWith("example.com  planned, not kept\nexample.com TXT\n"));
  EXPECT_THAT(text, HasSubstr("refused REPAIR_CHOICE: say which\n"
                              "  --keep may name  v=spf1 -all\n"
                              "  --keep may name  v=spf1 mx\n"));
  EXPECT_THAT(text, Not(HasSubstr("c1")));
  EXPECT_THAT(text, Not(HasSubstr("expires")));
}

TEST(ChangeText, ARefusalSaysWhatToTypeNext) {
  v1::Change change = Planned();
  EXPECT_THAT(StepsAfterRefusal(change), testing::IsEmpty());
  change.mutable_intent()->set_spf_from_decisions(true);
  change.mutable_intent()->set_dmarc_report_address(true);
  v1::GuardResult* limit = change.add_guards();
  limit->set_code("SPF_LOOKUP_LIMIT");
  limit->set_result(v1::GuardResult::RESULT_WARN);
  EXPECT_THAT(StepsAfterRefusal(change), testing::IsEmpty());
  limit->set_result(v1::GuardResult::RESULT_REFUSE);
  EXPECT_THAT(StepsAfterRefusal(change),
              ElementsAre(HasSubstr("changes plan DOMAIN --spf --flatten if-needed"),
                          HasSubstr("changes plan DOMAIN --dmarc")));
  *change.add_guards() = *limit;
  change.mutable_guards(1)->set_code("ZONE_MOVED");
  EXPECT_THAT(StepsAfterRefusal(change),
              ElementsAre(HasSubstr("--flatten"), HasSubstr("records show DOMAIN")));
}

TEST(ChangeText, ADiffIsTermByTermWithLookUps) {
  EXPECT_EQ(ChangeText(Planned()),
            "domains/example.com/changes/c1  planned\n"
            "example.com TXT\n"
            "  before  \"v=spf1 mx -all\"\n"
            "  after   \"v=spf1 mx include:a.test -all\"\n"
            "    mx  [1 look-up]\n"
            "  + include:a.test  for a  [2 look-ups]\n"
            "  untouched  \"verification=1\"\n"
            "  look-ups: 1 before, 3 after, limit 10\n"
            "digest 0a1b\n"
            "expires 2026-06-30T12:30:00Z\n");
}

TEST(ChangeText, AScheduledPlanSaysWhen) {
  v1::Change change = Planned();
  change.set_applied_by("token/\x1b[2J");
  change.mutable_apply_after_time()->set_seconds(1782821400);
  EXPECT_THAT(ChangeText(change), HasSubstr("applied at 2026-06-30T12:10:00Z, for token/"));
  EXPECT_THAT(ChangeText(change), Not(HasSubstr("\x1b")));
}

TEST(ChangeText, StepsAreMarkedWithTheirTime) {
  v1::Change change;
  AddStep(&change, "LEASED", 0, 0, "fence 1");
  AddStep(&change, "READ", 0, 100'000'000);
  AddStep(&change, "WRITING", 1, 0, "example.com");
  AddStep(&change, "UNKNOWN", 2, 0, "reset\n");
  AddStep(&change, "READ_BACK", 2, 500'000'000, "example.com");
  AddStep(&change, "VERIFYING", 2, 500'000'000);
  EXPECT_THAT(
      StepMarks(change),
      ElementsAre("[x] lock       +0.0 s  fence 1", "[x] read       +0.1 s",
                  "[x] write      +1.0 s  example.com", HasSubstr("[?] no answer  +2.0 s  reset"),
                  "[x] read back  +2.5 s  example.com"));
  EXPECT_EQ(VerifyMark(change), "");
  for (const bool verified : {true, true, false})
    change.add_verifications()->set_verified(verified);
  EXPECT_EQ(VerifyMark(change), "[ ] verify     2 of 3 servers");
  change.mutable_verifications(2)->set_verified(true);
  EXPECT_EQ(VerifyMark(change), "[x] verify     3 of 3 servers");
}

v1::Change ByHand() {
  v1::Change change = Planned();
  v1::ManualEdit* edit = change.add_manual_edits();
  edit->set_action(v1::ManualEdit::ACTION_REPLACE);
  edit->set_zone("example.com");
  edit->set_owner_name("example.com");
  edit->set_host("@");
  edit->set_type("TXT");
  edit->set_ttl_seconds(300);
  edit->set_value("v=spf1 mx include:a.test -all");
  edit->set_old_value("v=spf1 mx -all");
  edit->set_zone_line("example.com. 300 IN TXT \"v=spf1 mx include:a.test -all\"");
  return change;
}

TEST(ChangeText, WhatAPersonSetsIsAFormAndALineOfAZoneFile) {
  v1::Change change = ByHand();
  v1::ManualEdit* removal = change.add_manual_edits();
  removal->set_action(v1::ManualEdit::ACTION_REMOVE);
  removal->set_zone("example.com");
  removal->set_owner_name("_spf1.example.com");
  removal->set_host("_spf1");
  removal->set_type("TXT");
  removal->set_old_value("v=spf1 -all\x1b");
  EXPECT_EQ(ManualText(change),
            "to set by hand, in this order:\n"
            "1. edit the TXT record in zone example.com\n"
            "     name   @   (example.com)\n"
            "     old    v=spf1 mx -all\n"
            "     value  v=spf1 mx include:a.test -all\n"
            "     TTL    300\n"
            "     zone file: example.com. 300 IN TXT \"v=spf1 mx include:a.test -all\"\n"
            "2. remove the TXT record in zone example.com\n"
            "     name   _spf1   (_spf1.example.com)\n"
            "     old    v=spf1 -all\\x1b\n"
            "leave other TXT records at these names as they are\n");
  EXPECT_THAT(ChangeText(change), HasSubstr("to set by hand"));
  EXPECT_EQ(ManualText(Planned()), "");
}

TEST(ChangeText, ItIsAPersonsTurnWhileTheChangeWaits) {
  v1::Change change = ByHand();
  EXPECT_FALSE(WaitsForPerson(change));
  change.set_state(v1::Change::STATE_APPLYING);
  EXPECT_FALSE(WaitsForPerson(change));
  AddStep(&change, "WAITING", 3, 0);
  EXPECT_TRUE(WaitsForPerson(change));
  EXPECT_NE(ManualText(change), "");
  change.set_state(v1::Change::STATE_SUCCEEDED);
  EXPECT_FALSE(WaitsForPerson(change));
  EXPECT_EQ(ManualText(change), "");
}

TEST(ChangeText, WhatGoesAwayIsSerious) {
  v1::Change change = Planned();
  EXPECT_FALSE(Removes(change));
  change.mutable_record_changes(0)->add_term_changes()->set_action(v1::TermChange::ACTION_REMOVE);
  EXPECT_TRUE(Removes(change));
}

TEST(ChangeText, ADifferenceIsWhatWouldBeWrittenOrMayNotBe) {
  v1::Change change;
  change.set_state(v1::Change::STATE_SUCCEEDED);
  EXPECT_FALSE(Differs(change));
  EXPECT_TRUE(Differs(Planned()));
  change.set_state(v1::Change::STATE_REFUSED);
  EXPECT_TRUE(Differs(change));
}

}  // namespace
}  // namespace dmarcate::cli
