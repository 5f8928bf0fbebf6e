#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dmarcate/v1/change.grpc.pb.h"
#include "dmarcate/v1/rollout.grpc.pb.h"
#include "tests/policyd/service/world.h"

namespace dmarcate::service_testing {
namespace {

using testing::HasSubstr;

const DomainName kDmarc = DomainName::Parse("_dmarc.example.com").value();

class RolloutServiceTest : public testing::Test {
 protected:
  RolloutServiceTest() {
    world.AddDomain();
    world.AddProvider();
    world.provider().SetTexts(DomainName::Parse("example.com").value(), {"v=spf1 -all"});
    SetDmarc("v=DMARC1; p=quarantine; rua=mailto:r@example.com");
  }
  void SetDmarc(const std::string& text) { world.provider().SetTexts(kDmarc, {text}); }
  v1::Rollout Create() {
    v1::CreateRolloutRequest request;
    request.set_parent("domains/example.com");
    v1::CreateRolloutResponse response;
    const grpc::Status status = world.Call<v1::RolloutService>(
        &v1::RolloutService::Stub::CreateRollout, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.rollout();
  }
  template <typename Request, typename Response>
  std::string Reason(grpc::Status (v1::RolloutService::Stub::*method)(grpc::ClientContext*,
                                                                      const Request&, Response*),
                     const Request& request) {
    Response response;
    return ReasonOf(world.Call<v1::RolloutService>(method, request, &response));
  }

  World world;
};

TEST_F(RolloutServiceTest, BeginsWhereTheRecordStandsWithDefaults) {
  const v1::Rollout rollout = Create();
  EXPECT_EQ(rollout.stage(), v1::Rollout::STAGE_QUARANTINE);
  EXPECT_EQ(rollout.target(), v1::Rollout::STAGE_QUARANTINE);
  EXPECT_EQ(rollout.mode(), v1::Rollout::MODE_CONFIRM);
  EXPECT_EQ(rollout.state(), v1::Rollout::STATE_ACTIVE);
  EXPECT_EQ(rollout.settings().observe_days(), 30);
  v1::ListRolloutsRequest request;
  request.set_parent("domains/-");
  v1::ListRolloutsResponse response;
  DMARCATE_CALL(world, v1::RolloutService, ListRollouts, request, &response);
  ASSERT_EQ(response.rollouts_size(), 1);
  EXPECT_EQ(response.rollouts(0).name(), rollout.name());
}

TEST_F(RolloutServiceTest, RefusesByName) {
  v1::CreateRolloutRequest request;
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::CreateRollout, request), "FIELD_REQUIRED");
  request.set_parent("domains/other.test");
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::CreateRollout, request), "RESOURCE_NOT_FOUND");
  request.set_parent("domains/example.com");
  request.mutable_rollout()->set_target(v1::Rollout::STAGE_REJECT);
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::CreateRollout, request), "FIELD_INVALID");
  request.mutable_rollout()->mutable_settings()->set_accepted_loss("lists");
  request.mutable_rollout()->mutable_settings()->set_test_days(1);
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::CreateRollout, request), "FIELD_INVALID");
  request.mutable_rollout()->mutable_settings()->set_test_days(0);
  SetDmarc("v=DMARC1; p=quarantine; pct=50");
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::CreateRollout, request), "ROLLOUT_STATE");
  SetDmarc("v=DMARC1; p=none");
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::CreateRollout, request), "");
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::CreateRollout, request), "ROLLOUT_ACTIVE");
}

// However many plans came after it: they say nothing of what the record holds.
TEST_F(RolloutServiceTest, AChangeThatNeedsAttentionIsNotForgottenBehindPlans) {
  v1::ExplainRolloutRequest request;
  request.set_name(Create().name());
  ChangeRecord change;
  change.domain = "example.com";
  change.id = "00a";
  change.state = ChangeState::kNeedsAttention;
  change.record_changes = {{.owner_name = "_dmarc.example.com"}};
  ASSERT_TRUE(world.policies().PutChange(change).ok());
  change.state = ChangeState::kCancelled;
  for (int i = 100; i < 220; ++i) {
    change.id = "01" + std::to_string(i);
    ASSERT_TRUE(world.policies().PutChange(change).ok());
  }
  v1::ExplainRolloutResponse response;
  DMARCATE_CALL(world, v1::RolloutService, ExplainRollout, request, &response);
  EXPECT_THAT(response.reason(), HasSubstr("change 00a needs attention"));
  change.id = "02";
  change.state = ChangeState::kSucceeded;
  ASSERT_TRUE(world.policies().PutChange(change).ok());
  DMARCATE_CALL(world, v1::RolloutService, ExplainRollout, request, &response);
  EXPECT_THAT(response.reason(), testing::Not(HasSubstr("attention")));
}

TEST_F(RolloutServiceTest, MovesNoRecordThatLiesElsewhere) {
  DomainRecord domain = *world.policies().GetDomain("example.com");
  domain.delegation_zone = "operator.test";
  ASSERT_TRUE(world.policies().PutDomain(domain).ok());
  v1::CreateRolloutRequest request;
  request.set_parent("domains/example.com");
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::CreateRollout, request), "ROLLOUT_STATE");
}

TEST_F(RolloutServiceTest, ARolloutOfADomainThatIsDelegatedLaterFreezesAndSaysWhy) {
  v1::ExplainRolloutRequest request;
  request.set_name(Create().name());
  DomainRecord domain = *world.policies().GetDomain("example.com");
  domain.delegation_zone = "operator.test";
  ASSERT_TRUE(world.policies().PutDomain(domain).ok());
  v1::ExplainRolloutResponse response;
  DMARCATE_CALL(world, v1::RolloutService, ExplainRollout, request, &response);
  EXPECT_THAT(response.reason(), HasSubstr("lies in operator.test"));
}

TEST_F(RolloutServiceTest, SettingsAreChangedByTheirPaths) {
  v1::UpdateRolloutRequest request;
  *request.mutable_rollout() = Create();
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::UpdateRollout, request), "UPDATE_MASK_REQUIRED");
  v1::RolloutSettings& settings = *request.mutable_rollout()->mutable_settings();
  EXPECT_EQ(settings.source_aligned(), 0.99);
  EXPECT_EQ(settings.hours().weekdays_size(), 5);
  settings.set_observe_days(45);
  settings.set_test_days(9);  // is not named
  settings.set_unexplained(0);
  settings.mutable_hours()->set_from_minute(540);
  request.mutable_rollout()->set_mode(v1::Rollout::MODE_AUTOMATIC);
  for (const char* path : {"mode", "settings.observe_days", "settings.unexplained",
                           "settings.hours.from_minute", "create_time"}) {
    request.mutable_update_mask()->add_paths(path);
  }
  v1::UpdateRolloutResponse response;
  DMARCATE_CALL(world, v1::RolloutService, UpdateRollout, request, &response);
  const v1::RolloutSettings& set = response.rollout().settings();
  EXPECT_EQ(response.rollout().mode(), v1::Rollout::MODE_AUTOMATIC);
  EXPECT_EQ(set.observe_days(), 45);
  EXPECT_EQ(set.test_days(), 7);
  EXPECT_EQ(set.unexplained(), 0);
  EXPECT_EQ(set.source_aligned(), 0.99);
  EXPECT_EQ(set.hours().from_minute(), 540);
  EXPECT_EQ(set.hours().to_minute(), 1440);
  EXPECT_EQ(set.hours().weekdays_size(), 5);
  // Who read it before that has lost.
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::UpdateRollout, request), "ETAG_MISMATCH");
  v1::ListRolloutEventsRequest events;
  events.set_parent(response.rollout().name());
  v1::ListRolloutEventsResponse log;
  DMARCATE_CALL(world, v1::RolloutService, ListRolloutEvents, events, &log);
  EXPECT_EQ(log.events(0).kind(), v1::RolloutEvent::KIND_PERSON);
  EXPECT_EQ(log.events(0).who(), "token/root");
  EXPECT_THAT(log.events(0).text(), HasSubstr("observe_days 45, was 30; unexplained 0, was 0.005"));
}

TEST_F(RolloutServiceTest, SettingsHaveTheirBounds) {
  const v1::Rollout rollout = Create();
  const auto refused = [&](const std::string& path, auto set) {
    v1::UpdateRolloutRequest request;
    *request.mutable_rollout() = rollout;
    request.mutable_update_mask()->add_paths(path);
    set(*request.mutable_rollout());
    return Reason(&v1::RolloutService::Stub::UpdateRollout, request);
  };
  using R = v1::Rollout;
  EXPECT_EQ(
      refused("settings.observe_days", [](R& r) { r.mutable_settings()->set_observe_days(13); }),
      "FIELD_INVALID");
  EXPECT_EQ(refused("settings.source_aligned",
                    [](R& r) { r.mutable_settings()->set_source_aligned(0.96); }),
            "FIELD_INVALID");
  EXPECT_EQ(refused("settings.receiver_proof",
                    [](R& r) { r.mutable_settings()->set_receiver_proof(0.0 / 0.0); }),
            "FIELD_INVALID");
  EXPECT_EQ(refused("settings.hours.weekdays",
                    [](R& r) { r.mutable_settings()->mutable_hours()->clear_weekdays(); }),
            "FIELD_INVALID");
  EXPECT_EQ(refused("settings.hours.weekdays",
                    [](R& r) { r.mutable_settings()->mutable_hours()->add_weekdays(8); }),
            "FIELD_INVALID");
  EXPECT_EQ(refused("settings.hours",
                    [](R& r) { r.mutable_settings()->mutable_hours()->set_from_minute(1440); }),
            "FIELD_INVALID");
  EXPECT_EQ(refused("target", [](R& r) { r.set_target(R::STAGE_REJECT); }), "FIELD_INVALID");
  EXPECT_EQ(refused("settings.colour", [](R&) {}), "UPDATE_MASK_INVALID");
  EXPECT_EQ(refused("owner", [](R&) {}), "UPDATE_MASK_INVALID");
}

TEST_F(RolloutServiceTest, SimulatesOneThatWouldBeStarted) {
  SetDmarc("v=DMARC1; p=none; rua=mailto:r@example.com");
  v1::SimulateRolloutRequest request;
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::SimulateRollout, request), "FIELD_INVALID");
  request.set_parent("domains/example.com");
  request.mutable_rollout()->mutable_settings()->set_observe_days(20);
  v1::SimulateRolloutResponse response;
  DMARCATE_CALL(world, v1::RolloutService, SimulateRollout, request, &response);
  EXPECT_EQ(response.rollout().name(), "");
  EXPECT_EQ(response.rollout().stage(), v1::Rollout::STAGE_OBSERVE);
  EXPECT_EQ(response.rollout().settings().observe_days(), 20);
  EXPECT_FALSE(response.target_reached());
  ASSERT_GE(response.stages_size(), 1);
  EXPECT_GT(response.stages(0).gates_size(), 0);
  v1::ListRolloutsRequest list;
  list.set_parent("domains/-");
  v1::ListRolloutsResponse rollouts;
  DMARCATE_CALL(world, v1::RolloutService, ListRollouts, list, &rollouts);
  EXPECT_EQ(rollouts.rollouts_size(), 0);  // nothing was started
  request.set_name(Create().name());
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::SimulateRollout, request), "FIELD_INVALID");
  request.clear_name();
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::SimulateRollout, request), "ROLLOUT_ACTIVE");
}

TEST_F(RolloutServiceTest, ExplainsEachGateAndDoesNothingWithoutReports) {
  SetDmarc("v=DMARC1; p=none; rua=mailto:r@example.com");
  const v1::Rollout rollout = Create();
  v1::ExplainRolloutRequest request;
  request.set_name(rollout.name());
  v1::ExplainRolloutResponse response;
  DMARCATE_CALL(world, v1::RolloutService, ExplainRollout, request, &response);
  EXPECT_EQ(response.decision(), "hold");
  EXPECT_EQ(response.gates_size(), 13);
  EXPECT_EQ(response.gates(1).id(), "G1");
  EXPECT_FALSE(response.gates(1).holds());
  EXPECT_FALSE(response.gates(1).command().empty());
  EXPECT_THAT(response.text(), HasSubstr("receiver-proof"));
  EXPECT_EQ(response.input_digest().size(), 64u);
  v1::AdvanceRolloutRequest advance;
  advance.set_name(rollout.name());
  advance.set_stage(v1::Rollout::STAGE_QUARANTINE_TEST);
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::AdvanceRollout, advance), "ETAG_REQUIRED");
  advance.set_etag(rollout.etag());
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::AdvanceRollout, advance), "FIELD_REQUIRED");
  advance.set_decisions_etag(response.decisions_etag());
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::AdvanceRollout, advance), "GATE_UNMET");
  // What was shown rested on other approvals: a yes to it says nothing of these.
  SourceDecision decision;
  decision.domain = "example.com";
  decision.source_id = "sendgrid";
  decision.state = SourceState::kApproved;
  ASSERT_TRUE(world.policies().PutDecision(decision).ok());
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::AdvanceRollout, advance), "ETAG_MISMATCH");
}

TEST_F(RolloutServiceTest, SimulatesAndWritesNothing) {
  SetDmarc("v=DMARC1; p=none; rua=mailto:r@example.com");
  const v1::Rollout rollout = Create();
  v1::SimulateRolloutRequest request;
  request.set_name(rollout.name());
  request.set_days(401);
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::SimulateRollout, request), "FIELD_INVALID");
  request.set_days(60);
  request.set_traffic_days(3);
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::SimulateRollout, request), "FIELD_INVALID");
  request.set_traffic_days(14);
  const int writes = world.provider().writes();
  v1::SimulateRolloutResponse response;
  DMARCATE_CALL(world, v1::RolloutService, SimulateRollout, request, &response);
  EXPECT_EQ(response.assumptions_size(), 4);
  EXPECT_THAT(response.assumptions(0), HasSubstr("the last 14 days"));
  EXPECT_FALSE(response.target_reached());  // without reports nothing moves
  ASSERT_EQ(response.stages_size(), 1);
  EXPECT_EQ(response.stages(0).stage(), v1::Rollout::STAGE_OBSERVE);
  ASSERT_GT(response.stages(0).gates_size(), 3);
  EXPECT_EQ(response.stages(0).gates(0).id(), "dwell");
  EXPECT_TRUE(response.stages(0).gates(0).closed_until().empty());
  EXPECT_THAT(response.text(), HasSubstr("is not reached by then"));
  EXPECT_EQ(world.provider().writes(), writes);
  v1::GetRolloutRequest get;
  get.set_name(rollout.name());
  v1::GetRolloutResponse same;
  DMARCATE_CALL(world, v1::RolloutService, GetRollout, get, &same);
  EXPECT_EQ(same.rollout().etag(), rollout.etag());
}

TEST_F(RolloutServiceTest, PausesResumesAndLeavesALog) {
  const v1::Rollout rollout = Create();
  v1::PauseRolloutRequest pause;
  pause.set_name(rollout.name());
  pause.set_note("new mail system");
  v1::PauseRolloutResponse paused;
  DMARCATE_CALL(world, v1::RolloutService, PauseRollout, pause, &paused);
  EXPECT_EQ(paused.rollout().state(), v1::Rollout::STATE_PAUSED);
  EXPECT_EQ(paused.rollout().pause_reason(), "operator");
  EXPECT_THAT(paused.rollout().pause_detail(), HasSubstr("new mail system"));
  v1::ResumeRolloutRequest resume;
  resume.set_name(rollout.name());
  resume.set_etag(rollout.etag());
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::ResumeRollout, resume), "ETAG_MISMATCH");
  resume.set_etag(paused.rollout().etag());
  v1::ResumeRolloutResponse resumed;
  DMARCATE_CALL(world, v1::RolloutService, ResumeRollout, resume, &resumed);
  EXPECT_EQ(resumed.rollout().state(), v1::Rollout::STATE_ACTIVE);
  v1::ListRolloutEventsRequest log;
  log.set_parent(rollout.name());
  v1::ListRolloutEventsResponse events;
  DMARCATE_CALL(world, v1::RolloutService, ListRolloutEvents, log, &events);
  ASSERT_EQ(events.events_size(), 3);
  EXPECT_EQ(events.events(0).text(), "resumed");
  EXPECT_EQ(events.events(1).text(), "paused: new mail system");
  EXPECT_EQ(events.events(2).kind(), v1::RolloutEvent::KIND_PERSON);
  EXPECT_TRUE(events.next_page_token().empty());
  // In pages, each once.
  std::vector<std::string> ids;
  log.set_page_size(2);
  do {
    DMARCATE_CALL(world, v1::RolloutService, ListRolloutEvents, log, &events);
    for (const v1::RolloutEvent& event : events.events()) ids.push_back(event.id());
    log.set_page_token(events.next_page_token());
  } while (!log.page_token().empty());
  EXPECT_EQ(ids.size(), 3u);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 3u);
}

TEST_F(RolloutServiceTest, AbortsWithoutReportsAndTheChangeIsItsOwn) {
  const v1::Rollout rollout = Create();
  v1::AbortRolloutRequest request;
  request.set_name(rollout.name());
  EXPECT_EQ(Reason(&v1::RolloutService::Stub::AbortRollout, request), "FIELD_REQUIRED");
  request.set_stage(v1::Rollout::STAGE_OBSERVE);
  v1::AbortRolloutResponse response;
  DMARCATE_CALL(world, v1::RolloutService, AbortRollout, request, &response);
  EXPECT_EQ(response.rollout().state(), v1::Rollout::STATE_ABORTED);
  EXPECT_EQ(response.rollout().stage(), v1::Rollout::STAGE_OBSERVE);
  EXPECT_EQ(world.provider().Get(kDmarc).records.front().Joined(),
            "v=DMARC1; p=none; rua=mailto:r@example.com");

  v1::ListChangesRequest list;
  list.set_parent("domains/example.com");
  v1::ListChangesResponse changes;
  DMARCATE_CALL(world, v1::ChangeService, ListChanges, list, &changes);
  ASSERT_EQ(changes.changes_size(), 1);
  EXPECT_EQ(changes.changes(0).intent().policy().rollout(), rollout.name());
  EXPECT_EQ(changes.changes(0).intent().policy().stage(), "observe");
  bool named = false;
  for (const v1::GuardResult& guard : changes.changes(0).guards()) {
    if (guard.code() != "DMARC_POLICY_WEAKENED") continue;
    named = guard.result() == v1::GuardResult::RESULT_WARN;
  }
  EXPECT_TRUE(named);
  // Nobody else makes such a plan, applies one, or brings the policy back without gates.
  v1::CreateChangeRequest create;
  create.set_parent("domains/example.com");
  create.mutable_intent()->mutable_policy()->set_stage("reject");
  v1::CreateChangeResponse created;
  EXPECT_EQ(ReasonOf(world.Call<v1::ChangeService>(&v1::ChangeService::Stub::CreateChange, create,
                                                   &created)),
            "FIELD_INVALID");
  v1::RollbackChangeRequest back;
  back.set_name(changes.changes(0).name());
  back.set_etag(changes.changes(0).etag());
  v1::RollbackChangeResponse rolled;
  EXPECT_EQ(ReasonOf(world.Call<v1::ChangeService>(&v1::ChangeService::Stub::RollbackChange, back,
                                                   &rolled)),
            "GUARD_REFUSED");
}

}  // namespace
}  // namespace dmarcate::service_testing
