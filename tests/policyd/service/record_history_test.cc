// ListRecordHistory and drift in InspectRecords, over fakes.

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/record.grpc.pb.h"
#include "policyd/plan/txt_image.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using service_testing::ReasonOf;
using service_testing::World;
using testing::ElementsAre;
using testing::IsEmpty;
using v1::RecordService;
using Stub = RecordService::Stub;
using Texts = std::vector<std::string>;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

class RecordHistoryTest : public testing::Test {
 protected:
  RecordHistoryTest() {
    world_.AddDomain();
    world_.authoritative().AddZone(Name("example.com"));
  }
  absl::Time HoursAgo(int hours) { return world_.clock().Now() - absl::Hours(hours); }
  // Seen from `first` to `last`, hours ago.
  Observation Seen(Texts values, int first, int last) {
    Observation out;
    out.outcome = values.empty() ? ObservedOutcome::kNxDomain : ObservedOutcome::kRecords;
    out.values = std::move(values);
    out.ttl_seconds = 300;
    out.from_servers = true;
    out.dnssec = DnssecState::kInsecure;
    out.first_seen = HoursAgo(first);
    out.last_seen = HoursAgo(last);
    return out;
  }
  void Put(const ObservedName& name, std::vector<Observation> entries) {
    ASSERT_TRUE(
        world_.observations().UpdateHistory("example.com", name, {std::move(entries), {}}).ok());
  }
  void SetTxt(std::string_view name, const Texts& texts) {
    world_.resolver().SetTxt(Name(name), texts);
    world_.authoritative().SetTxt(Name(name), texts);
  }
  // A change that put `text` at `owner`, `hours` ago.
  void Applied(const std::string& id, const std::string& owner, const std::string& text,
               int hours) {
    ChangeRecord change;
    change.domain = "example.com";
    change.id = id;
    change.state = ChangeState::kSucceeded;
    change.end_time = HoursAgo(hours);
    RecordChangeRecord& record = change.record_changes.emplace_back();
    record.zone = "example.com";
    record.owner_name = owner;
    record.after = {MakeTxtRecord(text).ToPresentation()};
    ASSERT_TRUE(world_.policies().PutChange(change).ok());
  }
  v1::InspectRecordsResponse Inspect(const std::string& domain = "example.com") {
    v1::InspectRecordsRequest request;
    request.set_parent("domains/" + domain);
    v1::InspectRecordsResponse response;
    const grpc::Status status =
        world_.Call<RecordService>(&Stub::InspectRecords, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  World world_;
};

Texts Codes(const v1::InspectRecordsResponse& response) {
  Texts out;
  for (const v1::RecordDrift& drift : response.drift()) out.push_back(drift.code());
  return out;
}

TEST_F(RecordHistoryTest, ShowsEachEntryAndWhatItChanged) {
  Observation last = Seen({"v=DMARC1; p=reject", "x"}, 2, 0);
  last.ttl_seconds = 60;
  last.cname_chain = {"d.example.net"};
  last.dnssec = DnssecState::kSecure;
  last.disagreeing = {{"ns2.example.com", "192.0.2.2:53", ObservedOutcome::kNxDomain, {}}};
  Observation failed;
  failed.outcome = ObservedOutcome::kTimeout;
  failed.error = "nobody answered";
  failed.first_seen = failed.last_seen = HoursAgo(4);
  Put({"_dmarc.example.com", RecordKind::kDmarc},
      {last, failed, Seen({"v=DMARC1; p=none", "x"}, 9, 3), Seen({}, 20, 10)});
  v1::ListRecordHistoryRequest request;
  request.set_parent("domains/example.com");
  v1::ListRecordHistoryResponse response;
  DMARCATE_CALL(world_, RecordService, ListRecordHistory, request, &response);
  ASSERT_EQ(response.observations_size(), 4);
  const v1::RecordObservation& newest = response.observations(0);
  EXPECT_EQ(newest.type(), v1::RECORD_TYPE_DMARC);
  EXPECT_EQ(newest.owner_name(), "_dmarc.example.com");
  EXPECT_THAT(newest.values(), ElementsAre("v=DMARC1; p=reject", "x"));
  EXPECT_THAT(newest.added_values(), ElementsAre("v=DMARC1; p=reject"));
  EXPECT_THAT(newest.removed_values(), ElementsAre("v=DMARC1; p=none"));
  EXPECT_EQ(newest.ttl_seconds(), 60u);
  EXPECT_EQ(newest.previous_ttl_seconds(), 300u);
  EXPECT_EQ(newest.previous_outcome(), v1::LOOKUP_OUTCOME_RECORDS) << "not the time-out";
  EXPECT_EQ(newest.dnssec(), v1::DNSSEC_STATE_SECURE);
  EXPECT_THAT(newest.cname_chain(), ElementsAre("d.example.net"));
  ASSERT_EQ(newest.disagreeing_servers_size(), 1);
  EXPECT_EQ(newest.disagreeing_servers(0).outcome(), v1::LOOKUP_OUTCOME_NXDOMAIN);
  EXPECT_EQ(newest.last_seen_time().seconds(), absl::ToUnixSeconds(world_.clock().Now()));
  EXPECT_EQ(response.observations(1).outcome(), v1::LOOKUP_OUTCOME_TIMEOUT);
  EXPECT_EQ(response.observations(1).error(), "nobody answered");
  EXPECT_THAT(response.observations(1).removed_values(), IsEmpty());
  EXPECT_EQ(response.observations(2).previous_outcome(), v1::LOOKUP_OUTCOME_NXDOMAIN);
  EXPECT_EQ(response.observations(3).previous_outcome(), v1::LOOKUP_OUTCOME_UNSPECIFIED);
}

TEST_F(RecordHistoryTest, PagesContinueWhereTheyEndedAndCompareAcross) {
  const ObservedName apex{"example.com", RecordKind::kSpf}, mx{"example.com", RecordKind::kMx};
  for (const ObservedName& name : {apex, mx}) {
    for (int i = 0; i < 5; ++i) Put(name, {Seen({std::to_string(i)}, 20 - i, 20 - i)});
  }
  v1::ListRecordHistoryRequest request;
  request.set_parent("domains/example.com");
  request.set_page_size(3);
  Texts got;
  int pages = 0;
  do {
    v1::ListRecordHistoryResponse response;
    DMARCATE_CALL(world_, RecordService, ListRecordHistory, request, &response);
    EXPECT_LE(response.observations_size(), 3);
    for (const v1::RecordObservation& seen : response.observations()) {
      got.push_back(v1::RecordType_Name(seen.type()).substr(12) + seen.values(0) + "<" +
                    (seen.removed_values().empty() ? "" : seen.removed_values(0)));
    }
    // What comes meanwhile does not move the place.
    if (pages == 0) Put(apex, {Seen({"new"}, 1, 1)});
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 4);
  EXPECT_THAT(got, ElementsAre("SPF4<3", "SPF3<2", "SPF2<1", "SPF1<0", "SPF0<", "MX4<3", "MX3<2",
                               "MX2<1", "MX1<0", "MX0<"));
}

TEST_F(RecordHistoryTest, APageIsBoundedInBytes) {
  const std::string large(16'000, 'x');
  for (int i = 0; i < 300; ++i) {
    Put({"example.com", RecordKind::kSpf}, {Seen({large + std::to_string(i)}, 400 - i, 400 - i)});
  }
  v1::ListRecordHistoryRequest request;
  request.set_parent("domains/example.com");
  request.set_page_size(1000);
  v1::ListRecordHistoryResponse response;
  DMARCATE_CALL(world_, RecordService, ListRecordHistory, request, &response);
  EXPECT_LT(response.ByteSizeLong(), size_t{4} << 20);
  EXPECT_GT(response.observations_size(), 10);
  EXPECT_NE(response.next_page_token(), "");
}

TEST_F(RecordHistoryTest, FiltersByNameAndType) {
  for (const ObservedName& name :
       {ObservedName{"example.com", RecordKind::kSpf}, ObservedName{"example.com", RecordKind::kMx},
        ObservedName{"_spf.a.test", RecordKind::kSpf}}) {
    Put(name, {Seen({"x"}, 2, 1)});
  }
  const auto count = [this](const std::string& owner, v1::RecordType type) {
    v1::ListRecordHistoryRequest request;
    request.set_parent("domains/example.com");
    request.set_owner_name(owner);
    request.set_type(type);
    v1::ListRecordHistoryResponse response;
    const grpc::Status status =
        world_.Call<RecordService>(&Stub::ListRecordHistory, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.observations_size();
  };
  EXPECT_EQ(count("", v1::RECORD_TYPE_UNSPECIFIED), 3);
  EXPECT_EQ(count("Example.com.", v1::RECORD_TYPE_UNSPECIFIED), 2);
  EXPECT_EQ(count("", v1::RECORD_TYPE_SPF), 2);
  EXPECT_EQ(count("example.com", v1::RECORD_TYPE_MX), 1);
  EXPECT_EQ(count("other.test", v1::RECORD_TYPE_UNSPECIFIED), 0);
}

TEST_F(RecordHistoryTest, ArgumentsAreChecked) {
  v1::ListRecordHistoryRequest request;
  v1::ListRecordHistoryResponse response;
  const auto reason = [&] {
    return ReasonOf(world_.Call<RecordService>(&Stub::ListRecordHistory, request, &response));
  };
  EXPECT_EQ(reason(), "FIELD_REQUIRED");
  request.set_parent("domains/nobody.example");
  EXPECT_EQ(reason(), "RESOURCE_NOT_FOUND");
  request.set_parent("domains/example.com");
  request.set_owner_name("a..b");
  EXPECT_EQ(reason(), "FIELD_INVALID");
  request.clear_owner_name();
  request.set_type(static_cast<v1::RecordType>(99));
  EXPECT_EQ(reason(), "FIELD_INVALID");
  request.clear_type();
  request.set_page_size(-1);
  EXPECT_EQ(reason(), "PAGE_SIZE_NEGATIVE");
  request.set_page_size(0);
  request.set_page_token("x");
  EXPECT_EQ(reason(), "PAGE_TOKEN_INVALID");
}

TEST_F(RecordHistoryTest, InspectingTellsDriftAndSinceWhen) {
  auto domain = *world_.policies().GetDomain("example.com");
  domain.managed_terms = {{"include:_spf.a.test", "a"}};
  ASSERT_TRUE(world_.policies().PutDomain(domain).ok());
  Applied("01a", "example.com", "v=spf1 include:_spf.a.test -all", 10);
  SetTxt("example.com", {"v=spf1 include:_spf.a.test -all"});
  EXPECT_THAT(Codes(Inspect()), IsEmpty());

  SetTxt("example.com", {"v=spf1 -all"});
  v1::InspectRecordsResponse response = Inspect();
  ASSERT_THAT(Codes(response), ElementsAre("DRIFT_TERM_LOST"));
  EXPECT_EQ(response.drift(0).since_time().seconds(), absl::ToUnixSeconds(world_.clock().Now()))
      << "nobody had looked before";
  EXPECT_EQ(response.drift(0).change(), "domains/example.com/changes/01a");
  EXPECT_EQ(response.drift(0).expected(), "v=spf1 include:_spf.a.test -all");
  EXPECT_EQ(response.drift(0).live(), "v=spf1 -all");
  EXPECT_EQ(response.drift(0).type(), v1::RECORD_TYPE_SPF);
  EXPECT_EQ(response.drift(0).severity(), v1::SEVERITY_ERROR);

  Put({"example.com", RecordKind::kSpf},
      {Seen({"v=spf1 -all"}, 3, 1), Seen({"v=spf1 include:_spf.a.test -all"}, 10, 4)});
  response = Inspect();
  ASSERT_THAT(Codes(response), ElementsAre("DRIFT_TERM_LOST"));
  EXPECT_EQ(response.drift(0).since_time().seconds(), absl::ToUnixSeconds(HoursAgo(3)));
  EXPECT_EQ(world_.observations()
                .GetHistory("example.com", {"example.com", RecordKind::kSpf})
                ->front()
                .last_seen,
            HoursAgo(1))
      << "inspecting writes nothing";
}

TEST_F(RecordHistoryTest, AnOutageIsNoDrift) {
  Applied("01a", "_dmarc.example.com", "v=DMARC1; p=reject", 10);
  world_.resolver().Fail(Name("_dmarc.example.com"), RrType::kTxt, absl::UnavailableError("x"));
  world_.authoritative().Fail(Name("_dmarc.example.com"), RrType::kTxt,
                              absl::UnavailableError("x"));
  SetTxt("example.com", {"v=spf1 -all"});
  const v1::InspectRecordsResponse response = Inspect();
  EXPECT_THAT(Codes(response), IsEmpty());
  EXPECT_THAT(response.drift_unknown_names(), ElementsAre("_dmarc.example.com"));
}

TEST_F(RecordHistoryTest, ChangesOfTodayAreSearchedBehindManyOthers) {
  Applied("01a", "_dmarc.example.com", "v=DMARC1; p=reject", 10);
  for (int i = 0; i < 120; ++i) {
    ChangeRecord plan;
    plan.domain = "example.com";
    plan.id = "02" + std::to_string(1000 + i);
    plan.state = ChangeState::kExpired;
    ASSERT_TRUE(world_.policies().PutChange(plan).ok());
  }
  SetTxt("_dmarc.example.com", {"v=DMARC1; p=none"});
  EXPECT_THAT(Codes(Inspect()), ElementsAre("DRIFT_RECORD_CHANGED"));
}

TEST_F(RecordHistoryTest, IncludedNamesAreToldFromTheHistory) {
  SetTxt("example.com", {"v=spf1 include:_spf.a.test -all"});
  world_.resolver().SetTxt(Name("_spf.a.test"), {"v=spf1 include:_b.a.test -all"});
  Put({"_spf.a.test", RecordKind::kSpf}, {Seen({"v=spf1 include:_b.a.test -all"}, 9, 1)});
  Put({"_b.a.test", RecordKind::kSpf}, {Seen({}, 3, 1), Seen({"v=spf1 -all"}, 9, 4)});
  Put({"_c.a.test", RecordKind::kSpf}, {Seen({}, 3, 1)});  // included by nobody any more
  const v1::InspectRecordsResponse response = Inspect();
  ASSERT_THAT(Codes(response), ElementsAre("INCLUDE_GONE"));
  EXPECT_EQ(response.drift(0).owner_name(), "_b.a.test");
  EXPECT_EQ(response.drift(0).change(), "");
}

TEST_F(RecordHistoryTest, LongTextsOfOthersAreCut) {
  SetTxt("example.com", {"v=spf1 include:_spf.a.test -all"});
  const std::string longer = "v=spf1 " + std::string(5000, ' ') + "-all";
  Put({"_spf.a.test", RecordKind::kSpf},
      {Seen({longer}, 3, 1), Seen({"v=spf1" + longer.substr(6) + " -all"}, 9, 4)});
  const v1::InspectRecordsResponse response = Inspect();
  ASSERT_THAT(Codes(response), ElementsAre("INCLUDE_CHANGED"));
  EXPECT_EQ(response.drift(0).live().size(), 2048 + 3u);
  EXPECT_TRUE(response.drift(0).expected().ends_with("..."));
}

TEST_F(RecordHistoryTest, AHistoryThatCannotBeReadIsNamed) {
  SetTxt("example.com", {"v=spf1 include:_spf.a.test -all"});
  Applied("01a", "example.com", "v=spf1 include:_spf.a.test a -all", 10);
  world_.observations().FailHistory({"_spf.a.test", RecordKind::kSpf}, absl::DataLossError("x"));
  const v1::InspectRecordsResponse response = Inspect();
  EXPECT_THAT(Codes(response), ElementsAre("DRIFT_RECORD_CHANGED"));
  EXPECT_THAT(response.drift_unknown_names(), ElementsAre("_spf.a.test"));
}

TEST_F(RecordHistoryTest, ADomainThatNobodyManagesHasNoDrift) {
  world_.authoritative().AddZone(Name("example.net"));
  SetTxt("example.net", {"v=spf1 -all"});
  EXPECT_THAT(Codes(Inspect("example.net")), IsEmpty());
}

}  // namespace
}  // namespace dmarcate
