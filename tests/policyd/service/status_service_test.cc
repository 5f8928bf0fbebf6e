// GetDomainStatus, over fakes: each part, what is not known, and the one command to type next.

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/change.grpc.pb.h"
#include "dmarcate/v1/rollout.grpc.pb.h"
#include "dmarcate/v1/source.grpc.pb.h"
#include "dmarcate/v1/status.grpc.pb.h"
#include "lib/base/text.h"
#include "policyd/reconcile/rollout_controller.h"
#include "policyd/service/domain_status_judgement.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using service_testing::ReasonOf;
using service_testing::World;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using v1::StatusService;
using Texts = std::vector<std::string>;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

class StatusServiceTest : public testing::Test {
 protected:
  StatusServiceTest() { world_.AddDomain(); }

  absl::Time HoursAgo(int hours) { return world_.clock().Now() - absl::Hours(hours); }
  // The last look at a name, an hour ago; no texts: it does not exist.
  void Saw(const std::string& owner, RecordKind kind, Texts texts, int first_hours_ago = 100) {
    Observation seen;
    seen.outcome = texts.empty() ? ObservedOutcome::kNxDomain : ObservedOutcome::kRecords;
    seen.values = std::move(texts);
    seen.first_seen = HoursAgo(first_hours_ago);
    seen.last_seen = HoursAgo(1);
    ASSERT_TRUE(
        world_.observations().UpdateHistory("example.com", {owner, kind}, {{seen}, {}}).ok());
  }
  void SawRecords(const std::string& dmarc = "v=DMARC1; p=none; rua=mailto:r@example.com") {
    Saw("example.com", RecordKind::kSpf, {"v=spf1 include:a.test mx -all", "other"});
    Saw("a.test", RecordKind::kSpf, {"v=spf1 ip4:192.0.2.1 include:b.test -all"});
    Saw("b.test", RecordKind::kSpf, {"v=spf1 ip4:192.0.2.2 -all"});
    Saw("_dmarc.example.com", RecordKind::kDmarc, dmarc.empty() ? Texts() : Texts{dmarc});
    Saw("_dmarc.com", RecordKind::kDmarc, {});
    InsightLookRecord look;
    look.time = HoursAgo(1);
    ASSERT_TRUE(
        world_.insights().UpdateInsights("example.com", {{}, {}, look}, InsightSync::kLater).ok());
  }
  // With a provider, and the mailbox that is in rua=.
  void Provide(const std::string& mailbox) {
    world_.AddProvider();
    DomainRecord domain = *world_.policies().GetDomain("example.com");
    domain.report_mailbox = mailbox;
    ASSERT_TRUE(world_.policies().PutDomain(domain).ok());
  }
  void PutInsight(const std::string& code, Severity severity,
                  InsightState state = InsightState::kActive) {
    InsightRecord insight;
    insight.id = AsciiLower(code);
    insight.code = code;
    insight.severity = severity;
    insight.state = state;
    insight.subject = "example.com";
    insight.message = "what is wrong";
    insight.evidence_command = "dmarcate records tree example.com";
    insight.first_seen = insight.last_seen = HoursAgo(2);
    ASSERT_TRUE(world_.insights()
                    .UpdateInsights("example.com", {{insight}, {}, {}}, InsightSync::kSynced)
                    .ok());
  }
  ChangeRecord PutChange(const std::string& id, ChangeState state) {
    ChangeRecord change;
    change.domain = "example.com";
    change.id = id;
    change.state = state;
    change.create_time = HoursAgo(1);
    change.plan_expire_time = world_.clock().Now() + absl::Minutes(20);
    change.record_changes.emplace_back().owner_name = "_dmarc.example.com";
    return *world_.policies().PutChange(change);
  }
  v1::DomainStatus Get(
      v1::GetDomainStatusRequest::View view = v1::GetDomainStatusRequest::VIEW_FULL) {
    v1::GetDomainStatusRequest request;
    request.set_name("domains/example.com");
    request.set_view(view);
    v1::GetDomainStatusResponse response;
    const grpc::Status status =
        world_.Call<StatusService>(&StatusService::Stub::GetDomainStatus, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }

  World world_;
};

TEST_F(StatusServiceTest, WhatNobodyHasLookedAtIsUnknownAndNotGood) {
  const v1::DomainStatus status = Get();
  EXPECT_EQ(status.standing(), v1::DomainStatus::STANDING_UNKNOWN);
  EXPECT_FALSE(status.has_policy());
  EXPECT_FALSE(status.has_spf());
  EXPECT_THAT(status.unknown(), Contains(HasSubstr("spf: nobody has looked yet")));
  EXPECT_THAT(status.unknown(), Contains(testing::StartsWith("policy: ")));
  EXPECT_EQ(status.dns_provider(), "");
  EXPECT_EQ(status.next_command(), "dmarcate domains update example.com --provider NAME");
}

TEST_F(StatusServiceTest, TellsTheRecordsAsTheWatchSawThem) {
  SawRecords("v=DMARC1; p=reject; sp=none; t=y; pct=0; rua=mailto:r@example.com");
  Saw("s1._domainkey.example.com", RecordKind::kDkim, {"v=DKIM1; p="});
  Saw("s2._domainkey.example.com", RecordKind::kDkim, {});
  const v1::DomainStatus status = Get();
  EXPECT_EQ(status.policy().requested(), v1::POLICY_KIND_REJECT);
  EXPECT_EQ(status.policy().applied(), v1::POLICY_KIND_QUARANTINE);
  EXPECT_EQ(status.policy().meaning(),
            "mail that fails goes to the spam folder, while reject is tested; of sub-domains it is "
            "delivered as any other; of names that do not exist it is delivered as any other");
  EXPECT_EQ(status.policy().owner_name(), "_dmarc.example.com");
  EXPECT_FALSE(status.policy().inherited());
  EXPECT_EQ(status.policy().since_time().seconds(), absl::ToUnixSeconds(HoursAgo(100)));
  EXPECT_EQ(status.policy().look_time().seconds(), absl::ToUnixSeconds(HoursAgo(1)));
  EXPECT_EQ(status.spf().record(), "v=spf1 include:a.test mx -all");
  EXPECT_EQ(status.spf().lookup_count(), 3);
  EXPECT_TRUE(status.spf().complete());
  EXPECT_EQ(status.spf().verdict(), v1::VERDICT_PASS) << status.spf().reason();
  EXPECT_EQ(status.dkim().unusable_count(), 2);
  ASSERT_EQ(status.dkim().keys_size(), 2);
  EXPECT_EQ(status.dkim().keys(0).state(), v1::DKIM_KEY_STATE_REVOKED);
  EXPECT_EQ(status.dkim().keys(1).state(), v1::DKIM_KEY_STATE_ABSENT);
  EXPECT_THAT(world_.resolver().queries(), IsEmpty()) << "no server is asked";
}

TEST_F(StatusServiceTest, ALookThatIsTooOldSaysNothing) {
  SawRecords();
  world_.clock().Advance(absl::Hours(24 * 5));
  const v1::DomainStatus status = Get();
  EXPECT_EQ(status.standing(), v1::DomainStatus::STANDING_UNKNOWN);
  EXPECT_FALSE(status.has_policy());
}

TEST_F(StatusServiceTest, AnIncludeThatNobodySawMakesTheCountALowerBound) {
  Saw("example.com", RecordKind::kSpf, {"v=spf1 include:a.test -all"});
  EXPECT_FALSE(Get().spf().complete());
  EXPECT_EQ(Get().spf().lookup_count(), 1);
}

TEST_F(StatusServiceTest, CountsMailSourcesAndWhoseWordItIs) {
  SawRecords();
  Provide("r@example.com");
  world_.AddReport(Report(world_.DaysAgo(3),
                          {Row(60).From("149.72.1.1").Dkim("sendgrid.net").Dkim("example.com"),
                           Row(40).From("198.51.100.7")},
                          "one.test", TrustClass::kAnchored));
  world_.AddReport(
      Report(world_.DaysAgo(2), {Row(20).From("192.0.2.77").Spf("mailer.test")}, "two.test"));
  SourceDecision decision;
  decision.domain = "example.com";
  decision.source_id = "sendgrid";
  decision.state = SourceState::kApproved;
  ASSERT_TRUE(world_.policies().PutDecision(decision).ok());
  decision.source_id = "silent";
  ASSERT_TRUE(world_.policies().PutDecision(decision).ok());
  const v1::DomainStatus status = Get();
  EXPECT_EQ(status.reports().counts().message_count(), 120);
  EXPECT_EQ(status.reports().counts().dmarc_pass_count(), 60);
  EXPECT_EQ(status.reports().dmarc_pass_rate().total(), 120);
  EXPECT_LT(status.reports().dmarc_pass_rate().lower(), 0.5);
  EXPECT_GT(status.reports().dmarc_pass_rate().upper(), 0.5);
  EXPECT_EQ(status.reports().reporter_count(), 2);
  EXPECT_EQ(status.reports().anchored_message_count(), 100);
  EXPECT_EQ(status.sources().approved().source_count(), 2) << "with the silent one";
  EXPECT_EQ(status.sources().approved().counts().message_count(), 60);
  EXPECT_EQ(status.sources().pending().source_count(), 2);
  EXPECT_EQ(status.sources().pending().counts().message_count(), 60);
  // The address with most mail only claims to be the domain: nobody is asked to approve that.
  EXPECT_EQ(status.sources().largest_pending_message_count(), 20);
  EXPECT_EQ(status.standing(), v1::DomainStatus::STANDING_OPEN);
  EXPECT_THAT(status.next_command(), HasSubstr("dmarcate sources explain "));
  EXPECT_THAT(status.next_command(), HasSubstr(" --domain example.com"));
}

TEST_F(StatusServiceTest, TheBasicViewReadsNoReports) {
  SawRecords();
  Provide("r@example.com");
  world_.AddReport(Report(world_.DaysAgo(3), {Row(9).From("192.0.2.77").Spf("mailer.test")}));
  const uint64_t before = world_.analysis().computations();
  const v1::DomainStatus status = Get(v1::GetDomainStatusRequest::VIEW_BASIC);
  EXPECT_EQ(world_.analysis().computations(), before);
  EXPECT_FALSE(status.has_reports());
  EXPECT_FALSE(status.has_sources());
  EXPECT_TRUE(status.has_policy());
}

TEST_F(StatusServiceTest, TheWorstInsightsFirstAndDecidedOnesNot) {
  SawRecords();
  Provide("r@example.com");
  PutInsight("SPF_LOOKUP_MARGIN", Severity::kWarning);
  PutInsight("SPF_DANGLING", Severity::kError);
  PutInsight("SPF_PLUS_ALL", Severity::kError, InsightState::kAccepted);
  const v1::DomainStatus status = Get();
  EXPECT_EQ(status.insights().error_count(), 1);
  EXPECT_EQ(status.insights().warning_count(), 1);
  ASSERT_EQ(status.insights().worst_size(), 2);
  EXPECT_EQ(status.insights().worst(0).code(), "SPF_DANGLING");
  EXPECT_EQ(status.standing(), v1::DomainStatus::STANDING_TROUBLE);
  EXPECT_THAT(status.reason(), HasSubstr("SPF_DANGLING"));
  EXPECT_EQ(status.next_command(), "dmarcate records tree example.com");
}

TEST_F(StatusServiceTest, ChangesThatHaveEndedAreNotOpen) {
  SawRecords();
  Provide("r@example.com");
  PutChange("01a", ChangeState::kNeedsAttention);
  PutChange("01b", ChangeState::kSucceeded);
  PutChange("01c", ChangeState::kCancelled);
  ChangeRecord expired = PutChange("01d", ChangeState::kPlanned);
  expired.plan_expire_time = HoursAgo(1);
  ASSERT_TRUE(world_.policies().PutChange(expired).ok());
  EXPECT_EQ(Get().changes().open_count(), 0) << "a later change has settled the first one";
  PutChange("01e", ChangeState::kPlanned);
  v1::DomainStatus status = Get();
  ASSERT_EQ(status.changes().open_size(), 1);
  EXPECT_THAT(status.changes().open(0).owner_names(), ElementsAre("_dmarc.example.com"));
  EXPECT_EQ(status.next_command(), "dmarcate changes apply domains/example.com/changes/01e");
  PutChange("01f", ChangeState::kNeedsAttention);
  status = Get();
  EXPECT_EQ(status.changes().open_count(), 2);
  EXPECT_EQ(status.standing(), v1::DomainStatus::STANDING_TROUBLE);
  EXPECT_EQ(status.next_command(), "dmarcate changes show domains/example.com/changes/01f");
}

TEST_F(StatusServiceTest, ARolloutIsToldByItsLastDecision) {
  SawRecords();
  Provide("r@example.com");
  world_.provider().SetTexts(Name("example.com"), {"v=spf1 -all"});
  world_.provider().SetTexts(Name("_dmarc.example.com"),
                             {"v=DMARC1; p=none; rua=mailto:r@example.com"});
  EXPECT_EQ(Get().next_command(), "dmarcate rollout start example.com");
  v1::CreateRolloutRequest request;
  request.set_parent("domains/example.com");
  v1::CreateRolloutResponse response;
  DMARCATE_CALL(world_, v1::RolloutService, CreateRollout, request, &response);
  v1::DomainStatus status = Get();
  ASSERT_EQ(status.rollouts_size(), 1);
  EXPECT_EQ(status.rollouts(0).decision(), "") << "nobody has decided yet";
  ASSERT_TRUE(world_.rollout_controller().Tick().ok());
  status = Get();
  ASSERT_EQ(status.rollouts_size(), 1);
  const v1::RolloutStatus& rollout = status.rollouts(0);
  EXPECT_EQ(rollout.rollout().name(), response.rollout().name());
  EXPECT_EQ(rollout.decision(), "hold");
  EXPECT_THAT(rollout.reason(), HasSubstr("closed"));
  EXPECT_FALSE(rollout.nearest_gate().holds());
  EXPECT_FALSE(rollout.nearest_gate().measured().empty());
  EXPECT_GT(rollout.closed_gate_count(), 1);
  EXPECT_EQ(status.standing(), v1::DomainStatus::STANDING_GOOD) << status.reason();
  EXPECT_EQ(status.next_command(), "") << "it waits for reports, and nobody can hurry it";
  v1::PauseRolloutRequest pause;
  pause.set_name(response.rollout().name());
  v1::PauseRolloutResponse paused;
  DMARCATE_CALL(world_, v1::RolloutService, PauseRollout, pause, &paused);
  EXPECT_EQ(Get().standing(), v1::DomainStatus::STANDING_TROUBLE);
  EXPECT_EQ(Get().next_command(), "dmarcate rollout explain example.com");
}

TEST_F(StatusServiceTest, RefusesByName) {
  const auto reason = [this](const std::string& name, int view) {
    v1::GetDomainStatusRequest request;
    request.set_name(name);
    request.set_view(static_cast<v1::GetDomainStatusRequest::View>(view));
    v1::GetDomainStatusResponse response;
    return ReasonOf(
        world_.Call<StatusService>(&StatusService::Stub::GetDomainStatus, request, &response));
  };
  EXPECT_EQ(reason("", 0), "FIELD_REQUIRED");
  EXPECT_EQ(reason("example.com", 0), "NAME_MALFORMED");
  EXPECT_EQ(reason("domains/other.test", 0), "RESOURCE_NOT_FOUND");
  EXPECT_EQ(reason("domains/example.com", 9), "FIELD_INVALID");
}

TEST_F(StatusServiceTest, ADelegatedDomainIsToldWhatIsNotSetYet) {
  SawRecords("v=DMARC1; p=none; rua=mailto:other@example.com");
  Provide("r@example.com");
  DomainRecord domain = *world_.policies().GetDomain("example.com");
  domain.delegation_zone = "ops.test";
  ASSERT_TRUE(world_.policies().PutDomain(domain).ok());
  const v1::DomainStatus status = Get();
  EXPECT_EQ(status.next_command(), "dmarcate changes plan example.com");
  EXPECT_THAT(status.reason(), HasSubstr("does not lead to ops.test yet"));
}

// The order of what is told, on messages alone.
struct NextCase {
  std::string name;
  void (*change)(v1::DomainStatus*);
  v1::DomainStatus::Standing want_standing;
  std::string want_command;
};

// A domain at reject, whose reports come and of which nothing is open.
v1::DomainStatus Quiet() {
  v1::DomainStatus status;
  status.set_name("domains/example.com");
  status.set_dns_provider("dnsProviders/main");
  status.mutable_policy()->set_record("v=DMARC1; p=reject; rua=mailto:R@example.com");
  status.mutable_policy()->set_requested(v1::POLICY_KIND_REJECT);
  status.mutable_policy()->set_applied(v1::POLICY_KIND_REJECT);
  status.mutable_spf()->set_record("v=spf1 -all");
  status.mutable_insights()->mutable_look_time()->set_seconds(1'000'000);
  status.mutable_changes();
  return status;
}
v1::ChangesStatus::Brief* AddChange(v1::DomainStatus* status, v1::Change::State state) {
  v1::ChangesStatus::Brief* change = status->mutable_changes()->add_open();
  change->set_name("c");
  change->set_state(state);
  return change;
}

class JudgeStatusTest : public testing::TestWithParam<NextCase> {};

TEST_P(JudgeStatusTest, Case) {
  v1::DomainStatus status = Quiet();
  GetParam().change(&status);
  JudgeStatus({.report_address = "r@example.com"}, absl::FromUnixSeconds(1'003'600), &status);
  EXPECT_EQ(status.standing(), GetParam().want_standing) << status.reason();
  EXPECT_EQ(status.next_command(), GetParam().want_command);
  EXPECT_FALSE(status.reason().empty());
}

const NextCase kNextCases[] = {
    {"Quiet", [](v1::DomainStatus*) {}, v1::DomainStatus::STANDING_GOOD, ""},
    {"NobodyHasLookedForADay",
     [](v1::DomainStatus* status) {
       status->mutable_insights()->mutable_look_time()->set_seconds(900'000);
     },
     v1::DomainStatus::STANDING_UNKNOWN, ""},
    {"NoRecord",
     [](v1::DomainStatus* status) {
       status->mutable_policy()->Clear();
       AddChange(status, v1::Change::STATE_PLANNED);
     },
     v1::DomainStatus::STANDING_TROUBLE, "dmarcate changes plan example.com"},
    {"NoRecordAndNobodyWhoCouldWriteIt",
     [](v1::DomainStatus* status) {
       status->mutable_policy()->Clear();
       status->clear_dns_provider();
     },
     v1::DomainStatus::STANDING_TROUBLE, "dmarcate domains update example.com --provider NAME"},
    {"ReportsGoElsewhere",
     [](v1::DomainStatus* status) {
       status->mutable_policy()->set_record("v=DMARC1; p=reject; rua=mailto:x@example.com");
     },
     v1::DomainStatus::STANDING_OPEN, "dmarcate changes plan example.com"},
    {"ReportsGoElsewhereAndAChangeIsOnItsWay",
     [](v1::DomainStatus* status) {
       status->mutable_policy()->set_record("v=DMARC1; p=reject; rua=mailto:x@example.com");
       AddChange(status, v1::Change::STATE_VERIFYING);
     },
     v1::DomainStatus::STANDING_GOOD, ""},
    {"APlanWaits", [](v1::DomainStatus* status) { AddChange(status, v1::Change::STATE_PLANNED); },
     v1::DomainStatus::STANDING_OPEN, "dmarcate changes apply c"},
    {"APlanThatIsAppliedByItself",
     [](v1::DomainStatus* status) {
       AddChange(status, v1::Change::STATE_PLANNED)->mutable_apply_after_time()->set_seconds(1);
     },
     v1::DomainStatus::STANDING_GOOD, ""},
    {"APlanOfARollout",
     [](v1::DomainStatus* status) {
       AddChange(status, v1::Change::STATE_PLANNED)->set_of_rollout(true);
     },
     v1::DomainStatus::STANDING_GOOD, ""},
    {"SomebodySetsRecordsByHand",
     [](v1::DomainStatus* status) {
       AddChange(status, v1::Change::STATE_APPLYING)->set_waits_for_person(true);
     },
     v1::DomainStatus::STANDING_OPEN, "dmarcate changes show c"},
    {"TroubleGoesBeforeWhatIsOpen",
     [](v1::DomainStatus* status) {
       AddChange(status, v1::Change::STATE_PLANNED);
       v1::RolloutStatus* rollout = status->add_rollouts();
       rollout->mutable_rollout()->set_state(v1::Rollout::STATE_PAUSED);
       rollout->mutable_rollout()->set_scope(v1::Rollout::SCOPE_SUBDOMAINS);
     },
     v1::DomainStatus::STANDING_TROUBLE, "dmarcate rollout explain example.com --scope sp"},
    {"AStepWaitsForAYes",
     [](v1::DomainStatus* status) {
       v1::RolloutStatus* rollout = status->add_rollouts();
       rollout->mutable_rollout()->set_state(v1::Rollout::STATE_ACTIVE);
       rollout->mutable_rollout()->set_mode(v1::Rollout::MODE_CONFIRM);
       rollout->set_decision("ready");
       rollout->set_reason("ready for reject");
     },
     v1::DomainStatus::STANDING_OPEN, "dmarcate rollout advance example.com"},
    {"ASourceWaitsAndItsNameIsAStrangers",
     [](v1::DomainStatus* status) {
       status->mutable_sources()->set_largest_pending("domains/example.com/sources/dkim-a;b");
       status->mutable_sources()->set_largest_pending_message_count(7);
     },
     v1::DomainStatus::STANDING_OPEN, "dmarcate sources explain 'dkim-a;b' --domain example.com"},
};
INSTANTIATE_TEST_SUITE_P(All, JudgeStatusTest, testing::ValuesIn(kNextCases),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace dmarcate
