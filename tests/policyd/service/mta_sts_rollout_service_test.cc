// MtaStsRolloutService over fakes: what is refused and how, and the way from start to a withdrawal.

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dmarcate/v1/mta_sts.grpc.pb.h"
#include "dmarcate/v1/status.grpc.pb.h"
#include "policyd/reconcile/mta_sts_controller.h"
#include "tests/policyd/service/world.h"

namespace dmarcate::service_testing {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Service = v1::MtaStsRolloutService;
using Stub = Service::Stub;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

class MtaStsRolloutServiceTest : public testing::Test {
 protected:
  MtaStsRolloutServiceTest() {
    world.AddDomain();
    world.AddProvider();
    world.provider().SetTexts(Name("example.com"), {"v=spf1 -all"});
    world.provider().SetTexts(Name("_smtp._tls.example.com"),
                              {"v=TLSRPTv1; rua=mailto:t@example.com"});
    world.provider().SetTexts(Name("_mta-sts.example.com"), {});
    world.resolver().SetMx(Name("example.com"),
                           {{10, Name("mx1.example.com")}, {20, Name("mx2.example.com")}});
    world.SetInboundLook([](const DomainName&, const MxPosture& mx, const auto&...) {
      InboundPosture out;
      for (const MxRecord& record : mx.records) {
        MailServerPosture server;
        server.host = record.exchange;
        ProbedAddress seen;
        seen.probe.stage = SmtpStage::kDone;
        seen.probe.starttls_offered = seen.probe.tls_current = true;
        seen.probe.tls_version = "TLSv1.3";
        seen.probe.chain = {"der"};
        server.probes.push_back(std::move(seen));
        out.servers.push_back(std::move(server));
      }
      return out;
    });
  }
  v1::MtaStsRollout Create() {
    v1::CreateMtaStsRolloutRequest request;
    request.set_parent("domains/example.com");
    v1::CreateMtaStsRolloutResponse response;
    const grpc::Status status = world.Call<Service>(&Stub::CreateMtaStsRollout, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.rollout();
  }
  v1::ExplainMtaStsRolloutResponse Explain(const std::string& name) {
    v1::ExplainMtaStsRolloutRequest request;
    request.set_name(name);
    v1::ExplainMtaStsRolloutResponse response;
    const grpc::Status status =
        world.Call<Service>(&Stub::ExplainMtaStsRollout, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::MtaStsRollout Get(const std::string& name) {
    v1::GetMtaStsRolloutRequest request;
    request.set_name(name);
    v1::GetMtaStsRolloutResponse response;
    const grpc::Status status = world.Call<Service>(&Stub::GetMtaStsRollout, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.rollout();
  }
  template <typename Request, typename Response>
  std::string Reason(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                     const Request& request) {
    Response response;
    return ReasonOf(world.Call<Service>(method, request, &response));
  }
  void Ticks(int ticks) {
    for (int i = 0; i < ticks; ++i) {
      world.clock().Advance(absl::Minutes(10));
      world.mta_sts_controller().Tick().IgnoreError();
    }
  }
  // As the proxy in front of policyd's HTTP port does.
  void Serve(const std::string& file) {
    world.sts_files().Serve(Name("example.com"), ServedStsFile{file});
  }
  std::vector<std::string> Record() {
    std::vector<std::string> texts;
    for (const TxtRecord& record : world.provider().Get(Name("_mta-sts.example.com")).records) {
      texts.push_back(record.Joined());
    }
    return texts;
  }

  World world;
};

TEST_F(MtaStsRolloutServiceTest, BeginsWithTheLiveServersAndDefaults) {
  const v1::MtaStsRollout rollout = Create();
  EXPECT_EQ(rollout.stage(), v1::MtaStsRollout::STAGE_OFF);
  EXPECT_EQ(rollout.target(), v1::MtaStsRollout::STAGE_ENFORCE);
  EXPECT_EQ(rollout.mode(), v1::Rollout::MODE_CONFIRM);
  EXPECT_EQ(rollout.state(), v1::Rollout::STATE_ACTIVE);
  EXPECT_EQ(rollout.settings().testing_days(), 14);
  EXPECT_EQ(rollout.settings().enforce_max_age_seconds(), 2'592'000);
  EXPECT_THAT(rollout.settings().mx(), ElementsAre("mx1.example.com", "mx2.example.com"));
  EXPECT_EQ(rollout.next_file(), "");
  v1::ListMtaStsRolloutsRequest request;
  request.set_parent("domains/-");
  v1::ListMtaStsRolloutsResponse response;
  DMARCATE_CALL(world, Service, ListMtaStsRollouts, request, &response);
  ASSERT_EQ(response.rollouts_size(), 1);
  EXPECT_EQ(response.rollouts(0).name(), rollout.name());
}

TEST_F(MtaStsRolloutServiceTest, RefusesByName) {
  v1::CreateMtaStsRolloutRequest request;
  EXPECT_EQ(Reason(&Stub::CreateMtaStsRollout, request), "FIELD_REQUIRED");
  request.set_parent("domains/other.test");
  EXPECT_EQ(Reason(&Stub::CreateMtaStsRollout, request), "RESOURCE_NOT_FOUND");
  request.set_parent("domains/example.com");
  v1::MtaStsRollout& rollout = *request.mutable_rollout();
  rollout.set_target(v1::MtaStsRollout::STAGE_OFF);
  EXPECT_EQ(Reason(&Stub::CreateMtaStsRollout, request), "FIELD_INVALID");
  rollout.clear_target();
  rollout.mutable_settings()->add_mx("*");
  EXPECT_EQ(Reason(&Stub::CreateMtaStsRollout, request), "FIELD_INVALID");
  rollout.mutable_settings()->clear_mx();
  rollout.mutable_settings()->set_failure_share(0.5);
  EXPECT_EQ(Reason(&Stub::CreateMtaStsRollout, request), "FIELD_INVALID");
  rollout.mutable_settings()->clear_failure_share();
  world.provider().SetTexts(Name("_mta-sts.example.com"), {"v=STSv1; id=theirs;"});
  EXPECT_EQ(Reason(&Stub::CreateMtaStsRollout, request), "ROLLOUT_STATE");
  world.provider().SetTexts(Name("_mta-sts.example.com"), {});
  EXPECT_EQ(Reason(&Stub::CreateMtaStsRollout, request), "");
  EXPECT_EQ(Reason(&Stub::CreateMtaStsRollout, request), "ROLLOUT_ACTIVE");
}

TEST_F(MtaStsRolloutServiceTest, FromStartToTestingAndBack) {
  const std::string name = Create().name();
  v1::ExplainMtaStsRolloutResponse told = Explain(name);
  EXPECT_EQ(told.decision(), "ready") << told.text();
  EXPECT_EQ(told.next_stage(), v1::MtaStsRollout::STAGE_TESTING);
  EXPECT_THAT(told.next_file(), HasSubstr("mode: testing\r\n"));
  ASSERT_EQ(told.gates_size(), 9);
  for (const v1::RolloutGate& gate : told.gates()) {
    EXPECT_FALSE(gate.measured().empty()) << gate.id();
    EXPECT_FALSE(gate.required().empty()) << gate.id();
    EXPECT_THAT(gate.command(), HasSubstr("example.com")) << gate.id();
    EXPECT_TRUE(gate.has_since_time()) << gate.id();
  }

  v1::AdvanceMtaStsRolloutRequest advance;
  advance.set_name(name);
  EXPECT_EQ(Reason(&Stub::AdvanceMtaStsRollout, advance), "ETAG_REQUIRED");
  advance.set_etag(told.rollout().etag());
  EXPECT_EQ(Reason(&Stub::AdvanceMtaStsRollout, advance), "FIELD_REQUIRED");
  advance.set_stage(told.next_stage());
  EXPECT_EQ(Reason(&Stub::AdvanceMtaStsRollout, advance), "FIELD_REQUIRED");
  advance.set_file("version: STSv1\r\nmode: none\r\n");
  EXPECT_EQ(Reason(&Stub::AdvanceMtaStsRollout, advance), "ETAG_MISMATCH");
  advance.set_file(told.next_file());
  v1::AdvanceMtaStsRolloutResponse advanced;
  DMARCATE_CALL(world, Service, AdvanceMtaStsRollout, advance, &advanced);
  EXPECT_EQ(advanced.rollout().next_file(), told.next_file());
  EXPECT_THAT(advanced.rollout().next_record(), HasSubstr("v=STSv1; id="));

  Ticks(6);
  EXPECT_THAT(Record(), IsEmpty());
  EXPECT_THAT(Explain(name).reason(), HasSubstr("wait with the id"));
  Serve(told.next_file());
  Ticks(6);
  EXPECT_THAT(Record(), ElementsAre(advanced.rollout().next_record()));
  v1::MtaStsRollout now = Get(name);
  EXPECT_EQ(now.stage(), v1::MtaStsRollout::STAGE_TESTING);
  EXPECT_EQ(now.record(), advanced.rollout().next_record());
  EXPECT_EQ(now.next_file(), "");

  v1::GetDomainStatusRequest ask;
  ask.set_name("domains/example.com");
  v1::GetDomainStatusResponse status;
  DMARCATE_CALL(world, v1::StatusService, GetDomainStatus, ask, &status);
  EXPECT_EQ(status.status().mta_sts().rollout().stage(), v1::MtaStsRollout::STAGE_TESTING);
  EXPECT_EQ(status.status().mta_sts().decision(), "hold");
  EXPECT_FALSE(status.status().mta_sts().nearest_gate().measured().empty());

  v1::PauseMtaStsRolloutRequest pause;
  pause.set_name(name);
  pause.set_note("new servers");
  v1::PauseMtaStsRolloutResponse paused;
  DMARCATE_CALL(world, Service, PauseMtaStsRollout, pause, &paused);
  EXPECT_EQ(paused.rollout().state(), v1::Rollout::STATE_PAUSED);
  EXPECT_THAT(paused.rollout().pause_detail(), HasSubstr("new servers"));
  DMARCATE_CALL(world, v1::StatusService, GetDomainStatus, ask, &status);
  EXPECT_EQ(status.status().standing(), v1::DomainStatus::STANDING_TROUBLE);
  EXPECT_EQ(status.status().next_command(), "dmarcate mta-sts explain example.com");
  v1::ResumeMtaStsRolloutRequest resume;
  resume.set_name(name);
  EXPECT_EQ(Reason(&Stub::ResumeMtaStsRollout, resume), "ETAG_REQUIRED");
  resume.set_etag(paused.rollout().etag());
  EXPECT_EQ(Reason(&Stub::ResumeMtaStsRollout, resume), "");

  v1::AbortMtaStsRolloutRequest abort;
  abort.set_name(name);
  EXPECT_EQ(Reason(&Stub::AbortMtaStsRollout, abort), "FIELD_REQUIRED");
  abort.set_stage(v1::MtaStsRollout::STAGE_ENFORCE);
  EXPECT_EQ(Reason(&Stub::AbortMtaStsRollout, abort), "FIELD_INVALID");
  abort.set_stage(v1::MtaStsRollout::STAGE_OFF);
  v1::AbortMtaStsRolloutResponse aborted;
  DMARCATE_CALL(world, Service, AbortMtaStsRollout, abort, &aborted);
  EXPECT_EQ(aborted.rollout().abort_to(), v1::MtaStsRollout::STAGE_OFF);
  EXPECT_THAT(aborted.rollout().next_file(), HasSubstr("mode: none"));
  Serve(aborted.rollout().next_file());
  Ticks(6);
  EXPECT_EQ(Get(name).stage(), v1::MtaStsRollout::STAGE_WITHDRAWN);
  Ticks(6 * 26);
  EXPECT_EQ(Get(name).state(), v1::Rollout::STATE_ABORTED);
  EXPECT_THAT(Record(), IsEmpty());

  v1::ListMtaStsRolloutEventsRequest events;
  events.set_parent(name);
  events.set_page_size(3);
  std::vector<std::string> ids;
  do {
    v1::ListMtaStsRolloutEventsResponse page;
    DMARCATE_CALL(world, Service, ListMtaStsRolloutEvents, events, &page);
    EXPECT_LE(page.events_size(), 3);
    for (const v1::RolloutEvent& event : page.events()) {
      ids.push_back(event.id());
      if (event.kind() != v1::RolloutEvent::KIND_STARTED) continue;
      EXPECT_EQ(event.input_digest().size(), 64u);
      EXPECT_THAT(event.change(), HasSubstr("domains/example.com/changes/"));
    }
    events.set_page_token(page.next_page_token());
  } while (!events.page_token().empty());
  EXPECT_GE(ids.size(), 12u);
  EXPECT_TRUE(std::ranges::is_sorted(ids, std::ranges::greater()));
}

TEST_F(MtaStsRolloutServiceTest, UpdatesWhatIsNamed) {
  v1::UpdateMtaStsRolloutRequest request;
  *request.mutable_rollout() = Create();
  EXPECT_EQ(Reason(&Stub::UpdateMtaStsRollout, request), "UPDATE_MASK_REQUIRED");
  request.mutable_update_mask()->add_paths("settings.mxs");
  EXPECT_EQ(Reason(&Stub::UpdateMtaStsRollout, request), "UPDATE_MASK_INVALID");
  request.mutable_update_mask()->set_paths(0, "settings.mx");
  request.mutable_update_mask()->add_paths("mode");
  v1::MtaStsRollout& wanted = *request.mutable_rollout();
  wanted.set_mode(v1::Rollout::MODE_AUTOMATIC);
  wanted.mutable_settings()->clear_mx();
  EXPECT_EQ(Reason(&Stub::UpdateMtaStsRollout, request), "FIELD_INVALID");
  wanted.mutable_settings()->add_mx("MX3.example.com");
  wanted.mutable_settings()->set_testing_days(99);  // is not named
  v1::UpdateMtaStsRolloutResponse response;
  DMARCATE_CALL(world, Service, UpdateMtaStsRollout, request, &response);
  EXPECT_THAT(response.rollout().settings().mx(), ElementsAre("mx3.example.com"));
  EXPECT_EQ(response.rollout().mode(), v1::Rollout::MODE_AUTOMATIC);
  EXPECT_EQ(response.rollout().settings().testing_days(), 14);
  EXPECT_EQ(Reason(&Stub::UpdateMtaStsRollout, request), "ETAG_MISMATCH");
}

}  // namespace
}  // namespace dmarcate::service_testing
