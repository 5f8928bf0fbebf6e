// Rules of rollouts over the API: freezes, two people, suspension.

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dmarcate/v1/rollout.grpc.pb.h"
#include "dmarcate/v1/rollout_rules.grpc.pb.h"
#include "tests/policyd/service/world.h"

namespace dmarcate::service_testing {
namespace {

using testing::HasSubstr;
using Stub = v1::RolloutRulesService::Stub;

class RolloutRulesServiceTest : public testing::Test {
 protected:
  RolloutRulesServiceTest() {
    world.AddDomain();
    world.AddProvider();
    world.provider().SetTexts(DomainName::Parse("example.com").value(), {"v=spf1 -all"});
    world.provider().SetTexts(DomainName::Parse("_dmarc.example.com").value(),
                              {"v=DMARC1; p=none; rua=mailto:r@example.com"});
  }
  template <typename Request, typename Response>
  std::string Reason(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                     const Request& request) {
    Response response;
    return ReasonOf(world.Call<v1::RolloutRulesService>(method, request, &response));
  }
  v1::GetRolloutRulesResponse Get(const std::string& of) {
    v1::GetRolloutRulesRequest request;
    request.set_name("domains/" + of + "/rolloutRules");
    v1::GetRolloutRulesResponse response;
    const grpc::Status status =
        world.Call<v1::RolloutRulesService>(&Stub::GetRolloutRules, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::CreateRolloutFreezeRequest Freeze(const std::string& of) {
    v1::CreateRolloutFreezeRequest request;
    request.set_parent("domains/" + of);
    const int64_t now = absl::ToUnixSeconds(world.clock().Now());
    request.mutable_freeze()->mutable_start_time()->set_seconds(now);
    request.mutable_freeze()->mutable_end_time()->set_seconds(now + 86'400);
    request.mutable_freeze()->set_reason("year end");
    return request;
  }
  v1::UpdateRolloutRulesRequest Edit(const v1::RolloutRules& rules, const std::string& path) {
    v1::UpdateRolloutRulesRequest request;
    *request.mutable_rules() = rules;
    request.mutable_update_mask()->add_paths(path);
    return request;
  }

  World world;
};

TEST_F(RolloutRulesServiceTest, FreezesAreAddedListedAndTakenBack) {
  EXPECT_EQ(Get("example.com").rules().etag(), "");
  v1::CreateRolloutFreezeResponse added;
  DMARCATE_CALL(world, v1::RolloutRulesService, CreateRolloutFreeze, Freeze("-"), &added);
  EXPECT_THAT(added.freeze().name(), HasSubstr("domains/-/rolloutFreezes/"));
  EXPECT_EQ(added.freeze().created_by(), "token/root");
  v1::CreateRolloutFreezeRequest own = Freeze("example.com");
  own.set_etag(added.rules().etag());  // of other rules, which have been set once, too
  EXPECT_EQ(Reason(&Stub::CreateRolloutFreeze, own), "ETAG_MISMATCH");
  own.clear_etag();
  own.set_validate_only(true);
  EXPECT_EQ(Reason(&Stub::CreateRolloutFreeze, own), "");
  const v1::GetRolloutRulesResponse rules = Get("example.com");
  EXPECT_EQ(rules.rules().freezes_size(), 0);
  ASSERT_EQ(rules.rules_of_all().freezes_size(), 1);
  EXPECT_EQ(rules.rules_of_all().freezes(0).reason(), "year end");
  EXPECT_FALSE(Get("-").has_rules_of_all());
  v1::DeleteRolloutFreezeRequest remove;
  EXPECT_EQ(Reason(&Stub::DeleteRolloutFreeze, remove), "FIELD_REQUIRED");
  remove.set_name("domains/-/rolloutFreezes/nothing");
  EXPECT_EQ(Reason(&Stub::DeleteRolloutFreeze, remove), "RESOURCE_NOT_FOUND");
  remove.set_name(added.freeze().name());
  v1::DeleteRolloutFreezeResponse removed;
  DMARCATE_CALL(world, v1::RolloutRulesService, DeleteRolloutFreeze, remove, &removed);
  EXPECT_EQ(removed.rules().freezes_size(), 0);
  ASSERT_EQ(removed.rules().log_size(), 2);
  EXPECT_THAT(removed.rules().log(0).text(), HasSubstr("takes back the freeze"));
  EXPECT_EQ(removed.rules().log(0).who(), "token/root");
}

TEST_F(RolloutRulesServiceTest, ARolloutGoesByThem) {
  v1::CreateRolloutRequest create;
  create.set_parent("domains/example.com");
  v1::CreateRolloutResponse created;
  DMARCATE_CALL(world, v1::RolloutService, CreateRollout, create, &created);
  v1::CreateRolloutFreezeResponse added;
  DMARCATE_CALL(world, v1::RolloutRulesService, CreateRolloutFreeze, Freeze("example.com"), &added);
  v1::UpdateRolloutRulesRequest edit = Edit(Get("-").rules(), "two_people");
  edit.mutable_rules()->set_two_people(true);
  v1::UpdateRolloutRulesResponse edited;
  DMARCATE_CALL(world, v1::RolloutRulesService, UpdateRolloutRules, edit, &edited);
  EXPECT_TRUE(edited.rules().two_people());
  v1::ExplainRolloutRequest explain;
  explain.set_name(created.rollout().name());
  v1::ExplainRolloutResponse shown;
  DMARCATE_CALL(world, v1::RolloutService, ExplainRollout, explain, &shown);
  EXPECT_THAT(shown.text(), HasSubstr("year end"));
  EXPECT_THAT(shown.text(), HasSubstr("the yes of two people"));
  edit = Edit(Get("example.com").rules(), "suspended");
  edit.mutable_rules()->set_suspended(true);
  EXPECT_EQ(Reason(&Stub::UpdateRolloutRules, edit), "FIELD_INVALID");
  edit.mutable_rules()->set_suspend_reason("sold");
  DMARCATE_CALL(world, v1::RolloutRulesService, UpdateRolloutRules, edit, &edited);
  DMARCATE_CALL(world, v1::RolloutService, ExplainRollout, explain, &shown);
  EXPECT_EQ(shown.reason(), "frozen: the domain is suspended: sold");
}

TEST_F(RolloutRulesServiceTest, OneCallerCannotReleaseWhatTwoAreWantedFor) {
  v1::UpdateRolloutRulesRequest edit = Edit(Get("example.com").rules(), "two_people");
  edit.mutable_rules()->set_two_people(true);
  EXPECT_EQ(Reason(&Stub::UpdateRolloutRules, edit), "");
  EXPECT_EQ(Reason(&Stub::UpdateRolloutRules, edit), "ETAG_MISMATCH");
  edit = Edit(Get("example.com").rules(), "two_people");
  edit.mutable_rules()->set_two_people(false);
  EXPECT_EQ(Reason(&Stub::UpdateRolloutRules, edit), "");
  const v1::RolloutRules rules = Get("example.com").rules();
  EXPECT_TRUE(rules.two_people());
  EXPECT_EQ(rules.release_asked_by(), "token/root");
  edit.mutable_rules()->set_etag(rules.etag());
  EXPECT_EQ(Reason(&Stub::UpdateRolloutRules, edit), "ROLLOUT_STATE");
}

TEST_F(RolloutRulesServiceTest, RefusesByName) {
  v1::GetRolloutRulesRequest get;
  EXPECT_EQ(Reason(&Stub::GetRolloutRules, get), "FIELD_REQUIRED");
  get.set_name("domains/example.com");
  EXPECT_EQ(Reason(&Stub::GetRolloutRules, get), "NAME_MALFORMED");
  get.set_name("domains/other.test/rolloutRules");
  EXPECT_EQ(Reason(&Stub::GetRolloutRules, get), "RESOURCE_NOT_FOUND");
  v1::UpdateRolloutRulesRequest edit;
  edit.mutable_rules()->set_name("domains/-/rolloutRules");
  EXPECT_EQ(Reason(&Stub::UpdateRolloutRules, edit), "UPDATE_MASK_REQUIRED");
  edit.mutable_update_mask()->add_paths("colour");
  EXPECT_EQ(Reason(&Stub::UpdateRolloutRules, edit), "UPDATE_MASK_INVALID");
  v1::CreateRolloutFreezeRequest freeze = Freeze("example.com");
  freeze.mutable_freeze()->clear_start_time();
  EXPECT_EQ(Reason(&Stub::CreateRolloutFreeze, freeze), "FIELD_REQUIRED");
  freeze = Freeze("example.com");
  freeze.mutable_freeze()->clear_reason();
  EXPECT_EQ(Reason(&Stub::CreateRolloutFreeze, freeze), "FIELD_INVALID");
  freeze = Freeze("example.com");
  freeze.mutable_freeze()->mutable_end_time()->set_seconds(5);
  EXPECT_EQ(Reason(&Stub::CreateRolloutFreeze, freeze), "FIELD_INVALID");
}

}  // namespace
}  // namespace dmarcate::service_testing
