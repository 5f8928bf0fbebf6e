#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/record.grpc.pb.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using service_testing::ReasonOf;
using service_testing::World;
using testing::Contains;
using v1::RecordService;
using Stub = RecordService::Stub;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

class RecordServiceTest : public testing::Test {
 protected:
  RecordServiceTest() {
    world_.authoritative().AddZone(Name("example.com"));
    SetTxt("example.com", "v=spf1 include:_spf.example.net -all");
    SetTxt("_dmarc.example.com", "v=DMARC1; p=none; rua=mailto:d@example.com");
    world_.resolver().SetTxt(Name("_spf.example.net"), {"v=spf1 ip4:192.0.2.0/24 ~all"});
  }
  void SetTxt(std::string_view name, const std::string& text) {
    world_.resolver().SetTxt(Name(name), {text});
    world_.authoritative().SetTxt(Name(name), {text});
  }
  World world_;
};

TEST_F(RecordServiceTest, InspectsADomainThatNobodyManages) {
  v1::InspectRecordsRequest request;
  request.set_parent("domains/example.com");
  request.add_types(v1::RECORD_TYPE_SPF);
  request.add_types(v1::RECORD_TYPE_DMARC);
  v1::InspectRecordsResponse response;
  DMARCATE_CALL(world_, RecordService, InspectRecords, request, &response);
  ASSERT_EQ(response.records_size(), 2);
  EXPECT_EQ(response.records(0).type(), v1::RECORD_TYPE_SPF);
  EXPECT_EQ(response.records(0).record(), "v=spf1 include:_spf.example.net -all");
  EXPECT_EQ(response.records(0).servers_size(), 2);
  EXPECT_EQ(response.records(1).owner_name(), "_dmarc.example.com");
  EXPECT_TRUE(response.consistent());
}

TEST_F(RecordServiceTest, AServerThatDiffersIsSeen) {
  world_.authoritative()
      .server(Name("example.com"), 1)
      .SetTxt(Name("example.com"), {"v=spf1 -all"});
  v1::InspectRecordsRequest request;
  request.set_parent("domains/example.com");
  request.add_types(v1::RECORD_TYPE_SPF);
  v1::InspectRecordsResponse response;
  DMARCATE_CALL(world_, RecordService, InspectRecords, request, &response);
  EXPECT_FALSE(response.consistent());
}

TEST_F(RecordServiceTest, LooksAtTheSelectorsThatReportsName) {
  world_.AddDomain();
  world_.AddReport(Report(world_.DaysAgo(1), {Row(1).Dkim("example.com", "k2048")}));
  v1::InspectRecordsRequest request;
  request.set_parent("domains/example.com");
  request.add_types(v1::RECORD_TYPE_DKIM);
  request.add_dkim_selectors("mine");
  v1::InspectRecordsResponse response;
  DMARCATE_CALL(world_, RecordService, InspectRecords, request, &response);
  ASSERT_EQ(response.records_size(), 2);
  EXPECT_EQ(response.records(0).owner_name(), "mine._domainkey.example.com");
  EXPECT_EQ(response.records(1).owner_name(), "k2048._domainkey.example.com");
}

TEST_F(RecordServiceTest, WhenNothingCanBeLearnedTheDnsIsUnavailable) {
  world_.resolver().FailAll(absl::UnavailableError("SERVFAIL"));
  world_.authoritative().Fail(Name("example.com"), RrType::kTxt, absl::UnavailableError("down"));
  v1::InspectRecordsRequest request;
  request.set_parent("domains/example.com");
  request.add_types(v1::RECORD_TYPE_SPF);
  v1::InspectRecordsResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<RecordService>(&Stub::InspectRecords, request, &response)),
            "DNS_UNAVAILABLE");
}

TEST_F(RecordServiceTest, ArgumentsAreChecked) {
  v1::InspectRecordsRequest request;
  v1::InspectRecordsResponse response;
  const auto reason = [&] {
    return ReasonOf(world_.Call<RecordService>(&Stub::InspectRecords, request, &response));
  };
  EXPECT_EQ(reason(), "FIELD_REQUIRED");
  request.set_parent("domains/example.com");
  request.add_types(v1::RECORD_TYPE_UNSPECIFIED);
  EXPECT_EQ(reason(), "FIELD_INVALID");
  request.clear_types();
  request.add_dkim_selectors("no selector");
  EXPECT_EQ(reason(), "FIELD_INVALID");
  request.clear_dkim_selectors();
  for (int i = 0; i < 51; ++i) request.add_dkim_selectors("s" + std::to_string(i));
  EXPECT_EQ(reason(), "FIELD_INVALID");
}

std::vector<std::string> Codes(const v1::LintRecordsResponse& response) {
  std::vector<std::string> codes;
  for (const v1::LintFinding& finding : response.findings()) codes.push_back(finding.code());
  return codes;
}

TEST_F(RecordServiceTest, LintsATextByItsVersion) {
  struct {
    const char* text;
    const char* want_code;
  } const kCases[] = {{"v=spf1 +all", "SPF_PLUS_ALL"},
                      {"v=spf1 include: -all", "SPF_SYNTAX"},
                      {"v=DMARC1; p=none", "DMARC_NO_RUA"},
                      {"v=DKIM1; p=!!", "DKIM_SYNTAX"},
                      {"v=STSv1; id=a-b", "MTA_STS_SYNTAX"},
                      {"version: STSv1\nmode: none\nmax_age: 60\n", "MTA_STS_NOT_ENFORCED"},
                      {"v=TLSRPTv1; rua=mailto:x", "TLS_RPT_BAD_ADDRESS"},
                      {"v=BIMI1; l=; avp=x", "BIMI_BAD_VALUE"},
                      {"3 1 1 00", "TLSA_UNUSABLE"},
                      {"3 1 1 00\n1 1 1 00", "TLSA_NONE_USABLE"}};
  for (const auto& test : kCases) {
    v1::LintRecordsRequest request;
    request.set_text(test.text);
    v1::LintRecordsResponse response;
    DMARCATE_CALL(world_, RecordService, LintRecords, request, &response);
    EXPECT_THAT(Codes(response), Contains(test.want_code)) << test.text;
  }
}

TEST_F(RecordServiceTest, LintRefusesWhatIsNoRecord) {
  v1::LintRecordsRequest request;
  v1::LintRecordsResponse response;
  const auto reason = [&] {
    return ReasonOf(world_.Call<RecordService>(&Stub::LintRecords, request, &response));
  };
  EXPECT_EQ(reason(), "FIELD_REQUIRED");
  request.set_text("hello");
  EXPECT_EQ(reason(), "RECORD_SYNTAX");
  request.set_text("v=spf1 " + std::string(70'000, 'a'));
  EXPECT_EQ(reason(), "FIELD_TOO_LONG");
}

TEST_F(RecordServiceTest, ExpandsTheLiveRecordOrAText) {
  v1::ExpandSpfRequest request;
  request.set_parent("domains/example.com");
  v1::ExpandSpfResponse response;
  DMARCATE_CALL(world_, RecordService, ExpandSpf, request, &response);
  EXPECT_EQ(response.tree().lookup_count(), 1);
  EXPECT_EQ(response.tree().lookup_limit(), 10);
  EXPECT_EQ(response.tree().ipv4_address_count(), 256);
  EXPECT_TRUE(response.tree().complete());
  request.set_text("v=spf1 ip4:198.51.100.0/30 -all");
  DMARCATE_CALL(world_, RecordService, ExpandSpf, request, &response);
  EXPECT_EQ(response.tree().ipv4_address_count(), 4);
  request.set_text("v=spf1 nonsense:x");
  EXPECT_EQ(ReasonOf(world_.Call<RecordService>(&Stub::ExpandSpf, request, &response)),
            "RECORD_SYNTAX");
}

TEST_F(RecordServiceTest, ExpandTellsAbsenceFromIgnorance) {
  v1::ExpandSpfRequest request;
  v1::ExpandSpfResponse response;
  request.set_parent("domains/nothing.example");
  EXPECT_EQ(ReasonOf(world_.Call<RecordService>(&Stub::ExpandSpf, request, &response)),
            "RESOURCE_NOT_FOUND");
  world_.resolver().FailAll(absl::DeadlineExceededError("nobody answered"));
  EXPECT_EQ(ReasonOf(world_.Call<RecordService>(&Stub::ExpandSpf, request, &response)),
            "DNS_UNAVAILABLE");
}

}  // namespace
}  // namespace dmarcate
