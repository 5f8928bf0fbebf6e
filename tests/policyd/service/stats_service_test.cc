#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/stats.grpc.pb.h"
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

}  // namespace
}  // namespace dmarcate
