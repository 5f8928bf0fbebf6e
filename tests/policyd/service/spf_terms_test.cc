// What each term carried, over the API, and a plan that takes one out: read, shown, applied,
// undone.

#include <string>
#include <vector>

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
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using v1::Change;
using v1::ChangeService;
using v1::SourceService;
using Stub = ChangeService::Stub;

constexpr char kLive[] =
    "v=spf1 ip4:192.0.2.0/24 include:old.test include:spf.protection.outlook.com -all";

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

class SpfTermsTest : public testing::Test {
 protected:
  SpfTermsTest() {
    world_.AddDomain();
    world_.AddProvider();
    SetLive({kLive, "unrelated"});
    world_.resolver().SetTxt(Name("old.test"), {"v=spf1 ip4:203.0.113.0/28 -all"});
    world_.resolver().SetTxt(Name("spf.protection.outlook.com"), {"v=spf1 ip4:40.92.0.0/15 -all"});
  }
  void SetLive(const std::vector<std::string>& texts) {
    world_.provider().SetTexts(Name("example.com"), texts);
    world_.resolver().SetTxt(Name("example.com"), texts);
  }
  // Of 100 days, by two receivers that count as anchors.
  void AddReports() {
    for (int day = 1; day <= 100; ++day) {
      for (const char* who : {"google.com", "microsoft.com"}) {
        world_.AddReport(Report(world_.DaysAgo(day), {Row(4).From("192.0.2.7").Spf("example.com")},
                                who, TrustClass::kAnchored));
      }
    }
  }
  v1::ReviewSpfTermsResponse Review(int days = 0) {
    v1::ReviewSpfTermsRequest request;
    request.set_parent("domains/example.com");
    request.set_days(days);
    v1::ReviewSpfTermsResponse response;
    const grpc::Status status =
        world_.Call<ChangeService>(&Stub::ReviewSpfTerms, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  static std::vector<std::string> Verdicts(const v1::ReviewSpfTermsResponse& response) {
    std::vector<std::string> out;
    for (const v1::SpfTermReview& term : response.terms()) {
      out.push_back(v1::SpfTermReview::Verdict_Name(term.verdict()).substr(8) + " " + term.term());
    }
    return out;
  }
  grpc::Status Plan(const v1::Intent& intent, Change* change) {
    v1::CreateChangeRequest request;
    request.set_parent("domains/example.com");
    *request.mutable_intent() = intent;
    v1::CreateChangeResponse response;
    const grpc::Status status = world_.Call<ChangeService>(&Stub::CreateChange, request, &response);
    *change = response.change();
    return status;
  }
  static v1::Intent Prune(const std::vector<std::string>& terms) {
    v1::Intent intent;
    for (const std::string& term : terms) intent.add_prune(term);
    return intent;
  }
  static std::string GuardOf(const Change& change, v1::GuardResult::Result result) {
    for (const v1::GuardResult& guard : change.guards()) {
      if (guard.result() == result) return guard.code() + ": " + guard.message();
    }
    return "";
  }
  std::string Live() { return world_.provider().Get(Name("example.com")).records.at(0).Joined(); }
  // As it was seen with its SPF passing, approved as authorized already.
  void Approve(const std::string& source) {
    v1::GetSourceRequest get;
    get.set_name("domains/example.com/sources/" + source);
    v1::GetSourceResponse got;
    DMARCATE_CALL(world_, SourceService, GetSource, get, &got);
    v1::ApproveSourceRequest approve;
    approve.set_name(get.name());
    approve.set_evidence_etag(got.source().evidence_etag());
    v1::ApproveSourceResponse approved;
    DMARCATE_CALL(world_, SourceService, ApproveSource, approve, &approved);
  }

  World world_;
};

TEST_F(SpfTermsTest, SaysWhatEachTermCarried) {
  AddReports();
  const v1::ReviewSpfTermsResponse review = Review();
  EXPECT_EQ(review.record(), kLive);
  EXPECT_THAT(Verdicts(review),
              ElementsAre("USED ip4:192.0.2.0/24", "UNUSED include:old.test",
                          "UNUSED include:spf.protection.outlook.com", "NOT_JUDGED -all"));
  EXPECT_EQ(review.message_count(), 800);
  EXPECT_EQ(review.covered_days(), 100);
  EXPECT_EQ(review.anchor_count(), 2);
  EXPECT_THAT(review.missing(), IsEmpty());
  EXPECT_EQ(review.lookup_count(), 2);
  EXPECT_EQ(review.freed_lookup_count(), 2);
  EXPECT_EQ(review.date_range().last_date().day(), 29) << "yesterday";
  const v1::SpfTermReview& used = review.terms(0);
  EXPECT_EQ(used.message_count(), 800);
  EXPECT_THAT(used.sources(), ElementsAre("own-example.com"));
  EXPECT_EQ(used.last_date().day(), 29);
  EXPECT_THAT(review.terms(1).reason(), HasSubstr("none of 800 messages"));
}

TEST_F(SpfTermsTest, WithoutReportsNothingIsProposed) {
  const v1::ReviewSpfTermsResponse review = Review(30);
  EXPECT_THAT(Verdicts(review),
              ElementsAre("OPEN ip4:192.0.2.0/24", "OPEN include:old.test",
                          "OPEN include:spf.protection.outlook.com", "NOT_JUDGED -all"));
  EXPECT_THAT(review.missing(0), HasSubstr("30 days are looked at; 90 are needed"));
  EXPECT_EQ(review.freed_lookup_count(), 0);
}

TEST_F(SpfTermsTest, TakesOutWhatIsNamedAndPutsItBack) {
  AddReports();
  Change plan;
  ASSERT_EQ(ReasonOf(Plan(Prune({"include:old.test"}), &plan)), "");
  ASSERT_EQ(plan.state(), Change::STATE_PLANNED) << plan.DebugString();
  EXPECT_THAT(plan.intent().prune(), ElementsAre("include:old.test"));
  EXPECT_THAT(GuardOf(plan, v1::GuardResult::RESULT_WARN),
              HasSubstr("SPF_PRUNE: include:old.test goes (unused): none of 800 messages"));
  EXPECT_EQ(plan.record_changes(0).lookups_before(), 2);
  EXPECT_EQ(plan.record_changes(0).lookups_after(), 1);
  EXPECT_EQ(Live(), kLive) << "planning wrote";
  v1::ApplyChangeRequest apply;
  apply.set_name(plan.name());
  apply.set_etag(plan.etag());
  apply.set_plan_digest(plan.plan_digest());
  v1::ApplyChangeResponse applied;
  DMARCATE_CALL(world_, ChangeService, ApplyChange, apply, &applied);
  ASSERT_EQ(applied.change().state(), Change::STATE_SUCCEEDED);
  EXPECT_EQ(Live(), "v=spf1 ip4:192.0.2.0/24 include:spf.protection.outlook.com -all");
  v1::RollbackChangeRequest back;
  back.set_name(applied.change().name());
  back.set_etag(applied.change().etag());
  v1::RollbackChangeResponse undone;
  DMARCATE_CALL(world_, ChangeService, RollbackChange, back, &undone);
  EXPECT_EQ(undone.change().state(), Change::STATE_SUCCEEDED);
  EXPECT_EQ(Live(), kLive);
}

TEST_F(SpfTermsTest, WhatAnApprovedSourceSendsThroughIsRefused) {
  AddReports();
  Approve("own-example.com");
  Change plan;
  ASSERT_EQ(ReasonOf(Plan(Prune({"ip4:192.0.2.0/24"}), &plan)), "");
  EXPECT_EQ(plan.state(), Change::STATE_REFUSED);
  EXPECT_THAT(GuardOf(plan, v1::GuardResult::RESULT_REFUSE),
              HasSubstr("SPF_PRUNE_APPROVED: ip4:192.0.2.0/24 is for own-example.com, which is "
                        "approved; reject the source first"));
}

// R16 of safety.md: its traffic has paused, and it stays.
TEST_F(SpfTermsTest, AnApprovedSenderIsNotRemovedBecauseItIsSilent) {
  world_.AddReport(Report(world_.DaysAgo(1),
                          {Row(10).From("40.107.1.1").Spf("example.com", AuthResult::kFail)}));
  Approve("microsoft-365");
  AddReports();
  EXPECT_THAT(Verdicts(Review()), testing::Contains("ADVISED include:spf.protection.outlook.com"));
  Change plan;
  ASSERT_EQ(ReasonOf(Plan(Prune({"include:spf.protection.outlook.com"}), &plan)), "");
  EXPECT_EQ(plan.state(), Change::STATE_REFUSED);
  EXPECT_THAT(GuardOf(plan, v1::GuardResult::RESULT_REFUSE), HasSubstr("SPF_PRUNE_APPROVED"));
}

TEST_F(SpfTermsTest, RefusesRequestsThatSayNothing) {
  v1::Intent with_decisions = Prune({"include:old.test"});
  with_decisions.set_spf_from_decisions(true);
  Change plan;
  EXPECT_EQ(ReasonOf(Plan(with_decisions, &plan)), "FIELD_INVALID");
  v1::ReviewSpfTermsRequest request;
  request.set_parent("domains/example.com");
  request.set_days(401);
  v1::ReviewSpfTermsResponse response;
  const auto review = [&] {
    return ReasonOf(world_.Call<ChangeService>(&Stub::ReviewSpfTerms, request, &response));
  };
  EXPECT_EQ(review(), "FIELD_INVALID");
  request.set_days(0);
  SetLive({"unrelated"});
  EXPECT_EQ(review(), "RESOURCE_NOT_FOUND");
  SetLive({"v=spf1 -all", "v=spf1 mx -all"});
  EXPECT_EQ(review(), "SPF_MULTIPLE");
  SetLive({"v=spf1 foo -all"});
  EXPECT_EQ(review(), "RECORD_SYNTAX");
  world_.resolver().FailAll(absl::UnavailableError("SERVFAIL"));
  EXPECT_EQ(review(), "DNS_UNAVAILABLE");
  request.set_parent("domains/nobody.test");
  EXPECT_EQ(review(), "RESOURCE_NOT_FOUND");
}

}  // namespace
}  // namespace dmarcate
