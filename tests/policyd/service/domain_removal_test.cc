// DomainService.DeleteDomain and what UpdateDomain refuses while a change is under way.

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/domain.grpc.pb.h"
#include "policyd/mta_sts/codec.h"
#include "policyd/rollout/codec.h"
#include "policyd/service/convert.h"
#include "tests/policyd/service/world.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using service_testing::ReasonOf;
using service_testing::ReportsStore;
using service_testing::World;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using v1::DomainService;
using Stub = DomainService::Stub;

constexpr char kAddress[] = "r-0123456789abcdef@reports.example";

RecordChangeRecord Record(const std::string& owner, std::vector<std::string> before,
                          std::vector<std::string> after) {
  RecordChangeRecord record;
  record.zone = "example.com";
  record.owner_name = owner;
  record.before = std::move(before);
  record.after = std::move(after);
  return record;
}

class DomainRemovalTest : public testing::Test {
 protected:
  void SetUp() override {
    DomainRecord record;
    record.name = "example.com";
    record.uid = "uid-1";
    record.create_time = record.update_time = world_.clock().Now();
    record.report_addresses = {{kAddress, world_.clock().Now()}};
    ASSERT_TRUE(world_.policies().PutDomain(record).ok());
    world_.AddDomain("second.example");
  }

  void AddChange(const std::string& id, ChangeState state, std::vector<RecordChangeRecord> records,
                 const std::string& rollback_of = "", const std::string& rolled_back_by = "") {
    ChangeRecord change;
    change.domain = "example.com";
    change.id = id;
    change.state = state;
    change.record_changes = std::move(records);
    change.intent.rollback_of = change.rollback_of = rollback_of;
    change.rolled_back_by = rolled_back_by;
    change.dns_provider = "fake";
    change.create_time = world_.clock().Now();
    ASSERT_TRUE(world_.policies().PutChange(change).ok());
  }
  void AddSucceededDmarcChange() {
    AddChange("c1", ChangeState::kSucceeded,
              {Record("_dmarc.example.com", {"\"v=DMARC1; p=none\""},
                      {std::string("\"v=DMARC1; p=none; rua=mailto:") + kAddress + "\""})});
  }

  v1::DeleteDomainRequest Request() {
    v1::GetDomainRequest get;
    get.set_name("domains/example.com");
    v1::GetDomainResponse got;
    EXPECT_TRUE(world_.Call<DomainService>(&Stub::GetDomain, get, &got).ok());
    v1::DeleteDomainRequest request;
    request.set_name("domains/example.com");
    request.set_etag(got.domain().etag());
    return request;
  }
  grpc::Status Delete(const v1::DeleteDomainRequest& request) {
    deleted_.Clear();
    return world_.Call<DomainService>(&Stub::DeleteDomain, request, &deleted_);
  }
  bool IsManaged(const std::string& domain = "example.com") {
    return world_.policies().GetDomain(domain).ok();
  }

  World world_{ReportsStore::kThere, "reports.example"};
  v1::DeleteDomainResponse deleted_;
};

TEST_F(DomainRemovalTest, GoesWithItsDecisionsAndLeavesOthersAlone) {
  SourceDecision decision;
  decision.domain = "example.com";
  decision.source_id = "sendgrid";
  ASSERT_TRUE(world_.policies().PutDecision(decision).ok());
  ASSERT_EQ(ReasonOf(Delete(Request())), "");
  EXPECT_EQ(deleted_.domain().uid(), "uid-1");
  EXPECT_EQ(deleted_.decision_count(), 1);
  EXPECT_EQ(deleted_.revoked_address_count(), 1);
  EXPECT_THAT(deleted_.left_behind(), IsEmpty());
  EXPECT_FALSE(IsManaged());
  EXPECT_TRUE(IsManaged("second.example"));
  EXPECT_THAT(*world_.policies().ListDecisions("example.com"), IsEmpty());
}

TEST_F(DomainRemovalTest, WantsTheEtagAndIsDoneOnce) {
  v1::DeleteDomainRequest request = Request();
  request.clear_etag();
  EXPECT_EQ(ReasonOf(Delete(request)), "ETAG_REQUIRED");
  request.set_etag(MakeEtag(7));
  EXPECT_EQ(ReasonOf(Delete(request)), "ETAG_MISMATCH");
  EXPECT_TRUE(IsManaged());
  request = Request();
  request.set_request_id("123e4567-e89b-42d3-a456-426614174000");
  ASSERT_EQ(ReasonOf(Delete(request)), "");
  ASSERT_EQ(ReasonOf(Delete(request)), "") << "the same request gets the same answer";
  EXPECT_EQ(deleted_.domain().uid(), "uid-1");
  request.clear_request_id();
  EXPECT_EQ(ReasonOf(Delete(request)), "RESOURCE_NOT_FOUND");
}

TEST_F(DomainRemovalTest, ShowsWhatStaysInTheDnsAndHowToUndoIt) {
  AddSucceededDmarcChange();
  AddChange("c2", ChangeState::kSucceeded,
            {Record("example.com", {}, {"\"v=spf1 include:a.example ~all\""})});
  AddChange("c3", ChangeState::kRefused, {Record("example.com", {}, {"\"never written\""})});
  v1::DeleteDomainRequest request = Request();
  request.set_validate_only(true);
  ASSERT_EQ(ReasonOf(Delete(request)), "");
  EXPECT_TRUE(IsManaged()) << "only asked for";
  ASSERT_THAT(deleted_.left_behind(), SizeIs(2));
  const v1::RecordLeftBehind& dmarc = deleted_.left_behind(0);
  EXPECT_EQ(dmarc.owner_name(), "_dmarc.example.com");
  EXPECT_THAT(dmarc.values_before(), ElementsAre("\"v=DMARC1; p=none\""));
  EXPECT_THAT(dmarc.consequence(), HasSubstr(kAddress));
  EXPECT_EQ(dmarc.dns_provider(), "dnsProviders/fake");
  EXPECT_THAT(deleted_.left_behind(1).values(), ElementsAre("\"v=spf1 include:a.example ~all\""));
  EXPECT_THAT(deleted_.undo_changes(),
              ElementsAre("domains/example.com/changes/c2", "domains/example.com/changes/c1"));

  request.set_validate_only(false);
  const grpc::Status refused = Delete(request);
  EXPECT_EQ(ReasonOf(refused), "GUARD_REFUSED");
  EXPECT_EQ(ExtractError(refused).metadata.at("guard"), "RECORDS_LEFT_BEHIND");
  EXPECT_TRUE(IsManaged());
  request.set_record_policy(v1::DeleteDomainRequest::RECORD_POLICY_LEAVE);
  EXPECT_EQ(ReasonOf(Delete(request)), "");
  EXPECT_FALSE(IsManaged());
}

TEST_F(DomainRemovalTest, WhatWasRolledBackLeavesNothing) {
  const auto before = std::vector<std::string>{"\"v=DMARC1; p=none\""};
  const auto after = std::vector<std::string>{"\"v=DMARC1; p=none; rua=mailto:a@b.example\""};
  AddChange("c1", ChangeState::kRolledBack, {Record("_dmarc.example.com", before, after)}, "",
            "c2");
  AddChange("c2", ChangeState::kSucceeded, {Record("_dmarc.example.com", after, before)}, "c1");
  AddChange("c3", ChangeState::kRolledBack, {Record("example.com", {}, {"\"v=spf1 ~all\""})});
  EXPECT_EQ(ReasonOf(Delete(Request())), "");
  EXPECT_THAT(deleted_.left_behind(), IsEmpty());
  EXPECT_THAT(deleted_.undo_changes(), IsEmpty());
}

struct StateCase {
  std::string name;
  ChangeState state;
  bool scheduled;
  std::string want_reason;
};
class OpenChangeTest : public DomainRemovalTest, public testing::WithParamInterface<StateCase> {};
TEST_P(OpenChangeTest, IsInTheWayOrNot) {
  ChangeRecord change;
  change.domain = "example.com";
  change.id = "c9";
  change.state = GetParam().state;
  change.create_time = world_.clock().Now();
  if (GetParam().scheduled) change.apply_after = world_.clock().Now() + absl::Hours(1);
  ASSERT_TRUE(world_.policies().PutChange(change).ok());
  const grpc::Status status = Delete(Request());
  EXPECT_EQ(ReasonOf(status), GetParam().want_reason);
  if (GetParam().want_reason.empty()) return;
  EXPECT_EQ(ExtractError(status).metadata.at("change"), "domains/example.com/changes/c9");
  EXPECT_THAT(status.error_message(), HasSubstr("dmarcate changes "));
  EXPECT_TRUE(IsManaged());
}
INSTANTIATE_TEST_SUITE_P(
    All, OpenChangeTest,
    testing::Values(StateCase{"APlan", ChangeState::kPlanned, false, ""},
                    StateCase{"AScheduledPlan", ChangeState::kPlanned, true, "CHANGE_IN_PROGRESS"},
                    StateCase{"Applying", ChangeState::kApplying, false, "CHANGE_IN_PROGRESS"},
                    StateCase{"Verifying", ChangeState::kVerifying, false, "CHANGE_IN_PROGRESS"},
                    StateCase{"RollingBack", ChangeState::kRollingBack, false,
                              "CHANGE_IN_PROGRESS"},
                    StateCase{"Failed", ChangeState::kFailed, false, ""}),
    [](const auto& test) { return test.param.name; });

TEST_F(DomainRemovalTest, ARolloutThatWasNotEndedIsInTheWay) {
  RolloutState state;
  state.domain = "example.com";
  state.id = "r1";
  state.status = RolloutStatus::kPaused;
  state.stage = PolicyStage::kQuarantine;
  RolloutRecord record{.domain = "example.com", .id = "r1", .state = EncodeState(state)};
  ASSERT_TRUE(world_.rollouts().PutRollout(record, {}).ok());
  const grpc::Status status = Delete(Request());
  EXPECT_EQ(ReasonOf(status), "ROLLOUT_STATE");
  EXPECT_THAT(status.error_message(),
              HasSubstr("dmarcate rollout abort example.com --to quarantine"));
  state.status = RolloutStatus::kAborted;
  record.state = EncodeState(state);
  record.revision = 1;
  ASSERT_TRUE(world_.rollouts().PutRollout(record, {}).ok());
  EXPECT_EQ(ReasonOf(Delete(Request())), "");
}

TEST_F(DomainRemovalTest, SoIsOneOfMtaSts) {
  StsState state;
  state.domain = "example.com";
  state.id = "r1";
  RolloutRecord record{.domain = "example.com", .id = "r1", .state = EncodeStsState(state)};
  ASSERT_TRUE(world_.mta_sts_rollouts().PutRollout(record, {}).ok());
  const grpc::Status status = Delete(Request());
  EXPECT_EQ(ReasonOf(status), "ROLLOUT_STATE");
  EXPECT_THAT(status.error_message(), HasSubstr("dmarcate mta-sts abort example.com --to testing"));
  state.status = RolloutStatus::kAborted;
  record.state = EncodeStsState(state);
  record.revision = 1;
  ASSERT_TRUE(world_.mta_sts_rollouts().PutRollout(record, {}).ok());
  EXPECT_EQ(ReasonOf(Delete(Request())), "");
}

TEST_F(DomainRemovalTest, AFleetChangeThatHasWorkWithItIsInTheWay) {
  FleetRecord fleet;
  fleet.id = "f1";
  fleet.state = FleetState::kPaused;
  const FleetMemberRecord waiting{.domain = "example.com", .state = FleetMemberState::kPlanned};
  ASSERT_TRUE(world_.fleets().PutFleet(fleet, {waiting}).ok());
  const grpc::Status status = Delete(Request());
  EXPECT_EQ(ReasonOf(status), "CHANGE_IN_PROGRESS");
  EXPECT_EQ(ExtractError(status).metadata.at("fleet_change"), "fleetChanges/f1");
  FleetMemberRecord done = waiting;
  done.state = FleetMemberState::kSucceeded;
  ASSERT_TRUE(world_.fleets().PutFleetMember("f1", done).ok());
  EXPECT_EQ(ReasonOf(Delete(Request())), "");
}

TEST_F(DomainRemovalTest, AddedAgainItBeginsAnewAndItsOldAddressStaysRefused) {
  ASSERT_EQ(ReasonOf(Delete(Request())), "");
  v1::CreateDomainRequest create;
  create.set_domain_id("example.com");
  v1::CreateDomainResponse created;
  DMARCATE_CALL(world_, DomainService, CreateDomain, create, &created);
  EXPECT_NE(created.domain().uid(), "uid-1");
  ASSERT_THAT(created.domain().report_addresses(), SizeIs(2));
  EXPECT_NE(created.domain().report_address(), kAddress);
  EXPECT_EQ(created.domain().report_addresses(1).address(), kAddress);
  EXPECT_TRUE(created.domain().report_addresses(1).has_revoke_time());
  EXPECT_EQ(created.domain().etag(), MakeEtag(2)) << "who read the first one changes nothing here";
}

TEST(DomainRemoval, TheSnapshotLosesTheDomainAndItsAddressAtOnce) {
  const testing_support::TempDir directory;
  const std::string file = directory.File("ingestd");
  World world(ReportsStore::kThere, "reports.example", file);
  v1::CreateDomainRequest create;
  create.set_domain_id("example.com");
  v1::CreateDomainResponse created;
  DMARCATE_CALL(world, DomainService, CreateDomain, create, &created);
  const std::string address = created.domain().report_address();
  ASSERT_TRUE(world.publisher().Says(address, true));
  v1::DeleteDomainRequest request;
  request.set_name("domains/example.com");
  request.set_etag(created.domain().etag());
  v1::DeleteDomainResponse deleted;
  DMARCATE_CALL(world, DomainService, DeleteDomain, request, &deleted);
  EXPECT_TRUE(world.publisher().Says(address, false));
  EXPECT_TRUE(world.publisher().Publish().ok()) << "what was removed is known";
}

TEST_F(DomainRemovalTest, ItStaysBoundWhileAChangeIsUnderWay) {
  AddChange("c9", ChangeState::kApplying, {Record("example.com", {}, {"\"v=spf1 ~all\""})});
  v1::GetDomainRequest get;
  get.set_name("domains/example.com");
  v1::GetDomainResponse got;
  DMARCATE_CALL(world_, DomainService, GetDomain, get, &got);
  v1::UpdateDomainRequest update;
  *update.mutable_domain() = got.domain();
  update.mutable_domain()->set_delegation_zone("dmarc.operator.example");
  update.mutable_domain()->set_report_mailbox("r@b.example");
  update.mutable_update_mask()->add_paths("delegation_zone");
  v1::UpdateDomainResponse updated;
  EXPECT_EQ(ReasonOf(world_.Call<DomainService>(&Stub::UpdateDomain, update, &updated)),
            "CHANGE_IN_PROGRESS");
  update.mutable_update_mask()->clear_paths();
  update.mutable_update_mask()->add_paths("report_mailbox");
  EXPECT_EQ(ReasonOf(world_.Call<DomainService>(&Stub::UpdateDomain, update, &updated)), "");
}

}  // namespace
}  // namespace dmarcate
