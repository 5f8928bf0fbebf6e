#include "cli/status_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate::cli {
namespace {

using testing::HasSubstr;

v1::DomainStatus Busy() {
  v1::DomainStatus status;
  status.set_name("domains/example.com");
  status.set_standing(v1::DomainStatus::STANDING_TROUBLE);
  status.set_reason("SPF_DANGLING: a.test does not exist");
  status.set_next_command("dmarcate records tree example.com");
  status.set_next_reason("SPF_DANGLING: a.test does not exist");
  v1::PolicyStatus* policy = status.mutable_policy();
  policy->set_record("v=DMARC1; p=none; rua=mailto:r@example.com");
  policy->set_owner_name("_dmarc.example.com");
  policy->set_requested(v1::POLICY_KIND_NONE);
  policy->set_applied(v1::POLICY_KIND_NONE);
  policy->set_meaning("mail that fails is delivered as any other");
  policy->mutable_since_time()->set_seconds(1782820800);
  v1::SpfStatus* spf = status.mutable_spf();
  spf->set_record("v=spf1 include:a.test -all");
  spf->set_verdict(v1::VERDICT_FAIL);
  spf->set_reason("an include leads nowhere");
  spf->set_lookup_count(1);
  spf->set_complete(true);
  v1::DkimStatus* dkim = status.mutable_dkim();
  dkim->set_usable_count(2);
  dkim->set_unusable_count(1);
  dkim->add_keys()->set_selector("old");
  dkim->mutable_keys(0)->set_state(v1::DKIM_KEY_STATE_REVOKED);
  v1::ReportsStatus* reports = status.mutable_reports();
  reports->mutable_counts()->set_message_count(1000);
  reports->mutable_counts()->set_dmarc_pass_count(980);
  reports->mutable_counts()->set_dkim_aligned_count(900);
  reports->mutable_counts()->set_spf_aligned_count(500);
  reports->mutable_dmarc_pass_rate()->set_lower(0.9693);
  reports->mutable_dmarc_pass_rate()->set_upper(0.9877);
  reports->set_reporter_count(3);
  reports->mutable_last_report_date()->set_year(2026);
  reports->mutable_last_report_date()->set_month(6);
  reports->mutable_last_report_date()->set_day(29);
  reports->set_anchored_message_count(700);
  v1::SourcesStatus* sources = status.mutable_sources();
  sources->mutable_approved()->set_source_count(2);
  sources->mutable_approved()->mutable_counts()->set_message_count(980);
  sources->mutable_pending()->set_source_count(1);
  sources->mutable_pending()->mutable_counts()->set_message_count(20);
  v1::InsightsStatus* insights = status.mutable_insights();
  insights->set_error_count(1);
  insights->mutable_look_time()->set_seconds(1782820800);
  insights->add_worst()->set_code("SPF_DANGLING");
  insights->mutable_worst(0)->set_severity(v1::SEVERITY_ERROR);
  insights->mutable_worst(0)->set_message("a.test does not exist");
  v1::RolloutStatus* rollout = status.add_rollouts();
  rollout->mutable_rollout()->set_stage(v1::Rollout::STAGE_OBSERVE);
  rollout->mutable_rollout()->set_target(v1::Rollout::STAGE_QUARANTINE);
  rollout->mutable_rollout()->set_mode(v1::Rollout::MODE_CONFIRM);
  rollout->mutable_rollout()->set_state(v1::Rollout::STATE_ACTIVE);
  rollout->mutable_rollout()->mutable_stage_start_time()->set_seconds(1782820800);
  rollout->set_decision("hold");
  rollout->set_reason("hold at observe: dwell, G6 closed");
  rollout->mutable_decide_time()->set_seconds(1782820800);
  rollout->mutable_nearest_gate()->set_id("dwell");
  rollout->mutable_nearest_gate()->set_title("days with reports");
  rollout->mutable_nearest_gate()->set_measured("12 days");
  rollout->mutable_nearest_gate()->set_required("30 days");
  v1::ChangesStatus::Brief* change = status.mutable_changes()->add_open();
  change->set_name("domains/example.com/changes/01a");
  change->set_state(v1::Change::STATE_PLANNED);
  change->add_owner_names("example.com");
  change->mutable_plan_expire_time()->set_seconds(1782820800);
  status.mutable_changes()->set_open_count(3);
  return status;
}

TEST(StatusText, OneScreenAndTheCommandLast) {
  EXPECT_EQ(
      StatusText(Busy()),
      "example.com: trouble: SPF_DANGLING: a.test does not exist\n"
      "policy    mail that fails is delivered as any other (since 2026-06-30T12:00:00Z)\n"
      "          v=DMARC1; p=none; rua=mailto:r@example.com\n"
      "spf       1 of 10 look-ups; fail: an include leads nowhere\n"
      "dkim      2 of 3 keys usable; old revoked\n"
      "mail      1000 messages in 30 days, by 3 reporters; last report 2026-06-29\n"
      "          aligned 98.0% (95 % sure of 96.9 to 98.8 %), DKIM 90.0%, SPF 50.0%\n"
      "          700 of them in reports that open gates (anchored)\n"
      "sources   2 approved (980 messages), 1 pending (20 messages), 0 rejected (0 messages)\n"
      "insights  1 error, 0 warnings, 0 for information\n"
      "          error   SPF_DANGLING: a.test does not exist\n"
      "rollout   observe since 2026-06-30T12:00:00Z, target quarantine, confirm, active\n"
      "          hold at observe: dwell, G6 closed (2026-06-30T12:00:00Z)\n"
      "          dwell days with reports: 12 days; wants 30 days\n"
      "changes   01a planned, expires 2026-06-30T12:00:00Z: example.com\n"
      "          and 2 more\n"
      "next      dmarcate records tree example.com\n");
}

TEST(StatusText, WhatIsNotKnownIsNotToldAsNone) {
  v1::DomainStatus status;
  status.set_name("domains/example.com");
  status.set_standing(v1::DomainStatus::STANDING_UNKNOWN);
  status.set_reason("nobody has looked");
  status.add_unknown("spf: nobody has looked yet");
  EXPECT_EQ(StatusText(status),
            "example.com: unknown: nobody has looked\n"
            "policy    ?\n"
            "spf       ?\n"
            "dkim      no key has been looked at: reports name selectors; now: dmarcate records "
            "dkim example.com\n"
            "insights  ?\n"
            "rollout   none\n"
            "changes   ?\n"
            "unknown   spf: nobody has looked yet\n"
            "next      nothing to do\n");
}

TEST(StatusText, LookupsAreCountedOnce) {
  v1::DomainStatus status = Busy();
  status.mutable_spf()->set_verdict(v1::VERDICT_PASS);
  status.mutable_spf()->set_lookup_count(2);
  status.mutable_spf()->set_complete(true);
  status.mutable_spf()->set_reason("2 of 10 look-ups, 18 IPv4 addresses");
  EXPECT_THAT(StatusText(status),
              HasSubstr("\nspf       pass: 2 of 10 look-ups, 18 IPv4 addresses\n"));
}

TEST(StatusText, WhatStrangersWroteIsEscaped) {
  v1::DomainStatus status = Busy();
  status.mutable_policy()->set_record("v=DMARC1; p=none; x=\x1b[31m");
  EXPECT_THAT(StatusText(status), testing::Not(HasSubstr("\x1b")));
}

TEST(StatusTable, OneLine) {
  EXPECT_THAT(StatusTable(Busy()).Render(Format::kCsv),
              HasSubstr("example.com,trouble,none,none,1,1000,0.9800,1,1,0,observe,3,"));
}

}  // namespace
}  // namespace dmarcate::cli
