#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/source.grpc.pb.h"
#include "policyd/service/convert.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using service_testing::ReasonOf;
using service_testing::ReportsStore;
using service_testing::World;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using v1::Source;
using v1::SourceService;
using Stub = SourceService::Stub;

constexpr char kSendgrid[] = "domains/example.com/sources/sendgrid";
constexpr char kMicrosoft[] = "domains/example.com/sources/microsoft-365";

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

// example.com with three sources: sendgrid 20, microsoft-365 10, an address 3 messages.
class SourceServiceTest : public testing::Test {
 protected:
  SourceServiceTest() {
    world_.AddDomain();
    world_.AddReport(Report(world_.DaysAgo(2),
                            {Row(12).From("149.72.1.1").Dkim("sendgrid.net").Spf("sendgrid.net"),
                             Row(8).From("149.72.1.2").Dkim("sendgrid.net"),
                             Row(10).From("40.107.1.1").Spf("example.com", AuthResult::kSoftfail),
                             Row(3).From("198.51.100.7").Then(Disposition::kQuarantine)},
                            "receiver-one.test"));
    world_.resolver().SetTxt(Name("example.com"), {"v=spf1 ip4:192.0.2.0/24 -all", "other"});
    world_.resolver().SetTxt(Name("sendgrid.net"), {"v=spf1 ip4:167.89.0.0/17 ~all"});
    world_.resolver().SetTxt(Name("spf.protection.outlook.com"),
                             {"v=spf1 ip4:40.92.0.0/15 ip4:40.107.0.0/16 -all"});
  }

  Source Get(const std::string& name) {
    v1::GetSourceRequest request;
    request.set_name(name);
    v1::GetSourceResponse response;
    const grpc::Status status = world_.Call<SourceService>(&Stub::GetSource, request, &response);
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
    return world_.Call<SourceService>(&Stub::ApproveSource, request, response);
  }
  std::string ApproveReason(const v1::ApproveSourceRequest& request) {
    v1::ApproveSourceResponse response;
    return ReasonOf(Approve(request, &response));
  }
  std::vector<std::string> List(v1::ListSourcesRequest request) {
    request.set_parent("domains/example.com");
    v1::ListSourcesResponse response;
    const grpc::Status status = world_.Call<SourceService>(&Stub::ListSources, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> ids;
    for (const Source& source : response.sources()) {
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
                               {{"ip4:198.51.100.7", {*IpNetwork::Parse("198.51.100.7")}}});
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
}

TEST_F(SourceServiceTest, SourcesAreMergedSplitAndUngrouped) {
  v1::MergeSourcesRequest merge;
  merge.set_name(kMicrosoft);
  merge.add_sources("ip-198-51-100-7");
  merge.set_validate_only(true);
  v1::MergeSourcesResponse merged;
  DMARCATE_CALL(world_, SourceService, MergeSources, merge, &merged);
  EXPECT_THAT(List({}), ElementsAre("sendgrid", "microsoft-365", "ip-198-51-100-7"));
  merge.set_validate_only(false);
  DMARCATE_CALL(world_, SourceService, MergeSources, merge, &merged);
  EXPECT_THAT(List({}), ElementsAre("sendgrid", "microsoft-365"));
  EXPECT_EQ(Get(kMicrosoft).stats().counts().message_count(), 13);
  EXPECT_EQ(total_.message_count(), 33);
  EXPECT_EQ(ReasonOf(world_.Call<SourceService>(&Stub::MergeSources, merge, &merged)),
            "RESOURCE_EXISTS");

  v1::SplitSourceRequest split;
  split.set_name(kSendgrid);
  split.set_split_id("shop");
  split.add_ranges("149.72.1.2");
  v1::SplitSourceResponse parted;
  DMARCATE_CALL(world_, SourceService, SplitSource, split, &parted);
  EXPECT_THAT(List({}), ElementsAre("microsoft-365", "sendgrid", "split-shop"));
  EXPECT_EQ(Get("domains/example.com/sources/split-shop").display_name(), "shop");
  v1::ListSourceGroupingsRequest all;
  all.set_parent("domains/example.com");
  v1::ListSourceGroupingsResponse groupings;
  DMARCATE_CALL(world_, SourceService, ListSourceGroupings, all, &groupings);
  EXPECT_EQ(groupings.groupings_size(), 2);

  for (const char* name :
       {"domains/example.com/sources/ip-198-51-100-7", "domains/example.com/sources/split-shop"}) {
    v1::UngroupSourceRequest ungroup;
    ungroup.set_name(name);
    v1::UngroupSourceResponse undone;
    DMARCATE_CALL(world_, SourceService, UngroupSource, ungroup, &undone);
    EXPECT_EQ(ReasonOf(world_.Call<SourceService>(&Stub::UngroupSource, ungroup, &undone)),
              "RESOURCE_NOT_FOUND");
  }
  EXPECT_THAT(List({}), ElementsAre("sendgrid", "microsoft-365", "ip-198-51-100-7"));
}

TEST_F(SourceServiceTest, NothingIsSuggestedOnHandedInReports) {
  EXPECT_FALSE(Get(kSendgrid).suggested());
  EXPECT_THAT(Get(kSendgrid).suggestion_reason(), HasSubstr("0 of 2 anchors"));
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

TEST_F(SourceServiceTest, ApprovingTakesTheProposal) {
  v1::ApproveSourceRequest request = ApproveRequest(kMicrosoft);
  request.set_note("our mailboxes");
  v1::ApproveSourceResponse response;
  ASSERT_EQ(ReasonOf(Approve(request, &response)), "");
  const Source& source = response.source();
  EXPECT_EQ(source.state(), Source::STATE_APPROVED);
  EXPECT_EQ(source.decision().authorization().spf_include().domain(), "spf.protection.outlook.com");
  EXPECT_EQ(source.decision().decided_by(), "token/root");
  EXPECT_EQ(source.decision().note(), "our mailboxes");
  EXPECT_EQ(source.decision().evidence_etag(), request.evidence_etag());
  EXPECT_EQ(source.evidence_etag(), request.evidence_etag()) << "a decision is no evidence";
}

TEST_F(SourceServiceTest, ApprovingTwiceChangesNothing) {
  v1::ApproveSourceResponse response;
  ASSERT_EQ(ReasonOf(Approve(ApproveRequest(kMicrosoft), &response)), "");
  v1::ApproveSourceRequest again = ApproveRequest(kMicrosoft);
  again.set_note("another note");
  ASSERT_EQ(ReasonOf(Approve(again, &response)), "");
  EXPECT_EQ(response.source().decision().note(), "");
  EXPECT_EQ(world_.policies().GetDecision("example.com", "microsoft-365")->revision, 1u);
  again.mutable_authorization()->mutable_dkim_only();
  ASSERT_EQ(ReasonOf(Approve(again, &response)), "");
  EXPECT_TRUE(response.source().decision().authorization().has_dkim_only());
}

TEST_F(SourceServiceTest, TheEvidenceEtagIsRequiredAndMustMatch) {
  v1::ApproveSourceRequest request;
  request.set_name(kMicrosoft);
  EXPECT_EQ(ApproveReason(request), "ETAG_REQUIRED");
  request.set_evidence_etag("none of ours");
  EXPECT_EQ(ApproveReason(request), "SOURCE_EVIDENCE_CHANGED");

  request = ApproveRequest(kMicrosoft);
  // More of the same is no new evidence; another reporter and a signature are.
  world_.AddReport(Report(world_.DaysAgo(1),
                          {Row(500).From("40.107.1.1").Spf("example.com", AuthResult::kSoftfail)},
                          "receiver-one.test"));
  request.set_validate_only(true);
  EXPECT_EQ(ApproveReason(request), "");
  world_.AddReport(Report(world_.DaysAgo(1), {Row(1).From("40.107.1.2").Dkim("x.onmicrosoft.com")},
                          "receiver-two.test"));
  v1::ApproveSourceResponse response;
  const grpc::Status status = Approve(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  const ReceivedError error = ExtractError(status);
  EXPECT_EQ(error.reason, "SOURCE_EVIDENCE_CHANGED");
  request.set_evidence_etag(error.metadata.at("evidence_etag"));
  EXPECT_EQ(ApproveReason(request), "") << "the fresh etag is in the error";
}

TEST_F(SourceServiceTest, AnEtagOfAnotherRangeIsComparedOverThatRange) {
  v1::GetSourceRequest get;
  get.set_name(kMicrosoft);
  get.mutable_date_range()->mutable_first_date()->set_year(2026);
  get.mutable_date_range()->mutable_first_date()->set_month(1);
  get.mutable_date_range()->mutable_first_date()->set_day(1);
  v1::GetSourceResponse got;
  DMARCATE_CALL(world_, SourceService, GetSource, get, &got);
  v1::ApproveSourceRequest request;
  request.set_name(kMicrosoft);
  request.set_evidence_etag(got.source().evidence_etag());
  EXPECT_EQ(ApproveReason(request), "");
}

struct TermCase {
  std::string name;
  std::function<void(v1::Authorization*)> make;
  std::string want_reason;
};
v1::Authorization Make(const TermCase& test) {
  v1::Authorization authorization;
  test.make(&authorization);
  return authorization;
}
TermCase Include(std::string name, std::string domain, std::string want_reason) {
  return {std::move(name),
          [domain](v1::Authorization* a) { a->mutable_spf_include()->set_domain(domain); },
          std::move(want_reason)};
}
TermCase Range(std::string name, std::string range, std::string want_reason) {
  return {std::move(name),
          [range](v1::Authorization* a) { a->mutable_spf_addresses()->add_ranges(range); },
          std::move(want_reason)};
}

TEST_F(SourceServiceTest, TermsThatOpenTheDomainAreForbidden) {
  const TermCase kCases[] = {
      Include("all", "+all", "SPF_TERM_FORBIDDEN"),
      Include("ptr", "ptr", "SPF_TERM_FORBIDDEN"),
      Include("ptr of a domain", "ptr:example.net", "SPF_TERM_FORBIDDEN"),
      Include("a macro", "%{i}._spf.example.net", "SPF_TERM_FORBIDDEN"),
      Include("itself", "Example.com", "SPF_TERM_FORBIDDEN"),
      Include("a term", "include:sendgrid.net", "FIELD_INVALID"),
      Include("one label", "localhost", "FIELD_INVALID"),
      Include("a prefix length", "a.example/16", "FIELD_INVALID"),
      Include("a top-level label of digits", "spf.example.123", "FIELD_INVALID"),
      Include("a top-level label that ends in a hyphen", "spf.example-", "FIELD_INVALID"),
      Include("a top-level label with an underscore", "spf.example_net", "FIELD_INVALID"),
      Include("nothing", "", "FIELD_REQUIRED"),
      Include("a good one", "SendGrid.net", ""),
      Include("a name that does not exist", "nobody.example", "DANGLING_INCLUDE"),
      Range("wide", "198.0.0.0/15", "SPF_TERM_FORBIDDEN"),
      Range("just not wide", "198.51.0.0/16", ""),
      Range("wide IPv6", "2001:db8::/31", "SPF_TERM_FORBIDDEN"),
      Range("just not wide IPv6", "2001:db8::/32", ""),
      Range("private", "10.1.2.0/24", "SPF_TERM_FORBIDDEN"),
      Range("shared", "100.64.1.0/24", "SPF_TERM_FORBIDDEN"),
      Range("loopback", "127.0.0.1", "SPF_TERM_FORBIDDEN"),
      Range("unique local", "fd00::/48", "SPF_TERM_FORBIDDEN"),
      Range("link local", "fe80::1", "SPF_TERM_FORBIDDEN"),
      Range("multicast", "224.0.0.1", "SPF_TERM_FORBIDDEN"),
      Range("a word", "everyone", "FIELD_INVALID"),
      Range("one address", "203.0.113.9", ""),
      {"no mechanism", [](v1::Authorization*) {}, "FIELD_REQUIRED"},
      {"no range", [](v1::Authorization* a) { a->mutable_spf_addresses(); }, "FIELD_REQUIRED"},
      {"too many ranges",
       [](v1::Authorization* a) {
         for (int i = 0; i < 51; ++i) {
           a->mutable_spf_addresses()->add_ranges("203.0.113." + std::to_string(i));
         }
       },
       "FIELD_INVALID"},
  };
  v1::ApproveSourceRequest request = ApproveRequest(kMicrosoft);
  request.set_validate_only(true);
  for (const TermCase& test : kCases) {
    *request.mutable_authorization() = Make(test);
    EXPECT_EQ(ApproveReason(request), test.want_reason) << test.name;
  }
  EXPECT_FALSE(world_.policies().GetDecision("example.com", "microsoft-365").ok())
      << "validate_only wrote";
}

TEST_F(SourceServiceTest, AnIncludeThatCannotBeLookedUpIsNotRefused) {
  world_.resolver().FailAll(absl::DeadlineExceededError("nobody answered"));
  EXPECT_EQ(ApproveReason(ApproveRequest(kMicrosoft)), "");
}

TEST_F(SourceServiceTest, WithoutAProposalAnAuthorizationIsRequired) {
  v1::ApproveSourceRequest request = ApproveRequest("domains/example.com/sources/ip-198-51-100-7");
  EXPECT_EQ(ApproveReason(request), "FIELD_REQUIRED");
  request.mutable_authorization()->mutable_spf_addresses()->add_ranges("198.51.100.7/32");
  v1::ApproveSourceResponse response;
  ASSERT_EQ(ReasonOf(Approve(request, &response)), "");
  EXPECT_THAT(response.source().decision().authorization().spf_addresses().ranges(),
              ElementsAre("198.51.100.7"));
}

TEST_F(SourceServiceTest, NotesHaveALimitInCharacters) {
  v1::ApproveSourceRequest request = ApproveRequest(kMicrosoft);
  std::string note;
  for (int i = 0; i < 2000; ++i) note += "\xC3\xA4";
  request.set_note(note + "x");
  EXPECT_EQ(ApproveReason(request), "FIELD_TOO_LONG");
  request.set_note(note);
  EXPECT_EQ(ApproveReason(request), "");
}

TEST_F(SourceServiceTest, RejectAndResetMoveTheState) {
  v1::RejectSourceRequest reject;
  reject.set_name(kSendgrid);
  reject.set_evidence_etag(Get(kSendgrid).evidence_etag());
  reject.set_note("not ours");
  v1::RejectSourceResponse rejected;
  DMARCATE_CALL(world_, SourceService, RejectSource, reject, &rejected);
  EXPECT_EQ(rejected.source().state(), Source::STATE_REJECTED);
  v1::ListSourcesRequest list;
  list.add_states(Source::STATE_REJECTED);
  EXPECT_THAT(List(list), ElementsAre("sendgrid"));
  EXPECT_EQ(total_.message_count(), 33) << "the total is that of all sources";

  v1::ResetSourceRequest reset;
  reset.set_name(kSendgrid);
  reset.set_evidence_etag(Get(kSendgrid).evidence_etag());
  v1::ResetSourceResponse was_reset;
  DMARCATE_CALL(world_, SourceService, ResetSource, reset, &was_reset);
  EXPECT_EQ(was_reset.source().state(), Source::STATE_PENDING);
  EXPECT_THAT(List(list), ElementsAre());
}

TEST_F(SourceServiceTest, ADecidedSourceDoesNotVanishWhenItFallsSilent) {
  v1::ApproveSourceResponse response;
  ASSERT_EQ(ReasonOf(Approve(ApproveRequest(kMicrosoft), &response)), "");
  world_.clock().Advance(absl::Hours(24 * 60));
  EXPECT_THAT(List({}), ElementsAre("microsoft-365"));
  const Source source = Get(kMicrosoft);
  EXPECT_EQ(source.stats().counts().message_count(), 0);
  EXPECT_EQ(source.catalogue_id(), "microsoft-365");
  EXPECT_FALSE(source.has_first_seen_date());
}

TEST_F(SourceServiceTest, ARequestIdDecidesOnce) {
  v1::ApproveSourceRequest request = ApproveRequest(kMicrosoft);
  request.set_request_id("123e4567-e89b-42d3-a456-426614174000");
  v1::ApproveSourceResponse first, second;
  ASSERT_EQ(ReasonOf(Approve(request, &first)), "");
  world_.clock().Advance(absl::Minutes(5));
  ASSERT_EQ(ReasonOf(Approve(request, &second)), "");
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  request.set_note("changed");
  EXPECT_EQ(ApproveReason(request), "REQUEST_ID_REUSED");
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

TEST_F(SourceServiceTest, OnePassServesAllUntilReportsCome) {
  List({});
  const uint64_t before = world_.analysis().computations();
  List({});
  Get(kSendgrid);
  EXPECT_EQ(world_.analysis().computations(), before);
  world_.AddReport(Report(world_.DaysAgo(1), {Row(1)}));
  List({});
  EXPECT_EQ(world_.analysis().computations(), before + 1);
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
