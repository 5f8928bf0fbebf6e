// tests/policyd/service/source_world.h
// example.com with three sources, and its SourceService behind a socket.

#ifndef DMARCATE_TESTS_POLICYD_SERVICE_SOURCE_WORLD_H_
#define DMARCATE_TESTS_POLICYD_SERVICE_SOURCE_WORLD_H_

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

#include "dmarcate/v1/source.grpc.pb.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/policyd/service/world.h"

namespace dmarcate::service_testing {

inline constexpr char kSendgrid[] = "domains/example.com/sources/sendgrid";
inline constexpr char kMicrosoft[] = "domains/example.com/sources/microsoft-365";

// example.com with three sources: sendgrid 20, microsoft-365 10, an address 3 messages.
class SourceWorld : public testing::Test {
 protected:
  SourceWorld() {
    world_.AddDomain();
    world_.AddReport(analysis_testing::Report(
        world_.DaysAgo(2),
        {analysis_testing::Row(12).From("149.72.1.1").Dkim("sendgrid.net").Spf("sendgrid.net"),
         analysis_testing::Row(8).From("149.72.1.2").Dkim("sendgrid.net"),
         analysis_testing::Row(10).From("40.107.1.1").Spf("example.com", AuthResult::kSoftfail),
         analysis_testing::Row(3).From("198.51.100.7").Then(Disposition::kQuarantine)},
        "receiver-one.test"));
    world_.resolver().SetTxt(*DomainName::Parse("example.com"),
                             {"v=spf1 ip4:192.0.2.0/24 -all", "other"});
    world_.resolver().SetTxt(*DomainName::Parse("sendgrid.net"), {"v=spf1 ip4:167.89.0.0/17 ~all"});
    world_.resolver().SetTxt(*DomainName::Parse("spf.protection.outlook.com"),
                             {"v=spf1 ip4:40.92.0.0/15 ip4:40.107.0.0/16 -all"});
  }

  v1::Source Get(const std::string& name) {
    v1::GetSourceRequest request;
    request.set_name(name);
    v1::GetSourceResponse response;
    const grpc::Status status =
        world_.Call<v1::SourceService>(&v1::SourceService::Stub::GetSource, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.source();
  }
  v1::ApproveSourceRequest ApproveRequest(const std::string& name) {
    v1::ApproveSourceRequest request;
    request.set_name(name);
    request.set_evidence_etag(Get(name).evidence_etag());
    return request;
  }
  grpc::Status Approve(const v1::ApproveSourceRequest& request,
                       v1::ApproveSourceResponse* response) {
    return world_.Call<v1::SourceService>(&v1::SourceService::Stub::ApproveSource, request,
                                          response);
  }
  std::string ApproveReason(const v1::ApproveSourceRequest& request) {
    v1::ApproveSourceResponse response;
    return ReasonOf(Approve(request, &response));
  }
  std::vector<std::string> List(v1::ListSourcesRequest request) {
    request.set_parent("domains/example.com");
    v1::ListSourcesResponse response;
    const grpc::Status status =
        world_.Call<v1::SourceService>(&v1::SourceService::Stub::ListSources, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> ids;
    for (const v1::Source& source : response.sources()) {
      ids.push_back(source.name().substr(source.name().rfind('/') + 1));
    }
    next_page_token_ = response.next_page_token();
    total_ = response.total();
    return ids;
  }

  World world_;
  std::string next_page_token_;
  v1::MessageCounts total_;
};

}  // namespace dmarcate::service_testing

#endif  // DMARCATE_TESTS_POLICYD_SERVICE_SOURCE_WORLD_H_
