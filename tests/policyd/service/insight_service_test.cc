// InsightService over fakes, and the watcher that writes what it serves.

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/insight.grpc.pb.h"
#include "policyd/service/record_watcher.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using service_testing::ReasonOf;
using service_testing::World;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using v1::InsightService;
using Stub = InsightService::Stub;
using Texts = std::vector<std::string>;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

class InsightServiceTest : public testing::Test {
 protected:
  InsightServiceTest() { world_.AddDomain(); }

  void Put(const std::string& id, Severity severity = Severity::kWarning,
           const std::string& domain = "example.com", InsightState state = InsightState::kActive) {
    InsightRecord record;
    record.id = id;
    record.code = "SPF_LOOKUP_MARGIN";
    record.severity = severity;
    record.state = state;
    record.scope = "spf-tree";
    record.subject = domain;
    record.message = "8 of 10 look-ups are used";
    record.fix_hint = "Make room.";
    record.evidence_command = "dmarcate records tree " + domain;
    record.reference = "RFC 7208 section 4.6.4";
    record.metadata = {{"lookups", "8"}, {"odd", "\xff"}};
    record.content = "0123456789abcdef";
    record.weight = 8;
    record.first_seen = world_.clock().Now() - absl::Hours(30);
    record.last_seen = world_.clock().Now();
    if (state == InsightState::kResolved) record.resolve_time = world_.clock().Now();
    Update(domain, {.put = {record}, .forget = {}, .look = {}});
  }
  void Looked(const std::string& domain, InsightLookRecord look) {
    Update(domain, {.put = {}, .forget = {}, .look = std::move(look)});
  }
  void Update(const std::string& domain, const InsightUpdate& update) {
    ASSERT_TRUE(world_.insights().UpdateInsights(domain, update, InsightSync::kLater).ok());
  }
  v1::ListInsightsResponse List(const v1::ListInsightsRequest& request) {
    v1::ListInsightsResponse response;
    const grpc::Status status =
        world_.Call<InsightService>(&Stub::ListInsights, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::ListInsightsResponse List(const std::string& domain = "example.com") {
    v1::ListInsightsRequest request;
    request.set_parent("domains/" + domain);
    return List(request);
  }
  grpc::Status Get(const std::string& name, v1::Insight* out) {
    v1::GetInsightRequest request;
    request.set_name(name);
    v1::GetInsightResponse response;
    const grpc::Status status = world_.Call<InsightService>(&Stub::GetInsight, request, &response);
    *out = response.insight();
    return status;
  }
  v1::Insight Get(const std::string& id) {
    v1::Insight out;
    const grpc::Status status = Get("domains/example.com/insights/" + id, &out);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return out;
  }
  v1::AcceptInsightRequest Accepting(const std::string& id) {
    v1::AcceptInsightRequest request;
    request.set_name("domains/example.com/insights/" + id);
    request.set_etag(Get(id).etag());
    request.set_note("until the move");
    return request;
  }
  grpc::Status Accept(const v1::AcceptInsightRequest& request, v1::Insight* out = nullptr) {
    v1::AcceptInsightResponse response;
    const grpc::Status status =
        world_.Call<InsightService>(&Stub::AcceptInsight, request, &response);
    if (out != nullptr) *out = response.insight();
    return status;
  }
  World world_;
};

Texts Ids(const v1::ListInsightsResponse& response) {
  Texts out;
  for (const v1::Insight& insight : response.insights()) {
    out.push_back(insight.name().substr(std::string("domains/").size()));
  }
  return out;
}

TEST_F(InsightServiceTest, ShowsEveryField) {
  Put("a");
  const v1::Insight insight = Get("a");
  EXPECT_EQ(insight.name(), "domains/example.com/insights/a");
  EXPECT_EQ(insight.code(), "SPF_LOOKUP_MARGIN");
  EXPECT_EQ(insight.severity(), v1::SEVERITY_WARNING);
  EXPECT_EQ(insight.state(), v1::Insight::STATE_ACTIVE);
  EXPECT_EQ(insight.subject(), "example.com");
  EXPECT_EQ(insight.message(), "8 of 10 look-ups are used");
  EXPECT_EQ(insight.fix_hint(), "Make room.");
  EXPECT_EQ(insight.evidence_command(), "dmarcate records tree example.com");
  EXPECT_EQ(insight.reference(), "RFC 7208 section 4.6.4");
  EXPECT_EQ(insight.metadata().at("lookups"), "8");
  EXPECT_EQ(insight.metadata().at("odd"), "\xef\xbf\xbd") << "valid UTF-8 whatever was published";
  EXPECT_EQ(insight.last_seen_time().seconds() - insight.first_seen_time().seconds(), 30 * 3600);
  EXPECT_EQ(insight.active_count(), 1);
  EXPECT_FALSE(insight.has_decision());
  EXPECT_FALSE(insight.has_resolve_time());
  EXPECT_FALSE(insight.etag().empty());
}

TEST_F(InsightServiceTest, TheWorstFirstAndPageByPage) {
  Put("b", Severity::kWarning);
  Put("a", Severity::kWarning);
  Put("info", Severity::kInfo);
  Put("error", Severity::kError);
  EXPECT_THAT(Ids(List()), ElementsAre("example.com/insights/error", "example.com/insights/a",
                                       "example.com/insights/b", "example.com/insights/info"));
  v1::ListInsightsRequest request;
  request.set_parent("domains/example.com");
  request.set_page_size(1);
  Texts paged;
  do {
    const v1::ListInsightsResponse page = List(request);
    EXPECT_THAT(page.insights(), SizeIs(1));
    for (const std::string& id : Ids(page)) paged.push_back(id);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && paged.size() < 10);
  EXPECT_EQ(paged, Ids(List()));
}

TEST_F(InsightServiceTest, AllDomainsAreOneList) {
  world_.AddDomain("example.net");
  world_.AddDomain("example.org");
  Put("a", Severity::kWarning, "example.org");
  Put("b", Severity::kError, "example.org");
  Put("a", Severity::kInfo);
  v1::ListInsightsRequest request;
  request.set_parent("domains/-");
  request.set_page_size(2);
  const v1::ListInsightsResponse first = List(request);
  EXPECT_THAT(Ids(first), ElementsAre("example.com/insights/a", "example.org/insights/b"));
  request.set_page_token(first.next_page_token());
  const v1::ListInsightsResponse second = List(request);
  EXPECT_THAT(Ids(second), ElementsAre("example.org/insights/a"));
  EXPECT_THAT(second.next_page_token(), IsEmpty());
  EXPECT_THAT(second.unknown(), IsEmpty()) << "the first page tells";
}

TEST_F(InsightServiceTest, Filters) {
  Put("active", Severity::kWarning);
  Put("resolved", Severity::kError, "example.com", InsightState::kResolved);
  v1::ListInsightsRequest request;
  request.set_parent("domains/example.com");
  request.add_states(v1::Insight::STATE_ACTIVE);
  EXPECT_THAT(Ids(List(request)), ElementsAre("example.com/insights/active"));
  request.add_states(v1::Insight::STATE_RESOLVED);
  request.set_min_severity(v1::SEVERITY_ERROR);
  EXPECT_THAT(Ids(List(request)), ElementsAre("example.com/insights/resolved"));
  request.add_codes("SPF_DANGLING");
  EXPECT_THAT(Ids(List(request)), IsEmpty());
  request.add_codes("SPF_LOOKUP_MARGIN");
  EXPECT_THAT(Ids(List(request)), SizeIs(1));
}

TEST_F(InsightServiceTest, AnEmptyListSaysWhatIsNotKnown) {
  for (const char* name : {"a.test", "b.test", "c.test", "d.test"}) world_.AddDomain(name);
  const absl::Time now = world_.clock().Now();
  Looked("a.test", {now - absl::Hours(2), {}, 0});
  Looked("b.test", {now, {"_dmarc.b.test"}, 0, 30, 0});
  Looked("c.test", {now - absl::Hours(25), {}, 0});
  Looked("d.test", {now, {}, 7, 0, 2});
  const v1::ListInsightsResponse response = List("-");
  EXPECT_THAT(response.insights(), IsEmpty());
  ASSERT_THAT(response.unknown(), SizeIs(4));
  // Those of which nothing is known first.
  EXPECT_EQ(response.unknown(0).domain(), "domains/c.test");
  EXPECT_TRUE(response.unknown(0).stale());
  EXPECT_EQ(response.unknown(1).domain(), "domains/example.com");
  EXPECT_FALSE(response.unknown(1).has_look_time()) << "nobody has looked";
  EXPECT_EQ(response.unknown(2).domain(), "domains/b.test");
  EXPECT_THAT(response.unknown(2).names(), ElementsAre("_dmarc.b.test"));
  EXPECT_EQ(response.unknown(2).names_left_out_count(), 30);
  EXPECT_FALSE(response.unknown(2).stale());
  EXPECT_EQ(response.unknown(3).left_out_count(), 9);
}

TEST_F(InsightServiceTest, ALookThatDoesNotDecodeIsSaidAndHidesNothing) {
  world_.AddDomain("a.test");
  Looked("a.test", {world_.clock().Now(), {}, 0});
  Looked("example.com", {world_.clock().Now(), {}, 0});
  Put("a", Severity::kError, "a.test");
  Put("b");
  world_.insights().FailLook("a.test", absl::DataLossError("does not decode"));
  const v1::ListInsightsResponse response = List("-");
  EXPECT_THAT(Ids(response), SizeIs(2));
  ASSERT_THAT(response.unknown(), SizeIs(1));
  EXPECT_EQ(response.unknown(0).domain(), "domains/a.test");
  EXPECT_TRUE(response.unknown(0).unreadable());
}

TEST_F(InsightServiceTest, ADiskThatFailsIsNoEmptyList) {
  world_.insights().FailLook("example.com", absl::UnavailableError("disk"));
  v1::ListInsightsRequest request;
  request.set_parent("domains/example.com");
  v1::ListInsightsResponse response;
  EXPECT_EQ(world_.Call<InsightService>(&Stub::ListInsights, request, &response).error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(InsightServiceTest, SaysOfHowManyDomainsNotEverythingIsKnown) {
  for (int i = 0; i < 120; ++i) world_.AddDomain(fmt::format("d{:03}.test", i));
  const v1::ListInsightsResponse response = List("-");
  EXPECT_THAT(response.unknown(), SizeIs(100));
  EXPECT_EQ(response.unknown_left_out(), 21);
  // Of which nothing is known before the others.
  for (int i = 0; i < 110; ++i) {
    Looked(fmt::format("d{:03}.test", i), {world_.clock().Now(), {"_dmarc.test"}, 0});
  }
  const v1::ListInsightsResponse mixed = List("-");
  ASSERT_THAT(mixed.unknown(), SizeIs(100));
  EXPECT_EQ(mixed.unknown(0).domain(), "domains/d110.test");
  EXPECT_EQ(mixed.unknown(10).domain(), "domains/example.com");
  EXPECT_EQ(mixed.unknown(11).domain(), "domains/d000.test");
}

TEST_F(InsightServiceTest, AcceptKeepsWhoAndWhy) {
  Put("a");
  v1::Insight accepted;
  ASSERT_TRUE(Accept(Accepting("a"), &accepted).ok());
  EXPECT_EQ(accepted.state(), v1::Insight::STATE_ACCEPTED);
  EXPECT_EQ(accepted.decision().state(), v1::Insight::STATE_ACCEPTED);
  EXPECT_FALSE(accepted.decision().decided_by().empty());
  EXPECT_EQ(accepted.decision().note(), "until the move");
  EXPECT_EQ(accepted.decision().decide_time().seconds(), absl::ToUnixSeconds(world_.clock().Now()));
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(Get("a"), accepted));
}

TEST_F(InsightServiceTest, DismissIsAnotherWord) {
  Put("a");
  v1::DismissInsightRequest request;
  request.set_name("domains/example.com/insights/a");
  request.set_etag(Get("a").etag());
  v1::DismissInsightResponse response;
  DMARCATE_CALL(world_, InsightService, DismissInsight, request, &response);
  EXPECT_EQ(response.insight().state(), v1::Insight::STATE_DISMISSED);
  // And may be accepted yet.
  ASSERT_TRUE(Accept(Accepting("a")).ok());
  EXPECT_EQ(Get("a").state(), v1::Insight::STATE_ACCEPTED);
}

TEST_F(InsightServiceTest, AcceptingTwiceIsOk) {
  Put("a");
  ASSERT_TRUE(Accept(Accepting("a")).ok());
  const std::string etag = Get("a").etag();
  ASSERT_TRUE(Accept(Accepting("a")).ok());
  EXPECT_EQ(Get("a").etag(), etag);
  // With one request id the old etag is no matter: the first answer is given again.
  Put("b");
  v1::AcceptInsightRequest request = Accepting("b");
  request.set_request_id("6f9619ff-8b86-4011-b42d-00c04fc964ff");
  ASSERT_TRUE(Accept(request).ok());
  EXPECT_TRUE(Accept(request).ok());
}

TEST_F(InsightServiceTest, AnEtagIsOfWhatWasSeen) {
  Put("a");
  const v1::AcceptInsightRequest seen = Accepting("a");
  // Forgotten, and found again: another thing under the same name, at its first revision again.
  InsightRecord record = *world_.insights().GetInsight("example.com", "a");
  record.content = "fedcba9876543210";
  Update("example.com", {.put = {record}, .forget = {}, .look = {}});
  EXPECT_EQ(ReasonOf(Accept(seen)), "ETAG_MISMATCH");
  record.content = "0123456789abcdef";
  record.first_seen = world_.clock().Now();
  Update("example.com", {.put = {record}, .forget = {}, .look = {}});
  EXPECT_EQ(ReasonOf(Accept(seen)), "ETAG_MISMATCH") << "the same, and later";
  record.last_seen += absl::Hours(1);
  const v1::AcceptInsightRequest again = Accepting("a");
  Update("example.com", {.put = {record}, .forget = {}, .look = {}});
  EXPECT_TRUE(Accept(again).ok()) << "seeing it once more changes nothing";
}

TEST_F(InsightServiceTest, WhatIsResolvedStaysSo) {
  Put("a", Severity::kError, "example.com", InsightState::kResolved);
  v1::Insight insight;
  ASSERT_TRUE(Accept(Accepting("a"), &insight).ok());
  EXPECT_EQ(insight.state(), v1::Insight::STATE_RESOLVED);
  EXPECT_FALSE(insight.has_decision());
}

TEST_F(InsightServiceTest, ValidateOnlyKeepsNothing) {
  Put("a");
  v1::AcceptInsightRequest request = Accepting("a");
  request.set_validate_only(true);
  v1::Insight insight;
  ASSERT_TRUE(Accept(request, &insight).ok());
  EXPECT_EQ(insight.state(), v1::Insight::STATE_ACCEPTED) << "answers as if done";
  EXPECT_EQ(Get("a").state(), v1::Insight::STATE_ACTIVE);
}

TEST_F(InsightServiceTest, Errors) {
  Put("a");
  v1::Insight out;
  EXPECT_EQ(ReasonOf(Get("domains/example.com/insights/b", &out)), "RESOURCE_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Get("domains/nobody.test/insights/a", &out)), "RESOURCE_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Get("domains/example.com/sources/a", &out)), "NAME_MALFORMED");
  v1::AcceptInsightRequest request = Accepting("a");
  const std::string etag = request.etag();
  request.clear_etag();
  EXPECT_EQ(ReasonOf(Accept(request)), "ETAG_REQUIRED");
  ASSERT_TRUE(Accept(Accepting("a")).ok());
  request.set_etag(etag);
  EXPECT_EQ(ReasonOf(Accept(request)), "ETAG_MISMATCH");
  request = Accepting("a");
  request.set_note(std::string(2001, 'x'));
  EXPECT_EQ(ReasonOf(Accept(request)), "FIELD_TOO_LONG");
  request = Accepting("a");
  request.set_name("domains/example.com/insights/b");
  EXPECT_EQ(ReasonOf(Accept(request)), "RESOURCE_NOT_FOUND");

  v1::ListInsightsRequest list;
  v1::ListInsightsResponse response;
  const auto reason = [&] {
    return ReasonOf(world_.Call<InsightService>(&Stub::ListInsights, list, &response));
  };
  EXPECT_EQ(reason(), "FIELD_REQUIRED");
  list.set_parent("domains/nobody.test");
  EXPECT_EQ(reason(), "RESOURCE_NOT_FOUND");
  list.set_parent("domains/-");
  list.add_states(v1::Insight::STATE_UNSPECIFIED);
  EXPECT_EQ(reason(), "FIELD_INVALID");
  list.clear_states();
  list.set_min_severity(static_cast<v1::Severity>(9));
  EXPECT_EQ(reason(), "FIELD_INVALID");
  list.clear_min_severity();
  for (const char* code : {"SPF_DANGLINK", "spf_dangling", "INCLUDE_GONE", ""}) {
    list.add_codes(code);
    EXPECT_EQ(reason(), "FIELD_INVALID") << code;
    list.clear_codes();
  }
  for (const char* code : {"SPF_DANGLING", "DRIFT_RUA_LOST", "INCLUDE_CHANGED", "DNSSEC_BOGUS"}) {
    list.add_codes(code);
  }
  EXPECT_EQ(reason(), "");
  list.set_page_size(-1);
  EXPECT_EQ(reason(), "PAGE_SIZE_NEGATIVE");
}

// The watcher writes them down.
class InsightWatchTest : public InsightServiceTest {
 protected:
  InsightWatchTest() {
    world_.authoritative().AddZone(Name("example.com"));
    SetTxt("example.com", {"v=spf1 include:_spf.vendor.test -all"});
    SetTxt("_dmarc.example.com", {"v=DMARC1; p=none; rua=mailto:r@reports.test"});
    world_.resolver().SetTxt(Name("_spf.vendor.test"), {"v=spf1 ip4:192.0.2.0/24 -all"});
    world_.resolver().SetTxt(Name("example.com._report._dmarc.reports.test"), {"v=DMARC1"});
  }
  void SetTxt(std::string_view name, const Texts& texts) {
    world_.resolver().SetTxt(Name(name), texts);
    world_.authoritative().SetTxt(Name(name), texts);
  }
  // Looks at everything.
  void Look() {
    world_.clock().Advance(absl::Hours(2));
    EXPECT_TRUE(watcher_.RunDue());
  }
  Texts Told() {
    Texts out;
    const v1::ListInsightsResponse response = List();
    for (const v1::Insight& insight : response.insights()) {
      out.push_back(
          fmt::format("{} {}", insight.code(), v1::Insight::State_Name(insight.state()).substr(6)));
    }
    return out;
  }
  Selectors selectors_;
  FakePacer pacer_{world_.clock()};
  RecordWatcher watcher_{
      {world_.policies(), world_.observations(), world_.resolver(), world_.authoritative(),
       world_.clock(), pacer_, [this](const std::string&) { return selectors_; }, &world_.book()},
      {}};
};

TEST_F(InsightWatchTest, ACleanDomainHasNoneAndNothingUnknown) {
  Look();
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_THAT(List().unknown(), IsEmpty());
}

TEST_F(InsightWatchTest, ListingAsksNoServer) {
  Look();
  world_.resolver().ClearQueries();
  const size_t asked = world_.authoritative().queries().size();
  List();
  List("-");
  EXPECT_THAT(world_.resolver().queries(), IsEmpty());
  EXPECT_EQ(world_.authoritative().queries().size(), asked);
}

TEST_F(InsightWatchTest, ADanglingIncludeComesAndGoes) {
  Look();
  world_.resolver().Remove(Name("_spf.vendor.test"));
  Look();
  EXPECT_THAT(Told(), ElementsAre("SPF_DANGLING ACTIVE"));
  EXPECT_EQ(List().insights(0).first_seen_time().seconds(),
            absl::ToUnixSeconds(world_.clock().Now()));
  // Nobody answers: nothing is concluded.
  world_.resolver().Fail(Name("_spf.vendor.test"), RrType::kTxt,
                         absl::DeadlineExceededError("timeout"));
  Look();
  EXPECT_THAT(Told(), ElementsAre("SPF_DANGLING ACTIVE"));
  EXPECT_THAT(List().unknown(0).names(), ElementsAre("_spf.vendor.test"));
  world_.resolver().Remove(Name("_spf.vendor.test"));
  world_.resolver().SetTxt(Name("_spf.vendor.test"), {"v=spf1 ip4:192.0.2.0/24 -all"});
  Look();
  EXPECT_THAT(Told(), ElementsAre("SPF_DANGLING RESOLVED"));
  world_.resolver().Remove(Name("_spf.vendor.test"));
  Look();
  EXPECT_THAT(Told(), ElementsAre("SPF_DANGLING ACTIVE"));
  EXPECT_EQ(List().insights(0).active_count(), 2);
}

TEST_F(InsightWatchTest, AnIncludeThatIsTakenOutDanglesNoLonger) {
  world_.resolver().Remove(Name("_spf.vendor.test"));
  Look();
  EXPECT_THAT(Told(), ElementsAre("SPF_DANGLING ACTIVE"));
  SetTxt("example.com", {"v=spf1 -all"});
  Look();
  EXPECT_THAT(Told(), ElementsAre("SPF_DANGLING RESOLVED"));
}

TEST_F(InsightWatchTest, LooksWhetherReportHostsAgree) {
  world_.resolver().Remove(Name("example.com._report._dmarc.reports.test"));
  Look();
  EXPECT_THAT(Told(), ElementsAre("DMARC_RUA_UNAUTHORIZED ACTIVE"));
}

TEST_F(InsightWatchTest, SelectorsThatAreNotAllTakeNoKeyFromTheList) {
  SetTxt("s1._domainkey.example.com", {"v=DKIM1; p="});
  selectors_ = {{"s1"}, true};
  Look();
  ASSERT_THAT(Told(), ElementsAre("DKIM_KEY_REVOKED_IN_USE ACTIVE"));
  // As many as are kept of a source, and s1 is not among them.
  selectors_ = {{}, false};
  for (int i = 0; i < 16; ++i) {
    selectors_.names.push_back(fmt::format("a{:02}", i));
    SetTxt(fmt::format("a{:02}._domainkey.example.com", i), {"v=DKIM1; p="});
  }
  Look();
  EXPECT_THAT(Told(), testing::Contains("DKIM_KEY_REVOKED_IN_USE ACTIVE").Times(17));
  selectors_.all = true;
  Look();
  EXPECT_THAT(Told(), testing::Contains("DKIM_KEY_REVOKED_IN_USE ACTIVE").Times(16));
  EXPECT_THAT(Told(), testing::Contains("DKIM_KEY_REVOKED_IN_USE RESOLVED").Times(1));
}

TEST_F(InsightWatchTest, ALookDoesNotTakeBackADecision) {
  SetTxt("_dmarc.example.com", {"v=DMARC1; p=none"});
  Look();
  ASSERT_THAT(Told(), ElementsAre("DMARC_NO_RUA ACTIVE"));
  const std::string name = List().insights(0).name();
  ASSERT_TRUE(Accept(Accepting(name.substr(name.rfind('/') + 1))).ok());
  Look();
  EXPECT_THAT(Told(), ElementsAre("DMARC_NO_RUA ACCEPTED"));
}

TEST_F(InsightWatchTest, NamesOverTheLimitStayUnknown) {
  world_.resolver().Remove(Name("example.com._report._dmarc.reports.test"));
  // Five of its own, and one include.
  RecordWatcher small(
      {world_.policies(), world_.observations(), world_.resolver(), world_.authoritative(),
       world_.clock(), pacer_, [](const std::string&) { return Selectors(); }, &world_.book()},
      {.names_per_domain = 6});
  ASSERT_TRUE(small.RunDue());
  EXPECT_THAT(Told(), IsEmpty());
  ASSERT_THAT(List().unknown(), SizeIs(1));
  EXPECT_THAT(List().unknown(0).names(), ElementsAre("_dmarc.com"));
}

TEST_F(InsightWatchTest, AHistoryThatDoesNotDecodeIsUnknownAndHidesNothingElse) {
  SetTxt("example.com", {"v=spf1 +all"});
  world_.observations().FailHistory({"_dmarc.example.com", RecordKind::kDmarc},
                                    absl::DataLossError("does not decode"));
  Look();
  EXPECT_THAT(Told(), ElementsAre("SPF_PLUS_ALL ACTIVE"));
  EXPECT_THAT(List().unknown(0).names(), ElementsAre("_dmarc.example.com"));
}

TEST_F(InsightWatchTest, ALookThatDoesNotDecodeIsWrittenAnew) {
  SetTxt("_dmarc.example.com", {"v=DMARC1; p=none"});
  Look();
  world_.insights().FailLook("example.com", absl::DataLossError("does not decode"));
  ASSERT_THAT(List().unknown(), SizeIs(1));
  Look();
  EXPECT_THAT(List().unknown(), IsEmpty());
  EXPECT_THAT(Told(), ElementsAre("DMARC_NO_RUA ACTIVE"));
}

TEST_F(InsightWatchTest, AStoreThatFailsHoldsUpNoLook) {
  world_.insights().FailUpdates(absl::UnavailableError("disk"));
  Look();
  EXPECT_THAT(*world_.observations().ListObserved("example.com"), testing::Not(IsEmpty()));
  world_.insights().FailUpdates(absl::OkStatus());
  SetTxt("_dmarc.example.com", {"v=DMARC1; p=none"});
  Look();
  EXPECT_THAT(Told(), ElementsAre("DMARC_NO_RUA ACTIVE"));
}

}  // namespace
}  // namespace dmarcate
