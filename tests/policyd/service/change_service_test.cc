#include <algorithm>
#include <functional>
#include <string>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/change.grpc.pb.h"
#include "dmarcate/v1/source.grpc.pb.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using service_testing::ReasonOf;
using service_testing::World;
using v1::Change;
using v1::ChangeService;
using v1::SourceService;
using Stub = ChangeService::Stub;

constexpr char kBefore[] = "v=spf1 ip4:192.0.2.0/24 -all";
constexpr char kAfter[] = "v=spf1 ip4:192.0.2.0/24 include:spf.protection.outlook.com -all";

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

// example.com with a provider, its SPF record, and an approved source that needs an include.
class ChangeServiceTest : public testing::Test {
 protected:
  ChangeServiceTest() {
    world_.AddDomain();
    world_.AddProvider();
    world_.provider().SetTexts(Name("example.com"), {kBefore, "unrelated"});
    world_.resolver().SetTxt(Name("spf.protection.outlook.com"), {"v=spf1 ip4:40.92.0.0/15 -all"});
    world_.AddReport(Report(
        world_.DaysAgo(1), {Row(10).From("40.107.1.1").Spf("example.com", AuthResult::kSoftfail)}));
    v1::GetSourceRequest get;
    get.set_name("domains/example.com/sources/microsoft-365");
    v1::GetSourceResponse got;
    EXPECT_TRUE(world_.Call<SourceService>(&SourceService::Stub::GetSource, get, &got).ok());
    v1::ApproveSourceRequest approve;
    approve.set_name(get.name());
    approve.set_evidence_etag(got.source().evidence_etag());
    v1::ApproveSourceResponse approved;
    EXPECT_TRUE(
        world_.Call<SourceService>(&SourceService::Stub::ApproveSource, approve, &approved).ok());
  }

  Change Plan() {
    v1::CreateChangeRequest request;
    request.set_parent("domains/example.com");
    v1::CreateChangeResponse response;
    const grpc::Status status = world_.Call<ChangeService>(&Stub::CreateChange, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.change();
  }
  static v1::ApplyChangeRequest ApplyRequest(const Change& change) {
    v1::ApplyChangeRequest request;
    request.set_name(change.name());
    request.set_etag(change.etag());
    request.set_plan_digest(change.plan_digest());
    return request;
  }
  grpc::Status Apply(const v1::ApplyChangeRequest& request, Change* change) {
    v1::ApplyChangeResponse response;
    const grpc::Status status = world_.Call<ChangeService>(&Stub::ApplyChange, request, &response);
    *change = response.change();
    return status;
  }
  std::string LiveSpf() {
    const RrSet rrset = world_.provider().Get(Name("example.com"));
    return rrset.records.empty() ? "" : rrset.records[0].Joined();
  }

  World world_;
  Change change_;
};

TEST_F(ChangeServiceTest, APlanShowsTheExactRecords) {
  const Change plan = Plan();
  EXPECT_EQ(plan.state(), Change::STATE_PLANNED);
  ASSERT_EQ(plan.record_changes_size(), 1);
  const v1::RecordChange& change = plan.record_changes(0);
  EXPECT_EQ(change.owner_name(), "example.com");
  EXPECT_EQ(change.lookups_before(), 0);
  EXPECT_EQ(change.lookups_after(), 1);
  const auto added =
      std::ranges::find(change.term_changes(), v1::TermChange::ACTION_ADD, &v1::TermChange::action);
  ASSERT_NE(added, change.term_changes().end());
  EXPECT_EQ(added->term(), "include:spf.protection.outlook.com");
  EXPECT_EQ(added->source(), "microsoft-365");
  EXPECT_EQ(plan.dns_provider(), "dnsProviders/fake");
  EXPECT_EQ(plan.provider_class(), v1::PROVIDER_CLASS_A);
  EXPECT_EQ(plan.requested_by(), "token/root");
  EXPECT_EQ(LiveSpf(), kBefore) << "planning wrote";
}

TEST_F(ChangeServiceTest, AppliesOnceAndRollsBack) {
  const Change plan = Plan();
  ASSERT_EQ(ReasonOf(Apply(ApplyRequest(plan), &change_)), "");
  EXPECT_EQ(change_.state(), Change::STATE_SUCCEEDED);
  EXPECT_EQ(LiveSpf(), kAfter);
  EXPECT_FALSE(change_.verifications().empty());
  const int writes = world_.provider().writes();
  ASSERT_EQ(ReasonOf(Apply(ApplyRequest(plan), &change_)), "") << "applying again is OK";
  EXPECT_EQ(world_.provider().writes(), writes) << "and writes nothing";

  v1::RollbackChangeRequest request;
  request.set_name(change_.name());
  request.set_etag(change_.etag());
  v1::RollbackChangeResponse response;
  DMARCATE_CALL(world_, ChangeService, RollbackChange, request, &response);
  EXPECT_EQ(response.change().state(), Change::STATE_SUCCEEDED);
  EXPECT_EQ(response.change().rollback_of(), change_.name());
  EXPECT_EQ(LiveSpf(), kBefore);
}

TEST_F(ChangeServiceTest, ApplyTakesExactlyWhatWasShown) {
  const Change plan = Plan();
  v1::ApplyChangeRequest request = ApplyRequest(plan);
  request.clear_etag();
  EXPECT_EQ(ReasonOf(Apply(request, &change_)), "ETAG_REQUIRED");
  request = ApplyRequest(plan);
  request.clear_plan_digest();
  EXPECT_EQ(ReasonOf(Apply(request, &change_)), "FIELD_REQUIRED");
  request.set_plan_digest(std::string(64, '0'));
  EXPECT_EQ(ReasonOf(Apply(request, &change_)), "PLAN_DIGEST_MISMATCH");
  request = ApplyRequest(plan);
  request.set_etag("r99");
  EXPECT_EQ(ReasonOf(Apply(request, &change_)), "ETAG_MISMATCH");
  EXPECT_EQ(world_.provider().writes(), 0);
}

TEST_F(ChangeServiceTest, AStalePlanNamesTheDifference) {
  const Change plan = Plan();
  world_.provider().SetTexts(Name("example.com"), {"v=spf1 mx -all", "unrelated"});
  const grpc::Status status = Apply(ApplyRequest(plan), &change_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ReasonOf(status), "STALE_PLAN");
  EXPECT_FALSE(ExtractError(status).metadata.empty());
  EXPECT_EQ(LiveSpf(), "v=spf1 mx -all");
}

TEST_F(ChangeServiceTest, APlanExpires) {
  const Change plan = Plan();
  world_.clock().Advance(absl::Minutes(31));
  v1::GetChangeRequest get;
  get.set_name(plan.name());
  v1::GetChangeResponse got;
  DMARCATE_CALL(world_, ChangeService, GetChange, get, &got);
  EXPECT_EQ(got.change().state(), Change::STATE_EXPIRED);
  EXPECT_EQ(ReasonOf(Apply(ApplyRequest(plan), &change_)), "PLAN_EXPIRED");
}

TEST_F(ChangeServiceTest, ValidateOnlyKeepsNothing) {
  v1::CreateChangeRequest request;
  request.set_parent("domains/example.com");
  request.set_validate_only(true);
  v1::CreateChangeResponse response;
  DMARCATE_CALL(world_, ChangeService, CreateChange, request, &response);
  EXPECT_EQ(response.change().record_changes_size(), 1);
  EXPECT_TRUE(world_.policies().ListChanges("-", "", 10)->empty());
}

TEST_F(ChangeServiceTest, NeverAPlanOnGuesses) {
  world_.authoritative().Fail(Name("example.com"), RrType::kTxt,
                              absl::UnavailableError("no server answered"));
  v1::CreateChangeRequest request;
  request.set_parent("domains/example.com");
  v1::CreateChangeResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::CreateChange, request, &response)),
            "DNS_UNAVAILABLE");
}

TEST_F(ChangeServiceTest, WithoutAProviderThereIsNoPlan) {
  world_.AddDomain("example.net");
  v1::CreateChangeRequest request;
  request.set_parent("domains/example.net");
  v1::CreateChangeResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::CreateChange, request, &response)),
            "NO_PROVIDER");
  request.set_parent("domains/example.org");
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::CreateChange, request, &response)),
            "RESOURCE_NOT_FOUND");
  request.set_parent("domains/example.com");
  request.mutable_intent()->set_rollback_of("domains/example.com/changes/x");
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::CreateChange, request, &response)),
            "FIELD_INVALID");
}

TEST_F(ChangeServiceTest, FlatteningIsAskedForAndThenKept) {
  std::string others = "v=spf1";
  for (int i = 0; i < 9; ++i) {
    others += fmt::format(" include:o{}.test", i);
    world_.resolver().SetTxt(Name(fmt::format("o{}.test", i)),
                             {fmt::format("v=spf1 ip4:10.0.{}.0/24 -all", i)});
  }
  world_.resolver().SetTxt(Name("more.test"), {"v=spf1 ip4:52.100.0.0/14 -all"});
  world_.resolver().SetTxt(Name("spf.protection.outlook.com"),
                           {"v=spf1 ip4:40.92.0.0/15 include:more.test -all"});
  world_.provider().SetTexts(Name("example.com"), {others + " -all"});
  v1::CreateChangeRequest request;
  request.set_parent("domains/example.com");
  const auto plan = [&](v1::Intent::Flatten flatten) {
    request.mutable_intent()->set_flatten(flatten);
    v1::CreateChangeResponse response;
    const grpc::Status status = world_.Call<ChangeService>(&Stub::CreateChange, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.change();
  };
  EXPECT_EQ(plan(v1::Intent::FLATTEN_UNSPECIFIED).state(), Change::STATE_REFUSED);
  const Change flattened = plan(v1::Intent::FLATTEN_IF_NEEDED);
  ASSERT_EQ(flattened.state(), Change::STATE_PLANNED);
  Change applied;
  ASSERT_TRUE(Apply(ApplyRequest(flattened), &applied).ok());
  EXPECT_EQ(applied.state(), Change::STATE_SUCCEEDED);
  EXPECT_THAT(LiveSpf(), testing::HasSubstr("include:_spf-"));
  // Who does not speak of it leaves it as it is.
  const Change again = plan(v1::Intent::FLATTEN_UNSPECIFIED);
  EXPECT_EQ(again.record_changes_size(), 0);
  EXPECT_EQ(again.intent().flatten(), v1::Intent::FLATTEN_IF_NEEDED);
  EXPECT_EQ(plan(v1::Intent::FLATTEN_NEVER).state(), Change::STATE_REFUSED);
  request.mutable_intent()->set_flatten(static_cast<v1::Intent::Flatten>(7));
  v1::CreateChangeResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::CreateChange, request, &response)),
            "FIELD_INVALID");
}

TEST_F(ChangeServiceTest, AnMtaStsPolicyThatIsServedIsAnnounced) {
  const std::string file =
      "version: STSv1\r\nmode: testing\r\nmx: mx1.example.com\r\nmax_age: 86400\r\n";
  world_.resolver().SetMx(Name("example.com"), {{10, Name("mx1.example.com")}});
  v1::CreateChangeRequest request;
  request.set_parent("domains/example.com");
  request.mutable_intent()->mutable_mta_sts()->set_file(file);
  v1::CreateChangeResponse response;
  const auto plan = [&] {
    return world_.Call<ChangeService>(&Stub::CreateChange, request, &response);
  };
  ASSERT_TRUE(plan().ok());
  EXPECT_EQ(response.change().state(), Change::STATE_REFUSED) << "it is not served";

  world_.sts_files().Serve(Name("example.com"), ServedStsFile{file, true});
  ASSERT_TRUE(plan().ok());
  ASSERT_EQ(response.change().state(), Change::STATE_PLANNED);
  EXPECT_EQ(response.change().intent().mta_sts().file(), file);
  EXPECT_FALSE(response.change().intent().spf_from_decisions()) << "nothing else goes with it";
  ASSERT_EQ(response.change().record_changes_size(), 1);
  EXPECT_EQ(response.change().record_changes(0).owner_name(), "_mta-sts.example.com");
  Change applied;
  ASSERT_TRUE(Apply(ApplyRequest(response.change()), &applied).ok());
  EXPECT_EQ(applied.state(), Change::STATE_SUCCEEDED);

  const auto refused = [&](const std::function<void(v1::Intent*)>& edit) {
    const v1::Intent intent = request.intent();
    edit(request.mutable_intent());
    const std::string reason = ReasonOf(plan());
    *request.mutable_intent() = intent;
    return reason;
  };
  EXPECT_EQ(refused([](auto* in) { in->set_spf_from_decisions(true); }), "FIELD_INVALID");
  EXPECT_EQ(refused([](auto* in) { in->add_prune("mx"); }), "FIELD_INVALID");
  EXPECT_EQ(refused([](auto* in) { in->set_repair(v1::Intent::REPAIR_SPF); }), "FIELD_INVALID");
  EXPECT_EQ(refused([](auto* in) { in->set_flatten(v1::Intent::FLATTEN_NEVER); }), "FIELD_INVALID");
  EXPECT_EQ(refused([](auto* in) { in->mutable_mta_sts()->set_id("20260101"); }), "FIELD_INVALID");
  EXPECT_EQ(refused([](auto* in) { in->mutable_mta_sts()->set_rollout("r"); }), "FIELD_INVALID");
  EXPECT_EQ(refused([](auto* in) { in->mutable_mta_sts()->set_file("<html>"); }), "FIELD_INVALID");
}

TEST_F(ChangeServiceTest, ListsNewestFirstAlsoOverAllDomains) {
  std::vector<std::string> want;
  for (int i = 0; i < 3; ++i) {
    want.insert(want.begin(), Plan().name());
    world_.clock().Advance(absl::Seconds(1));
  }
  for (const char* parent : {"domains/example.com", "domains/-"}) {
    v1::ListChangesRequest request;
    request.set_parent(parent);
    request.set_page_size(2);
    std::vector<std::string> names;
    do {
      v1::ListChangesResponse response;
      DMARCATE_CALL(world_, ChangeService, ListChanges, request, &response);
      for (const Change& change : response.changes()) names.push_back(change.name());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    EXPECT_EQ(names, want) << parent;
  }
}

TEST_F(ChangeServiceTest, ADelayedApplyWaitsAndCanBeCancelled) {
  const Change plan = Plan();
  v1::ApplyChangeRequest apply = ApplyRequest(plan);
  apply.mutable_delay()->set_seconds(-1);
  EXPECT_EQ(ReasonOf(Apply(apply, &change_)), "FIELD_INVALID");
  apply.mutable_delay()->set_seconds(7 * 86400 + 1);
  EXPECT_EQ(ReasonOf(Apply(apply, &change_)), "FIELD_INVALID");
  apply.mutable_delay()->set_seconds(600);
  ASSERT_EQ(ReasonOf(Apply(apply, &change_)), "");
  EXPECT_EQ(change_.state(), Change::STATE_PLANNED);
  EXPECT_EQ(change_.apply_after_time().seconds(), absl::ToUnixSeconds(world_.clock().Now()) + 600);
  EXPECT_EQ(change_.applied_by(), "token/root");
  EXPECT_EQ(LiveSpf(), kBefore);

  v1::CancelChangeRequest cancel;
  cancel.set_name(plan.name());
  cancel.set_etag(plan.etag());  // of before it was scheduled
  v1::CancelChangeResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::CancelChange, cancel, &response)),
            "ETAG_MISMATCH");
  cancel.set_etag(change_.etag());
  DMARCATE_CALL(world_, ChangeService, CancelChange, cancel, &response);
  EXPECT_EQ(response.change().state(), Change::STATE_CANCELLED);
  EXPECT_FALSE(response.change().has_apply_after_time());
  DMARCATE_CALL(world_, ChangeService, CancelChange, cancel, &response);  // twice is once
  EXPECT_EQ(ReasonOf(Apply(ApplyRequest(response.change()), &change_)), "CHANGE_STATE");
  cancel.set_name("domains/example.com/changes/nothing");
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::CancelChange, cancel, &response)),
            "RESOURCE_NOT_FOUND");
}

TEST_F(ChangeServiceTest, TheRollbackThatWasShownIsTheOneThatIsDone) {
  ASSERT_EQ(ReasonOf(Apply(ApplyRequest(Plan()), &change_)), "");
  v1::RollbackChangeRequest request;
  request.set_name(change_.name());
  request.set_etag(change_.etag());
  request.set_validate_only(true);
  v1::RollbackChangeResponse shown;
  DMARCATE_CALL(world_, ChangeService, RollbackChange, request, &shown);
  EXPECT_EQ(shown.change().state(), Change::STATE_PLANNED);
  EXPECT_EQ(LiveSpf(), kAfter);
  request.set_validate_only(false);
  request.set_plan_digest(std::string(64, '0'));
  v1::RollbackChangeResponse done;
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::RollbackChange, request, &done)),
            "PLAN_DIGEST_MISMATCH");
  request.set_plan_digest(shown.change().plan_digest());
  DMARCATE_CALL(world_, ChangeService, RollbackChange, request, &done);
  EXPECT_EQ(LiveSpf(), kBefore);
}

TEST_F(ChangeServiceTest, ExportsForEveryTool) {
  const Change plan = Plan();
  v1::ExportChangeRequest request;
  request.set_name(plan.name());
  v1::ExportChangeResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::ExportChange, request, &response)),
            "FIELD_REQUIRED");
  const std::pair<v1::ExportChangeRequest::Format, std::string> cases[] = {
      {v1::ExportChangeRequest::FORMAT_BIND, "example.com. 3600 IN TXT \"v=spf1 "},
      {v1::ExportChangeRequest::FORMAT_DNSCONTROL, "TXT(\"@\", \"v=spf1 "},
      {v1::ExportChangeRequest::FORMAT_OCTODNS, "  - 'v=spf1 "},
      {v1::ExportChangeRequest::FORMAT_TERRAFORM, "        \"v=spf1 "}};
  for (const auto& [format, want] : cases) {
    request.set_format(format);
    DMARCATE_CALL(world_, ChangeService, ExportChange, request, &response);
    EXPECT_THAT(response.text(), testing::HasSubstr(want));
    EXPECT_THAT(response.text(), testing::HasSubstr("unrelated")) << "the whole RRset";
  }
  request.set_format(static_cast<v1::ExportChangeRequest::Format>(99));
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::ExportChange, request, &response)),
            "FIELD_INVALID");
  // A text that only a zone file can carry.
  world_.provider().SetTexts(Name("example.com"), {kBefore, "\x01"});
  request.set_name(Plan().name());
  request.set_format(v1::ExportChangeRequest::FORMAT_OCTODNS);
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::ExportChange, request, &response)),
            "FIELD_INVALID");
}

TEST_F(ChangeServiceTest, WhatAGuardRefusesIsNotExportedEither) {
  world_.provider().SetTexts(Name("example.com"), {kBefore, "v=spf1 -all"});
  const Change plan = Plan();
  ASSERT_EQ(plan.state(), Change::STATE_REFUSED);
  v1::ExportChangeRequest request;
  request.set_name(plan.name());
  request.set_format(v1::ExportChangeRequest::FORMAT_BIND);
  v1::ExportChangeResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::ExportChange, request, &response)),
            "GUARD_REFUSED");
  EXPECT_EQ(response.text(), "");
}

TEST_F(ChangeServiceTest, WhatIsNotThereIsNotFound) {
  v1::GetChangeRequest request;
  request.set_name("domains/example.com/changes/nothing");
  v1::GetChangeResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<ChangeService>(&Stub::GetChange, request, &response)),
            "RESOURCE_NOT_FOUND");
}

}  // namespace
}  // namespace dmarcate
