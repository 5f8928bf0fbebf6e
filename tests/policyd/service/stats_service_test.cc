#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/stats.grpc.pb.h"
#include "policyd/service/policy_simulation.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using service_testing::ReasonOf;
using service_testing::World;
using testing::ElementsAre;
using v1::StatsService;
using Stub = StatsService::Stub;

class StatsServiceTest : public testing::Test {
 protected:
  StatsServiceTest() {
    world_.AddDomain();
    world_.AddReport(Report(world_.DaysAgo(3),
                            {Row(6).From("149.72.1.1").Dkim("sendgrid.net"),
                             Row(4).From("198.51.100.7").Then(Disposition::kReject)},
                            "one.test"));
    world_.AddReport(Report(world_.DaysAgo(1),
                            {Row(9).From("198.51.100.7").Header("shop.example.com")}, "two.test",
                            TrustClass::kAnchored));
  }

  std::vector<std::pair<std::string, int64_t>> Breakdown(v1::BreakdownDimension dimension) {
    v1::QueryBreakdownRequest request;
    request.set_parent("domains/example.com");
    request.set_dimension(dimension);
    v1::QueryBreakdownResponse response;
    const grpc::Status status =
        world_.Call<StatsService>(&Stub::QueryBreakdown, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.total().message_count(), 19);
    std::vector<std::pair<std::string, int64_t>> rows;
    int64_t sum = 0;
    for (const v1::BreakdownRow& row : response.rows()) {
      rows.emplace_back(row.key(), row.counts().message_count());
      sum += row.counts().message_count();
    }
    EXPECT_EQ(sum, 19) << "a breakdown adds up to the total";
    return rows;
  }

  // The rows of what is there expire; then a report comes for one of its days.
  void AddReportAfterExpiry() {
    world_.ExpireRows();
    world_.AddReport(
        Report(world_.DaysAgo(3), {Row(2).From("149.72.1.1").Dkim("sendgrid.net")}, "three.test"));
  }
  World world_;
};

using P = std::pair<std::string, int64_t>;

TEST_F(StatsServiceTest, OnePointADayAlsoWithoutMail) {
  v1::QueryTimeSeriesRequest request;
  request.set_parent("domains/example.com");
  v1::QueryTimeSeriesResponse response;
  DMARCATE_CALL(world_, StatsService, QueryTimeSeries, request, &response);
  ASSERT_EQ(response.points_size(), 30);
  EXPECT_EQ(response.points(29).date().day(), 30);
  EXPECT_EQ(response.points(26).counts().message_count(), 10);
  EXPECT_EQ(response.points(26).report_count(), 1);
  EXPECT_EQ(response.points(27).counts().message_count(), 0);
  EXPECT_EQ(response.points(28).counts().message_count(), 9);
  EXPECT_EQ(response.total().message_count(), 19);
}

TEST_F(StatsServiceTest, TheSeriesOfASource) {
  v1::QueryTimeSeriesRequest request;
  request.set_parent("domains/example.com/sources/sendgrid");
  v1::QueryTimeSeriesResponse response;
  DMARCATE_CALL(world_, StatsService, QueryTimeSeries, request, &response);
  EXPECT_EQ(response.points(26).counts().message_count(), 6);
  EXPECT_EQ(response.total().message_count(), 6);
  request.set_parent("domains/example.com/sources/mailchimp");
  EXPECT_EQ(ReasonOf(world_.Call<StatsService>(&Stub::QueryTimeSeries, request, &response)),
            "RESOURCE_NOT_FOUND");
}

TEST_F(StatsServiceTest, BreaksDownByEveryDimension) {
  EXPECT_THAT(Breakdown(v1::BREAKDOWN_DIMENSION_SOURCE),
              ElementsAre(P{"ip-198-51-100-7", 13}, P{"sendgrid", 6}));
  EXPECT_THAT(Breakdown(v1::BREAKDOWN_DIMENSION_ADDRESS),
              ElementsAre(P{"198.51.100.7", 13}, P{"149.72.1.1", 6}));
  EXPECT_THAT(Breakdown(v1::BREAKDOWN_DIMENSION_REPORTER),
              ElementsAre(P{"one.test", 10}, P{"two.test", 9}));
  EXPECT_THAT(Breakdown(v1::BREAKDOWN_DIMENSION_HEADER_FROM),
              ElementsAre(P{"example.com", 10}, P{"shop.example.com", 9}));
  EXPECT_THAT(Breakdown(v1::BREAKDOWN_DIMENSION_DISPOSITION),
              ElementsAre(P{"none", 15}, P{"reject", 4}));
  EXPECT_THAT(Breakdown(v1::BREAKDOWN_DIMENSION_TRUST),
              ElementsAre(P{"imported", 10}, P{"anchored", 9}));
}

TEST_F(StatsServiceTest, ABreakdownComesInPages) {
  v1::QueryBreakdownRequest request;
  request.set_parent("domains/example.com");
  request.set_dimension(v1::BREAKDOWN_DIMENSION_REPORTER);
  request.set_page_size(1);
  v1::QueryBreakdownResponse response;
  DMARCATE_CALL(world_, StatsService, QueryBreakdown, request, &response);
  EXPECT_EQ(response.rows(0).key(), "one.test");
  request.set_page_token(response.next_page_token());
  response.Clear();
  DMARCATE_CALL(world_, StatsService, QueryBreakdown, request, &response);
  EXPECT_EQ(response.rows(0).key(), "two.test");
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(StatsServiceTest, ADimensionIsRequired) {
  v1::QueryBreakdownRequest request;
  request.set_parent("domains/example.com");
  v1::QueryBreakdownResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<StatsService>(&Stub::QueryBreakdown, request, &response)),
            "FIELD_REQUIRED");
  request.set_dimension(static_cast<v1::BreakdownDimension>(99));
  EXPECT_EQ(ReasonOf(world_.Call<StatsService>(&Stub::QueryBreakdown, request, &response)),
            "FIELD_INVALID");
}

TEST_F(StatsServiceTest, WhatTotalsKeepOfExpiredRowsIsNoDayWithoutMail) {
  AddReportAfterExpiry();
  v1::QueryTimeSeriesRequest request;
  request.set_parent("domains/example.com");
  v1::QueryTimeSeriesResponse response;
  DMARCATE_CALL(world_, StatsService, QueryTimeSeries, request, &response);
  const v1::TimeSeriesPoint& mixed = response.points(26);
  EXPECT_EQ(mixed.counts().message_count(), 12);
  EXPECT_EQ(mixed.counts().reject_count(), 4);
  EXPECT_EQ(mixed.counts().dkim_pass_count(), 2) << "unaligned passes have gone with the rows";
  EXPECT_EQ(mixed.report_count(), 2);
  EXPECT_EQ(mixed.expired_message_count(), 10);
  EXPECT_EQ(response.points(27).expired_message_count(), 0);
  EXPECT_EQ(response.points(28).counts().message_count(), 9);
  EXPECT_EQ(response.total().message_count(), 21);
  EXPECT_EQ(response.expired_message_count(), 19);
}

TEST_F(StatsServiceTest, NobodyKnowsWhoseMailExpiredRowsCounted) {
  AddReportAfterExpiry();
  v1::QueryTimeSeriesRequest series;
  series.set_parent("domains/example.com/sources/sendgrid");
  v1::QueryTimeSeriesResponse points;
  DMARCATE_CALL(world_, StatsService, QueryTimeSeries, series, &points);
  EXPECT_EQ(points.points(26).counts().message_count(), 2);
  EXPECT_EQ(points.points(26).report_count(), 1);
  EXPECT_EQ(points.points(26).expired_message_count(), 10);
  EXPECT_EQ(points.total().message_count(), 2);

  v1::QueryBreakdownRequest request;
  request.set_parent("domains/example.com");
  request.set_dimension(v1::BREAKDOWN_DIMENSION_SOURCE);
  v1::QueryBreakdownResponse response;
  DMARCATE_CALL(world_, StatsService, QueryBreakdown, request, &response);
  ASSERT_EQ(response.rows_size(), 1);
  EXPECT_EQ(response.total().message_count(), 2);
  EXPECT_EQ(response.expired_message_count(), 19);
}

TEST_F(StatsServiceTest, OnlyWhatIsNotThereIsNotFound) {
  v1::QueryTimeSeriesRequest request;
  request.set_parent("domains/example.com/sources/nobody");
  v1::QueryTimeSeriesResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<StatsService>(&Stub::QueryTimeSeries, request, &response)),
            "RESOURCE_NOT_FOUND");
  world_.policies().FailDecisions(absl::DataLossError("spoiled"));
  const grpc::Status status = world_.Call<StatsService>(&Stub::QueryTimeSeries, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS) << status.error_message();
}

v1::SimulatePolicyRequest Simulate(v1::PolicyKind p) {
  v1::SimulatePolicyRequest request;
  request.set_parent("domains/example.com");
  request.set_p(p);
  return request;
}

TEST_F(StatsServiceTest, SimulatesAnotherPolicy) {
  v1::SimulatePolicyResponse response;
  DMARCATE_CALL(world_, StatsService, SimulatePolicy, Simulate(v1::POLICY_KIND_REJECT), &response);
  EXPECT_EQ(response.total().message_count(), 19);
  EXPECT_EQ(response.total().reject_count(), 19) << "nothing aligns";
  EXPECT_EQ(response.total().rejected_then_count(), 4);
  EXPECT_EQ(response.total().newly_refused_count(), 15);
  ASSERT_EQ(response.sources_size(), 2);
  EXPECT_EQ(response.sources(0).key(), "ip-198-51-100-7");
  EXPECT_EQ(response.sources(0).counts().reject_count(), 13);
  ASSERT_EQ(response.reporters_size(), 2);
  EXPECT_EQ(response.reporters(0).key(), "one.test");
  ASSERT_EQ(response.trust_size(), 2);
  EXPECT_EQ(response.trust(0).trust(), v1::TRUST_CLASS_ANCHORED);
  EXPECT_EQ(response.trust(0).counts().reject_count(), 9);
}

TEST_F(StatsServiceTest, SimulatesASourceThatSigns) {
  v1::SimulatePolicyRequest request = Simulate(v1::POLICY_KIND_REJECT);
  v1::SourceTreatment* treatment = request.add_treatments();
  treatment->set_source("sendgrid");
  treatment->set_kind(v1::SourceTreatment::KIND_SIGNED);
  request.set_sp(v1::POLICY_KIND_NONE);
  request.set_row_limit(1);
  v1::SimulatePolicyResponse response;
  DMARCATE_CALL(world_, StatsService, SimulatePolicy, request, &response);
  EXPECT_EQ(response.total().would_pass_count(), 6);
  EXPECT_EQ(response.total().reject_count(), 4) << "shop.example.com follows sp";
  EXPECT_EQ(response.total().newly_refused_count(), 0);
  EXPECT_EQ(response.sources_size(), 1);
  EXPECT_EQ(response.sources_left_out(), 1);
}

TEST_F(StatsServiceTest, ASimulationDoesNotGuessAboutExpiredRows) {
  AddReportAfterExpiry();
  v1::SimulatePolicyResponse response;
  DMARCATE_CALL(world_, StatsService, SimulatePolicy, Simulate(v1::POLICY_KIND_REJECT), &response);
  EXPECT_EQ(response.total().message_count(), 2);
  EXPECT_EQ(response.expired_message_count(), 19);
}

TEST_F(StatsServiceTest, SimulatePolicyRefusesWhatItCannotMean) {
  const auto refused = [this](const auto& change) {
    v1::SimulatePolicyRequest request = Simulate(v1::POLICY_KIND_REJECT);
    change(request);
    v1::SimulatePolicyResponse response;
    return world_.Call<StatsService>(&Stub::SimulatePolicy, request, &response).error_code();
  };
  using Request = v1::SimulatePolicyRequest;
  EXPECT_EQ(refused([](Request& r) { r.set_p(v1::POLICY_KIND_UNSPECIFIED); }),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused([](Request& r) { r.add_treatments()->set_source("sendgrid"); }),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused([](Request& r) {
              for (int i = 0; i < 2; ++i) {
                r.add_treatments()->set_source("sendgrid");
                r.mutable_treatments(i)->set_kind(v1::SourceTreatment::KIND_SIGNED);
              }
            }),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused([](Request& r) { r.add_missing_names("other.test"); }),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused([](Request& r) { r.add_missing_names("example.com"); }),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused([](Request& r) { r.set_row_limit(kMaxSimulationRows + 1); }),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused([](Request& r) { r.set_parent("domains/unknown.test"); }),
            grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace dmarcate
