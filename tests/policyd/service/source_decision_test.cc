#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/source.grpc.pb.h"
#include "tests/policyd/service/source_world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using service_testing::kMicrosoft;
using service_testing::kSendgrid;
using service_testing::ReasonOf;
using testing::ElementsAre;
using v1::Source;
using v1::SourceService;
using SourceDecisionTest = service_testing::SourceWorld;

TEST_F(SourceDecisionTest, ApprovingTakesTheProposal) {
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

TEST_F(SourceDecisionTest, ApprovingTwiceChangesNothing) {
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

TEST_F(SourceDecisionTest, TheEvidenceEtagIsRequiredAndMustMatch) {
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

TEST_F(SourceDecisionTest, AnEtagOfAnotherRangeIsComparedOverThatRange) {
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

TEST_F(SourceDecisionTest, TermsThatOpenTheDomainAreForbidden) {
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

TEST_F(SourceDecisionTest, AnIncludeThatCannotBeLookedUpIsNotRefused) {
  world_.resolver().FailAll(absl::DeadlineExceededError("nobody answered"));
  EXPECT_EQ(ApproveReason(ApproveRequest(kMicrosoft)), "");
}

TEST_F(SourceDecisionTest, WithoutAProposalAnAuthorizationIsRequired) {
  v1::ApproveSourceRequest request = ApproveRequest("domains/example.com/sources/ip-198-51-100-7");
  EXPECT_EQ(ApproveReason(request), "FIELD_REQUIRED");
  request.mutable_authorization()->mutable_spf_addresses()->add_ranges("198.51.100.7/32");
  v1::ApproveSourceResponse response;
  ASSERT_EQ(ReasonOf(Approve(request, &response)), "");
  EXPECT_THAT(response.source().decision().authorization().spf_addresses().ranges(),
              ElementsAre("198.51.100.7"));
}

TEST_F(SourceDecisionTest, NotesHaveALimitInCharacters) {
  v1::ApproveSourceRequest request = ApproveRequest(kMicrosoft);
  std::string note;
  for (int i = 0; i < 2000; ++i) note += "\xC3\xA4";
  request.set_note(note + "x");
  EXPECT_EQ(ApproveReason(request), "FIELD_TOO_LONG");
  request.set_note(note);
  EXPECT_EQ(ApproveReason(request), "");
}

TEST_F(SourceDecisionTest, RejectAndResetMoveTheState) {
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

TEST_F(SourceDecisionTest, ADecidedSourceDoesNotVanishWhenItFallsSilent) {
  v1::ApproveSourceResponse response;
  ASSERT_EQ(ReasonOf(Approve(ApproveRequest(kMicrosoft), &response)), "");
  world_.clock().Advance(absl::Hours(24 * 60));
  EXPECT_THAT(List({}), ElementsAre("microsoft-365"));
  const Source source = Get(kMicrosoft);
  EXPECT_EQ(source.stats().counts().message_count(), 0);
  EXPECT_EQ(source.catalogue_id(), "microsoft-365");
  EXPECT_FALSE(source.has_first_seen_date());
}

TEST_F(SourceDecisionTest, ARequestIdDecidesOnce) {
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

}  // namespace
}  // namespace dmarcate
