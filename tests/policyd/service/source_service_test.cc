#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/source.grpc.pb.h"
#include "policyd/service/convert.h"
#include "policyd/service/row_tables.h"
#include "tests/policyd/service/source_world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using service_testing::kMicrosoft;
using service_testing::kSendgrid;
using service_testing::ReasonOf;
using service_testing::ReportsStore;
using service_testing::World;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using v1::Source;
using v1::SourceService;
using Stub = SourceService::Stub;
using SourceServiceTest = service_testing::SourceWorld;

TEST_F(SourceServiceTest, ListsByMessagesWithTheTotalOfAll) {
  EXPECT_THAT(List({}), ElementsAre("sendgrid", "microsoft-365", "ip-198-51-100-7"));
  EXPECT_EQ(total_.message_count(), 33);
  EXPECT_EQ(total_.quarantine_count(), 3);
  EXPECT_EQ(next_page_token_, "");
}

TEST_F(SourceServiceTest, PagesGoOnWhereTheyEndedAndKeepTheTotal) {
  v1::ListSourcesRequest request;
  request.set_page_size(1);
  EXPECT_THAT(List(request), ElementsAre("sendgrid"));
  // New mail makes the last source the largest: what was shown does not come again.
  world_.AddReport(Report(world_.DaysAgo(1), {Row(11).From("40.107.1.1")}));
  request.set_page_token(next_page_token_);
  EXPECT_THAT(List(request), testing::Not(Contains("sendgrid")));
  EXPECT_EQ(total_.message_count(), 44);
}

TEST_F(SourceServiceTest, AnotherListsTokenIsRefused) {
  v1::ListSourcesRequest request;
  request.set_page_size(1);
  List(request);
  request.set_parent("domains/example.com");
  request.set_page_token(next_page_token_);
  request.add_states(Source::STATE_APPROVED);
  v1::ListSourcesResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<SourceService>(&Stub::ListSources, request, &response)),
            "PAGE_TOKEN_INVALID");
  request.clear_states();
  world_.clock().Advance(absl::Hours(73));
  EXPECT_EQ(ReasonOf(world_.Call<SourceService>(&Stub::ListSources, request, &response)),
            "PAGE_TOKEN_INVALID");
}

TEST_F(SourceServiceTest, ASourceSaysWhatItIs) {
  const Source source = Get(kSendgrid);
  EXPECT_EQ(source.display_name(), "Twilio SendGrid");
  EXPECT_EQ(source.state(), Source::STATE_PENDING);
  EXPECT_EQ(source.kind(), Source::KIND_SENDER);
  EXPECT_EQ(source.catalogue_id(), "sendgrid");
  EXPECT_EQ(source.identity().kind(), v1::Identity::KIND_DKIM_DOMAIN);
  EXPECT_EQ(source.identity().value(), "sendgrid.net");
  EXPECT_EQ(source.proposed_spf_term(), "include:sendgrid.net");
  EXPECT_FALSE(source.spf_needed()) << "its envelope domain is its own";
  EXPECT_EQ(source.stats().counts().message_count(), 20);
  EXPECT_EQ(source.stats().counts().dkim_pass_count(), 20);
  EXPECT_EQ(source.stats().counts().dmarc_pass_count(), 0);
  EXPECT_EQ(source.stats().address_count(), 2);
  EXPECT_EQ(source.stats().reporter_count(), 1);
  ASSERT_EQ(source.stats().trust_size(), 1);
  EXPECT_EQ(source.stats().trust(0).trust(), v1::TRUST_CLASS_IMPORTED);
  EXPECT_EQ(source.last_seen_date().day(), 28);
  EXPECT_FALSE(source.has_decision());
  EXPECT_TRUE(Get(kMicrosoft).spf_needed());
}

TEST_F(SourceServiceTest, WhatIsNotThereIsNotFound) {
  v1::GetSourceRequest request;
  v1::GetSourceResponse response;
  for (const char* name :
       {"domains/example.com/sources/mailchimp", "domains/example.net/sources/sendgrid"}) {
    request.set_name(name);
    EXPECT_EQ(ReasonOf(world_.Call<SourceService>(&Stub::GetSource, request, &response)),
              "RESOURCE_NOT_FOUND")
        << name;
  }
  request.set_name("domains/example.com/sources/UPPER");
  EXPECT_EQ(ReasonOf(world_.Call<SourceService>(&Stub::GetSource, request, &response)),
            "NAME_MALFORMED");
}

TEST_F(SourceServiceTest, RangesAreChecked) {
  v1::GetSourceRequest request;
  v1::GetSourceResponse response;
  request.set_name(kSendgrid);
  v1::DateRange& range = *request.mutable_date_range();
  const auto reason = [&] {
    return ReasonOf(world_.Call<SourceService>(&Stub::GetSource, request, &response));
  };
  range.mutable_last_date()->set_year(2026);
  range.mutable_last_date()->set_month(2);
  range.mutable_last_date()->set_day(30);
  EXPECT_EQ(reason(), "INTERVAL_INVALID");
  range.mutable_last_date()->set_day(28);
  EXPECT_EQ(reason(), "RESOURCE_NOT_FOUND") << "a good range without mail of it";
  *range.mutable_first_date() = range.last_date();
  range.mutable_first_date()->set_month(3);
  EXPECT_EQ(reason(), "INTERVAL_INVALID") << "first after last";
  range.mutable_first_date()->set_year(2024);
  EXPECT_EQ(reason(), "INTERVAL_INVALID") << "over 400 days";
  range.Clear();
  EXPECT_EQ(reason(), "");
}

TEST_F(SourceServiceTest, ExplainShowsEvidenceAdviceAndWhatWouldChange) {
  v1::ExplainSourceRequest request;
  request.set_name(kMicrosoft);
  v1::ExplainSourceResponse response;
  DMARCATE_CALL(world_, SourceService, ExplainSource, request, &response);
  EXPECT_EQ(response.evidence_etag(), response.source().evidence_etag());
  ASSERT_GE(response.evidence_size(), 2);
  EXPECT_THAT(response.evidence(0).claim(), HasSubstr("40.107.1.1"));
  EXPECT_THAT(response.evidence(0).checked_against(), HasSubstr("microsoft-365"));
  EXPECT_THAT(response.warnings(), Contains("SINGLE_REPORTER"));
  EXPECT_EQ(response.proposed_authorization().spf_include().domain(), "spf.protection.outlook.com");
  EXPECT_FALSE(response.advice().empty());
  EXPECT_EQ(response.would_be_refused_count(), 10);
  EXPECT_EQ(response.preview_error(), "");
  EXPECT_EQ(response.if_approved().before(), "v=spf1 ip4:192.0.2.0/24 -all");
  EXPECT_EQ(response.if_approved().after(),
            "v=spf1 ip4:192.0.2.0/24 include:spf.protection.outlook.com -all");
  EXPECT_EQ(response.if_approved().lookups_before(), 0);
  EXPECT_EQ(response.if_approved().lookups_after(), 1);
  EXPECT_EQ(response.if_rejected().after(), response.if_rejected().before());
}

TEST_F(SourceServiceTest, WhatTheDnsSaysOfAddressesNamesASourceAndIsShown) {
  const auto ids = List({});
  ASSERT_THAT(ids, Contains("ip-198-51-100-7"));
  auto evidence = std::make_shared<NetworkEvidence>();
  evidence->AddRange(*IpNetwork::Parse("198.51.100.0/24"), "mailgun");
  world_.network().Put(std::move(evidence));
  world_.network().PutOwnTerms("example.com",
                               {{"ip4:198.51.100.7", {*IpNetwork::Parse("198.51.100.7")}},
                                {"mx", {*IpNetwork::Parse("198.51.100.8")}}});
  EXPECT_THAT(List({}), ElementsAre("sendgrid", "microsoft-365", "mailgun"))
      << "what was computed before is not shown any more";
  v1::ExplainSourceRequest request;
  request.set_name("domains/example.com/sources/mailgun");
  v1::ExplainSourceResponse response;
  DMARCATE_CALL(world_, SourceService, ExplainSource, request, &response);
  std::vector<std::string> claims;
  for (const v1::EvidenceItem& item : response.evidence()) claims.push_back(item.claim());
  EXPECT_THAT(claims, Contains("3 messages come from addresses that Mailgun sends from, such as "
                               "198.51.100.7"));
  EXPECT_THAT(claims, Contains("3 messages come from addresses that ip4:198.51.100.7 lets through, "
                               "such as 198.51.100.7"));
  EXPECT_THAT(claims, Contains("nothing is known about the names of the addresses of 3 messages"));
  ASSERT_EQ(response.spf_terms_size(), 2);
  EXPECT_EQ(response.spf_terms(0).message_count(), 3);
  EXPECT_EQ(response.spf_terms(0).domain_message_count(), 3);
  EXPECT_EQ(response.spf_terms(1).term(), "mx");
  EXPECT_EQ(response.spf_terms(1).domain_message_count(), 0);
  EXPECT_TRUE(response.spf_terms(1).complete());
}

TEST_F(SourceServiceTest, ExplainSaysWhatEachAnchorSaysAndWhatSpfAloneCarries) {
  world_.AddReport(Report(world_.DaysAgo(4), {Row(6).From("149.72.1.1").Dkim("sendgrid.net")},
                          "anchor.test", TrustClass::kAnchored));
  world_.AddReport(Report(world_.DaysAgo(1),
                          {Row(4).From("149.72.1.1").Dkim("sendgrid.net").Spf("example.com"),
                           Row(2).From("149.72.1.1").Dkim("sendgrid.net").Dkim("example.com")},
                          "anchor.test", TrustClass::kAnchored));
  v1::ExplainSourceRequest request;
  request.set_name(kSendgrid);
  v1::ExplainSourceResponse response;
  DMARCATE_CALL(world_, SourceService, ExplainSource, request, &response);
  ASSERT_EQ(response.anchors_size(), 1) << "the report of receiver-one.test was handed in";
  const v1::AnchorVoice& anchor = response.anchors(0);
  EXPECT_EQ(anchor.reporter(), "anchor.test");
  EXPECT_EQ(anchor.counts().message_count(), 12);
  EXPECT_EQ(anchor.counts().dkim_aligned_count(), 2);
  EXPECT_EQ(anchor.proved_count(), 12);
  EXPECT_EQ(ToMessage(world_.DaysAgo(4)).day(), anchor.first_seen_date().day());
  EXPECT_EQ(ToMessage(world_.DaysAgo(1)).day(), anchor.last_seen_date().day());
  EXPECT_EQ(response.spf_only_count(), 4);
  EXPECT_EQ(response.would_be_refused_count(), 26);
  EXPECT_EQ(response.spf_terms_size(), 0) << "nobody has read the record yet";
}

TEST_F(SourceServiceTest, ExplainSaysWhyThereIsNoPreview) {
  world_.resolver().FailAll(absl::UnavailableError("SERVFAIL from 192.0.2.53"));
  v1::ExplainSourceRequest request;
  request.set_name(kMicrosoft);
  v1::ExplainSourceResponse response;
  DMARCATE_CALL(world_, SourceService, ExplainSource, request, &response);
  EXPECT_FALSE(response.has_if_approved());
  EXPECT_THAT(response.preview_error(), HasSubstr("SERVFAIL"));
}

TEST_F(SourceServiceTest, AddressesComeByMessagesInPages) {
  v1::ListSourceAddressesRequest request;
  request.set_parent(kSendgrid);
  request.set_page_size(1);
  v1::ListSourceAddressesResponse response;
  DMARCATE_CALL(world_, SourceService, ListSourceAddresses, request, &response);
  ASSERT_EQ(response.addresses_size(), 1);
  EXPECT_EQ(response.addresses(0).address(), "149.72.1.1");
  EXPECT_EQ(response.addresses(0).counts().message_count(), 12);
  EXPECT_THAT(response.addresses(0).reporters(), ElementsAre("receiver-one.test"));
  request.set_page_token(response.next_page_token());
  response.Clear();
  DMARCATE_CALL(world_, SourceService, ListSourceAddresses, request, &response);
  ASSERT_EQ(response.addresses_size(), 1);
  EXPECT_EQ(response.addresses(0).address(), "149.72.1.2");
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(SourceServiceTest, ListsComeFromRowsAndOnePassServesAllElse) {
  const AnalysisCache& analysis = world_.analysis();
  List({});
  List({});
  EXPECT_EQ(analysis.computations(), 0u);
  const uint64_t days = analysis.rows()->days_built();
  EXPECT_GT(days, 0u);
  Get(kSendgrid);
  Get(kMicrosoft);
  List({});
  EXPECT_EQ(analysis.computations(), 1u);
  EXPECT_EQ(analysis.rows()->days_built(), days);
  world_.AddReport(Report(world_.DaysAgo(1), {Row(1)}));
  List({});
  EXPECT_EQ(analysis.computations(), 1u);
  EXPECT_GT(analysis.rows()->days_built(), days);
  Get(kSendgrid);
  EXPECT_EQ(analysis.computations(), 2u);
}

TEST(SourceServiceStarting, WithoutAReportsStoreSourcesAreUnavailable) {
  World world(ReportsStore::kMissing);
  world.AddDomain();
  v1::ListSourcesRequest request;
  request.set_parent("domains/example.com");
  v1::ListSourcesResponse response;
  const grpc::Status status = world.Call<SourceService>(&Stub::ListSources, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "STARTING");
}

TEST_F(SourceServiceTest, ASourceCarriesItsBoundsAndWhyItIsOfItsKind) {
  const Source sendgrid = Get(kSendgrid);
  EXPECT_EQ(sendgrid.stats().dmarc_pass_rate().count(), 0);
  EXPECT_EQ(sendgrid.stats().dmarc_pass_rate().total(), 20);
  EXPECT_NEAR(sendgrid.stats().dmarc_pass_rate().upper(), 0.1684, 1e-4);
  EXPECT_EQ(sendgrid.kind_reason(), "catalogue entry sendgrid, by catalogue_dkim");
  const Source address = Get("domains/example.com/sources/ip-198-51-100-7");
  EXPECT_EQ(address.kind(), Source::KIND_SUSPICIOUS);
  EXPECT_EQ(address.kind_reason(), "none of 3 messages passes DKIM or SPF for any domain");
}

TEST_F(SourceServiceTest, ComparesWithAsManyDaysBefore) {
  world_.AddReport(
      Report(world_.DaysAgo(9), {Row(50).From("198.2.128.9").Spf("mail1.mcsv.net")}, "one.test"));
  v1::CompareSourcesRequest request;
  request.set_parent("domains/example.com");
  *request.mutable_date_range()->mutable_first_date() = ToMessage(world_.DaysAgo(6));
  v1::CompareSourcesResponse response;
  DMARCATE_CALL(world_, SourceService, CompareSources, request, &response);
  ASSERT_EQ(response.changes_size(), 4);
  EXPECT_EQ(response.changes(0).kind(), v1::SourceChange::KIND_VANISHED);
  EXPECT_EQ(response.changes(0).name(), "domains/example.com/sources/mailchimp");
  EXPECT_EQ(response.changes(1).kind(), v1::SourceChange::KIND_NEW);
  EXPECT_EQ(response.changes(1).name(), kSendgrid);
  EXPECT_THAT(response.changes(1).sentence(), HasSubstr("20 messages in 7 days"));
  *request.mutable_date_range()->mutable_first_date() = ToMessage(world_.DaysAgo(300));
  EXPECT_EQ(world_.Call<SourceService>(&Stub::CompareSources, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace dmarcate
