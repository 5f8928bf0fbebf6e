// Sources that a domain's own DNS declares, before and beside what reports tell.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "policyd/service/network_book.h"
#include "tests/policyd/service/source_world.h"

namespace dmarcate {
namespace {

using service_testing::ReasonOf;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using v1::SourceService;

constexpr char kZendesk[] = "domains/new.test/sources/zendesk";

// new.test, of which no report has told.
class SourceDeclaredTest : public service_testing::SourceWorld {
 protected:
  SourceDeclaredTest() {
    world_.AddDomain("new.test");
    world_.network().SetGathered();
    world_.resolver().SetTxt(*DomainName::Parse("new.test"),
                             {"v=spf1 include:mail.zendesk.com ip4:192.0.2.7 -all"});
    world_.resolver().SetTxt(*DomainName::Parse("mail.zendesk.com"),
                             {"v=spf1 ip4:192.0.2.128/25 -all"});
  }
  void Declare() {
    world_.network().PutDeclared(
        "new.test",
        {.spf =
             {{.term = "include:mail.zendesk.com", .targets = {"mail.zendesk.com"}, .leads = true},
              {.term = "ip4:192.0.2.7", .targets = {}, .network = IpNetwork::Parse("192.0.2.7")}},
         .selectors = {"google"},
         .mx_hosts = {"aspmx.l.google.com"}});
  }
  v1::ListSourcesResponse ListNew(v1::Source::State state = v1::Source::STATE_UNSPECIFIED) {
    v1::ListSourcesRequest request;
    request.set_parent("domains/new.test");
    if (state != v1::Source::STATE_UNSPECIFIED) request.add_states(state);
    v1::ListSourcesResponse response;
    const grpc::Status status =
        world_.Call<SourceService>(&SourceService::Stub::ListSources, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  static std::vector<std::string> Ids(const v1::ListSourcesResponse& response) {
    std::vector<std::string> out;
    for (const v1::Source& source : response.sources()) {
      out.push_back(source.name().substr(source.name().rfind('/') + 1));
    }
    return out;
  }
  v1::ExplainSourceResponse Explain(const std::string& name) {
    v1::ExplainSourceRequest request;
    request.set_name(name);
    v1::ExplainSourceResponse response;
    const grpc::Status status =
        world_.Call<SourceService>(&SourceService::Stub::ExplainSource, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
};

TEST_F(SourceDeclaredTest, BeforeTheFirstReportTheyAreListedAndSayWhy) {
  EXPECT_TRUE(ListNew().declarations_pending()) << "nobody has asked its DNS yet";
  EXPECT_EQ(ListNew().sources_size(), 0);
  Declare();
  const v1::ListSourcesResponse list = ListNew();
  EXPECT_FALSE(list.declarations_pending());
  EXPECT_THAT(Ids(list), ElementsAre("google-workspace", "own-new.test", "zendesk"));
  const v1::Source& google = list.sources(0);
  EXPECT_EQ(google.state(), v1::Source::STATE_PENDING);
  EXPECT_EQ(google.kind(), v1::Source::KIND_SENDER);
  ASSERT_EQ(google.declarations_size(), 2);
  EXPECT_EQ(google.declarations(0).kind(), v1::SourceDeclaration::KIND_DKIM_KEY);
  EXPECT_EQ(google.declarations(0).value(), "google._domainkey.new.test");
  EXPECT_EQ(google.declarations(1).kind(), v1::SourceDeclaration::KIND_MX);
  EXPECT_EQ(list.sources(1).kind(), v1::Source::KIND_INTERNAL);
  EXPECT_FALSE(list.sources(2).spf_needed());
  EXPECT_FALSE(google.suggested()) << "that is for what anchors have seen";
  EXPECT_THAT(google.kind_reason(), HasSubstr("google._domainkey.new.test"));
}

TEST_F(SourceDeclaredTest, AreApprovedAsTheyAre) {
  Declare();
  const v1::ExplainSourceResponse why = Explain(kZendesk);
  EXPECT_TRUE(why.proposed_authorization().has_already_authorized()) << why.DebugString();
  EXPECT_THAT(why.advice(), AllOf(HasSubstr("include:mail.zendesk.com"), HasSubstr("already")));
  ASSERT_EQ(why.evidence_size(), 1);
  EXPECT_THAT(why.evidence(0).claim(), HasSubstr("include:mail.zendesk.com"));
  EXPECT_THAT(std::vector<std::string>(why.warnings().begin(), why.warnings().end()),
              Not(testing::Contains("NOTHING_ALIGNS")));
  v1::ApproveSourceRequest request;
  request.set_name(kZendesk);
  request.set_evidence_etag(why.evidence_etag());
  v1::ApproveSourceResponse response;
  const grpc::Status status = Approve(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(response.source().decision().authorization().has_already_authorized());
  EXPECT_THAT(Ids(ListNew(v1::Source::STATE_PENDING)),
              ElementsAre("google-workspace", "own-new.test"));
  EXPECT_THAT(Ids(ListNew(v1::Source::STATE_APPROVED)), ElementsAre("zendesk"));
  // By its key alone nothing gets into SPF.
  EXPECT_TRUE(Explain("domains/new.test/sources/google-workspace")
                  .proposed_authorization()
                  .has_dkim_only());
}

TEST_F(SourceDeclaredTest, WhatNobodyDeclaresIsNotFound) {
  v1::GetSourceRequest request;
  request.set_name("domains/new.test/sources/sendgrid");
  v1::GetSourceResponse response;
  EXPECT_EQ(
      ReasonOf(world_.Call<SourceService>(&SourceService::Stub::GetSource, request, &response)),
      "RESOURCE_NOT_FOUND");
}

TEST_F(SourceDeclaredTest, BesideMailTheyAreEvidence) {
  world_.network().PutDeclared(
      "example.com",
      {.spf = {{.term = "include:sendgrid.net", .targets = {"sendgrid.net"}, .leads = true}}});
  EXPECT_THAT(List({}), ElementsAre("sendgrid", "microsoft-365", "ip-198-51-100-7")) << "each once";
  const v1::Source source = Get(service_testing::kSendgrid);
  ASSERT_EQ(source.declarations_size(), 1);
  EXPECT_THAT(source.kind_reason(), Not(HasSubstr("no mail")));
  const v1::ExplainSourceResponse why = Explain(service_testing::kSendgrid);
  std::vector<std::string> claims;
  for (const v1::EvidenceItem& item : why.evidence()) claims.push_back(item.claim());
  EXPECT_THAT(claims, testing::Contains("your SPF record says include:sendgrid.net"));
  EXPECT_THAT(why.advice(), Not(HasSubstr("No report")));
}

}  // namespace
}  // namespace dmarcate
