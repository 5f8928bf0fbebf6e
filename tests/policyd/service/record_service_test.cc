#include <algorithm>
#include <atomic>
#include <functional>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/record.grpc.pb.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/policyd/service/world.h"
#include "tests/testing/process.h"

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

TEST_F(RecordServiceTest, SaysWhatReportsSayOfEachSelector) {
  v1::InspectRecordsRequest request;
  request.set_parent("domains/example.com");
  request.add_types(v1::RECORD_TYPE_DKIM);
  request.add_dkim_selectors("mine");
  v1::InspectRecordsResponse response;
  DMARCATE_CALL(world_, RecordService, InspectRecords, request, &response);
  ASSERT_EQ(response.records_size(), 1);
  EXPECT_EQ(response.records(0).dkim_key().selector(), "mine");
  EXPECT_EQ(response.records(0).dkim_key().state(), v1::DKIM_KEY_STATE_ABSENT);
  EXPECT_FALSE(response.records(0).dkim_key().has_signatures()) << "nobody manages the domain";

  world_.AddDomain();
  world_.AddReport(Report(
      world_.DaysAgo(1),
      {Row(5).Dkim("example.com", "k2048"), Row(2).Dkim("example.com", "K2048", AuthResult::kFail),
       Row(3).Dkim("example.com", "mine", AuthResult::kFail)}));
  DMARCATE_CALL(world_, RecordService, InspectRecords, request, &response);
  ASSERT_EQ(response.records_size(), 2);
  const v1::DkimSignatureCounts& mine = response.records(0).dkim_key().signatures();
  EXPECT_EQ(mine.message_count(), 3);
  EXPECT_EQ(mine.pass_count(), 0);
  EXPECT_EQ(mine.fail_count(), 3);
  const v1::DkimSignatureCounts& seen = response.records(1).dkim_key().signatures();
  EXPECT_EQ(response.records(1).dkim_key().selector(), "k2048");
  EXPECT_EQ(seen.message_count(), 7);
  EXPECT_EQ(seen.pass_count(), 5);
  EXPECT_EQ(seen.fail_count(), 2);
}

TEST_F(RecordServiceTest, InspectsWhatTheDomainAsksOfSenders) {
  SetTxt("_mta-sts.example.com", "v=STSv1; id=1");
  v1::InspectRecordsRequest request;
  request.set_parent("domains/example.com");
  request.add_types(v1::RECORD_TYPE_MTA_STS);
  request.add_types(v1::RECORD_TYPE_TLS_RPT);
  v1::InspectRecordsResponse response;
  DMARCATE_CALL(world_, RecordService, InspectRecords, request, &response);
  ASSERT_EQ(response.records_size(), 2);
  EXPECT_EQ(response.records(0).type(), v1::RECORD_TYPE_MTA_STS);
  EXPECT_EQ(response.records(0).record(), "v=STSv1; id=1");
  EXPECT_EQ(response.records(0).verdict(), v1::VERDICT_PASS);
  EXPECT_EQ(response.records(1).owner_name(), "_smtp._tls.example.com");
  EXPECT_EQ(response.records(1).verdict(), v1::VERDICT_WARN);
  ASSERT_EQ(response.records(1).findings_size(), 1);
  EXPECT_EQ(response.records(1).findings(0).code(), "TLS_RPT_MISSING");
}

TEST_F(RecordServiceTest, LooksAtMailServersOnlyWhenAsked) {
  world_.resolver().SetMx(Name("example.com"), {{10, Name("mx.example.com")}});
  SetTxt("_mta-sts.example.com", "v=STSv1; id=1");
  int looks = 0;
  world_.SetInboundLook([&looks](const DomainName& domain, const MxPosture& mx,
                                 const MtaStsPosture& mta_sts, absl::Duration,
                                 const std::function<bool()>& stop) {
    EXPECT_FALSE(stop());
    ++looks;
    EXPECT_EQ(domain.text(), "example.com");
    EXPECT_EQ(mx.records.size(), 1u);
    EXPECT_TRUE(mta_sts.record.has_value());
    InboundPosture posture;
    posture.verdict = Verdict::kWarn;
    MailServerPosture& server = posture.servers.emplace_back();
    server.host = Name("mx.example.com");
    server.preference = 10;
    server.judgement = {.verdict = Verdict::kWarn, .reason = "why", .fix = "Do it."};
    ProbedAddress& seen = server.probes.emplace_back();
    seen.probe.address = *IpAddress::Parse("192.0.2.1");
    seen.probe.stage = SmtpStage::kDone;
    seen.probe.reply = "220 mx \xff";
    server.dane.records.push_back({.record = *ParseTlsa("3 1 1 " + std::string(64, 'a'))});
    return posture;
  });
  v1::InspectRecordsRequest request;
  request.set_parent("domains/example.com");
  request.add_types(v1::RECORD_TYPE_SPF);
  v1::InspectRecordsResponse response;
  DMARCATE_CALL(world_, RecordService, InspectRecords, request, &response);
  EXPECT_FALSE(response.has_inbound());
  EXPECT_EQ(looks, 0);

  request.set_inbound(true);
  for (const bool all_types : {false, true}) {
    if (all_types) request.clear_types();
    DMARCATE_CALL(world_, RecordService, InspectRecords, request, &response);
    EXPECT_EQ(response.records_size(), all_types ? 5 : 1) << "records are as before";
    EXPECT_EQ(response.inbound().verdict(), v1::VERDICT_WARN);
    ASSERT_EQ(response.inbound().mail_servers_size(), 1);
    const v1::MailServerView& server = response.inbound().mail_servers(0);
    EXPECT_EQ(server.host(), "mx.example.com");
    EXPECT_EQ(server.preference(), 10);
    EXPECT_EQ(server.verdict_reason(), "why");
    EXPECT_EQ(server.fix_hint(), "Do it.");
    EXPECT_EQ(server.probes(0).address(), "192.0.2.1");
    EXPECT_EQ(server.probes(0).stage(), v1::SMTP_STAGE_DONE);
    EXPECT_EQ(server.probes(0).reply(), "220 mx \xef\xbf\xbd");
    EXPECT_EQ(server.dane().records(0).record(), "3 1 1 " + std::string(64, 'a'));
  }
  EXPECT_EQ(looks, 2);
}

TEST_F(RecordServiceTest, FewLooksAtMailServersRunAtOnce) {
  std::atomic<int> running = 0;
  std::atomic<bool> go_on = false;
  world_.SetInboundLook([&](const auto&...) {
    ++running;
    go_on.wait(false);
    return InboundPosture();
  });
  v1::InspectRecordsRequest request;
  request.set_parent("domains/example.com");
  request.add_types(v1::RECORD_TYPE_SPF);
  request.set_inbound(true);
  std::vector<std::thread> callers;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      v1::InspectRecordsResponse response;
      answered +=
          world_.Call<RecordService>(&Stub::InspectRecords, request, &response).ok() ? 1 : 0;
    });
  }
  EXPECT_TRUE(testing_support::WaitUntil([&] { return running == 4; }));
  v1::InspectRecordsResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<RecordService>(&Stub::InspectRecords, request, &response)),
            "RATE_LIMITED");
  go_on = true;
  go_on.notify_all();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(answered, 4);
  DMARCATE_CALL(world_, RecordService, InspectRecords, request, &response);
}

// A look that lasts until it is told to stop.
class EndlessLookTest : public RecordServiceTest {
 protected:
  EndlessLookTest() {
    world_.SetInboundLook([this](const DomainName&, const MxPosture&, const MtaStsPosture&,
                                 absl::Duration, const std::function<bool()>& stop) {
      running_ = true;
      ended_ = testing_support::WaitUntil(stop);
      return InboundPosture();
    });
    request_.set_parent("domains/example.com");
    request_.set_inbound(true);
  }
  v1::InspectRecordsRequest request_;
  v1::InspectRecordsResponse response_;
  std::atomic<bool> running_ = false, ended_ = false;
};

TEST_F(EndlessLookTest, EndsWhenTheCallIsCancelled) {
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + service_testing::Token());
  std::thread caller([&] {
    const auto stub = RecordService::NewStub(world_.channel());
    EXPECT_EQ(stub->InspectRecords(&context, request_, &response_).error_code(),
              grpc::StatusCode::CANCELLED);
  });
  EXPECT_TRUE(testing_support::WaitUntil([&] { return running_.load(); }));
  EXPECT_FALSE(ended_);
  context.TryCancel();
  caller.join();
  EXPECT_TRUE(testing_support::WaitUntil([&] { return ended_.load(); }));
}

TEST_F(EndlessLookTest, EndsWhenPolicydStops) {
  std::string reason;
  std::thread caller([&] {
    reason = ReasonOf(world_.Call<RecordService>(&Stub::InspectRecords, request_, &response_));
  });
  EXPECT_TRUE(testing_support::WaitUntil([&] { return running_.load(); }));
  world_.StartDraining();
  caller.join();
  EXPECT_TRUE(ended_);
  EXPECT_EQ(reason, "SHUTTING_DOWN") << "half a look is no answer";
}

// policyd is told to end while the first question is asked. The reason of the answer.
template <typename Request, typename Response>
std::string EndAtTheFirstQuestion(World& world,
                                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                               Response*),
                                  const Request& request) {
  std::latch asking(1), go_on(1);
  std::atomic<int> questions = 0;
  world.resolver().Before([&](const FakeResolver::Query&) {
    if (questions++ > 0) return;
    asking.count_down();
    go_on.wait();
  });
  std::string reason;
  std::thread caller([&] {
    Response response;
    reason = ReasonOf(world.Call<RecordService>(method, request, &response));
  });
  asking.wait();
  world.StartDraining();
  go_on.count_down();
  caller.join();
  world.resolver().Before(nullptr);
  EXPECT_EQ(questions, 1) << "nobody waits for the others";
  return reason;
}

TEST_F(RecordServiceTest, LintingEndsWhenPolicydStops) {
  v1::LintRecordsRequest request;
  request.set_parent("domains/example.com");
  EXPECT_EQ(EndAtTheFirstQuestion(world_, &Stub::LintRecords, request), "SHUTTING_DOWN");
}

TEST_F(RecordServiceTest, ExpandingEndsWhenPolicydStops) {
  v1::ExpandSpfRequest request;
  request.set_parent("domains/example.com");
  EXPECT_EQ(EndAtTheFirstQuestion(world_, &Stub::ExpandSpf, request), "SHUTTING_DOWN");
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
