// F5: a domain goes from none to reject on a real PowerDNS, its HTTP API and its wire, with time
// that the test moves and a vendor whose DKIM breaks on the way. Stores are in memory; reports go
// through the store as ingestd writes it; all that decides, gathers and publishes is real.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/digest.h"
#include "lib/base/random.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/http/curl_transport.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/fake_insight_store.h"
#include "lib/store/fake_observation_store.h"
#include "lib/store/fake_policy_store.h"
#include "lib/store/fake_rollout_store.h"
#include "lib/store/rocks_report_store.h"
#include "policyd/provider/factory.h"
#include "policyd/provider/secret_source.h"
#include "policyd/reconcile/rollout_controller.h"
#include "policyd/service/report_follower.h"
#include "policyd/service/rollout_evidence.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/testing/servers.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using analysis_testing::Row;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::MakeZone;
using testing_support::RealPowerDns;

constexpr absl::Time kBegin = absl::FromUnixSeconds(1'767'571'200);  // Monday 2026-01-05
const std::string kRest = "; rua=mailto:r@example.com; fo=1";

class RolloutEndToEnd : public testing::Test {
 protected:
  void SetUp() override {
    DMARCATE_ASSERT_OK_AND_ASSIGN(
        dns_, RealPowerDns::Start(
                  {MakeZone("example.com",
                            "@ TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n"
                            "_dmarc TXT \"v=DMARC1; p=none; rua=mailto:r@example.com; fo=1\"\n")}));
    DnsConfig config;
    config.stubs = {{DomainName::Parse("example.com").value(), {dns_->server()}}};
    DMARCATE_ASSERT_OK_AND_ASSIGN(resolver_, LdnsResolver::Create(config, system_));
    DMARCATE_ASSERT_OK_AND_ASSIGN(authoritative_,
                                  LdnsAuthoritativeResolver::Create(config, *resolver_));
    secrets_ = std::make_unique<FakeSecretSource>(
        std::map<std::string, std::string, std::less<>>{{"pdns", dns_->api_key()}});
    providers_ = std::make_unique<RealProviderFactory>(http_, *secrets_);
    DnsProviderRecord provider;
    provider.id = "pdns";
    provider.type = "powerdns";
    provider.settings = {{"api_url", dns_->api_url()}};
    provider.zones = {"example.com"};
    provider.secret_name = "pdns";
    ASSERT_THAT(policies_.PutProvider(provider), IsOk());
    DomainRecord domain;
    domain.name = "example.com";
    domain.dns_provider = "pdns";
    ASSERT_THAT(policies_.PutDomain(domain), IsOk());
    for (const char* id : {"sendgrid", "dkim-unused.test"}) {
      SourceDecision decision;
      decision.domain = "example.com";
      decision.source_id = id;
      decision.state =
          std::string(id) == "sendgrid" ? SourceState::kApproved : SourceState::kRejected;
      decision.authorization.kind = AuthorizationSpec::Kind::kAlreadyAuthorized;
      ASSERT_THAT(policies_.PutDecision(decision), IsOk());
    }
    DMARCATE_ASSERT_OK_AND_ASSIGN(writer_, RocksReportWriter::Open(directory_.File("reports")));
    reports_ =
        std::make_unique<ReportFollower>([this]() -> absl::StatusOr<std::unique_ptr<ReportReader>> {
          return RocksReportReader::Follow(directory_.File("reports"), directory_.File("follower"),
                                           absl::ZeroDuration());
        });
    ASSERT_THAT(reports_->Tick(), IsOk());
    engine_ = std::make_unique<ChangeEngine>(ChangeWorld{
        policies_, *providers_, *resolver_, *authoritative_, *suffixes_, clock_, random_, pacer_});
    evidence_ = std::make_unique<RolloutEvidence>(RolloutSources{policies_,
                                                                 observations_,
                                                                 insights_,
                                                                 *reports_,
                                                                 *resolver_,
                                                                 *authoritative_,
                                                                 Catalogue::Default(),
                                                                 clock_,
                                                                 absl::Hours(1),
                                                                 {directory_.path()}});
    controller_ = std::make_unique<RolloutController>(
        RolloutWorld{policies_, rollouts_, *engine_, *evidence_, clock_, random_},
        RolloutControllerOptions{.patience = absl::InfiniteDuration()});
  }

  // As the server answers on the wire.
  std::string Live() {
    const auto answer =
        authoritative_->LookupAll(DomainName::Parse("_dmarc.example.com").value(), RrType::kTxt,
                                  /*over_tcp=*/true);
    if (!answer.ok() || !answer->First().ok() || answer->First()->txt.size() != 1) return "?";
    return answer->First()->txt.front().Joined();
  }

  // The reports of one day by three receivers, which read the policy that is published.
  void Report(DayNumber day) {
    const DmarcRecord live = ParseDmarc(Live()).value();
    const DmarcVerdict& verdict = live.Verdict(DmarcStandard::kRfc9989);
    for (const auto& [name, messages] : std::map<std::string, uint64_t>{
             {"google.com", 180}, {"microsoft.com", 120}, {"yahooinc.com", 60}}) {
      StoredReport report = analysis_testing::Report(
          day,
          {AggregateRecord(
              Row(messages)
                  .Dkim("example.com", "k7", broken_ ? AuthResult::kFail : AuthResult::kPass)
                  .Spf("bounces.sendgrid.net"))},
          name, TrustClass::kAnchored);
      report.report.policy.p =
          verdict.Requested(DmarcSubject::kDomain) == DmarcPolicy::kReject ? Policy::kReject
          : verdict.Requested(DmarcSubject::kDomain) == DmarcPolicy::kQuarantine
              ? Policy::kQuarantine
              : Policy::kNone;
      report.report.policy.testing = verdict.testing;
      report.reporter_key = name;
      report.report.metadata.report_id = name + std::to_string(day);
      report.received_time = clock_.Now();
      CommitBatch accepted;
      accepted.accepted.push_back(
          {.receipt = {.received_time = clock_.Now()}, .raw = report.report.metadata.report_id});
      const auto receipt = writer_->Commit(std::move(accepted), Sync::kYes);
      ASSERT_THAT(receipt, IsOk());
      report.key.receipt = receipt->accepted.front();
      report.document_sha256 = Sha256(report.report.metadata.report_id);
      CommitBatch processed;
      processed.processed.push_back({.receipt = report.key.receipt});
      processed.processed.front().items.push_back(
          {.item = {.outcome = Outcome::kAccepted, .kind = std::string(kAggregateKind)},
           .report = std::move(report)});
      ASSERT_THAT(writer_->Commit(std::move(processed), Sync::kYes), IsOk());
    }
    ASSERT_THAT(reports_->Tick(), IsOk());
  }

  // Midnight to midnight: yesterday's reports come in the morning, policyd looks at noon.
  void Day() {
    clock_.JumpWallTo(StartOfDay(DayOf(clock_.Now()) + 1) + absl::Hours(6));
    Report(DayOf(clock_.Now()) - 1);
    clock_.Advance(absl::Hours(6));
    const std::string before = Live();
    const absl::Status ticked = controller_->Tick();
    ASSERT_TRUE(ticked.ok()) << ticked;
    if (Live() != before) {
      steps_.push_back(Live());
      // What the rollout believes is what the server says, right after the step.
      EXPECT_EQ(StageOf(ParseDmarc(Live()).value(), PolicyScope::kDomain), Now().stage);
      EXPECT_TRUE(Now().pending_change.empty());
    }
  }
  RolloutState Now() {
    return ToRollout(rollouts_.GetRollout("example.com", id_).value()).value().state;
  }

  testing_support::TempDir directory_;
  SystemClock system_;  // of the wire
  FakeClock clock_{kBegin};
  FakePacer pacer_{clock_};
  SeededRandom random_{1};
  std::unique_ptr<RealPowerDns> dns_;
  std::unique_ptr<LdnsResolver> resolver_;
  std::unique_ptr<LdnsAuthoritativeResolver> authoritative_;
  CurlTransport http_;
  std::unique_ptr<FakeSecretSource> secrets_;
  std::unique_ptr<RealProviderFactory> providers_;
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  FakePolicyStore policies_;
  FakeRolloutStore rollouts_;
  FakeObservationStore observations_;
  FakeInsightStore insights_;
  std::unique_ptr<ReportWriter> writer_;
  std::unique_ptr<ReportFollower> reports_;
  std::unique_ptr<ChangeEngine> engine_;
  std::unique_ptr<RolloutEvidence> evidence_;
  std::unique_ptr<RolloutController> controller_;
  std::string id_;
  std::vector<std::string> steps_;
  bool broken_ = false;
};

TEST_F(RolloutEndToEnd, NoneToRejectThroughABrokenVendor) {
  RolloutState state;
  state.domain = "example.com";
  state.mode = RolloutMode::kAutomatic;
  state.target = PolicyStage::kReject;
  state.settings.ordinary_mailboxes = false;
  for (bool& day : state.settings.hours.days) day = true;
  DMARCATE_ASSERT_OK_AND_ASSIGN(const Rollout rollout,
                                controller_->Create(state, "ann", RunMode::kExecute));
  id_ = rollout.state.id;

  int days = 0;
  while (Now().stage != PolicyStage::kQuarantine && days++ < 60) Day();
  ASSERT_EQ(Now().stage, PolicyStage::kQuarantine)
      << controller_->Explain("example.com", id_)->text;
  EXPECT_THAT(steps_, ElementsAre("v=DMARC1; p=quarantine" + kRest + "; t=y; pct=0",
                                  "v=DMARC1; p=quarantine" + kRest));

  broken_ = true;
  for (int i = 0; i < 8; ++i) Day();
  EXPECT_EQ(Now().status, RolloutStatus::kPaused);
  EXPECT_EQ(steps_.size(), 2u);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const RolloutExplanation told,
                                controller_->Explain("example.com", id_));
  EXPECT_THAT(told.text, HasSubstr("paused"));
  EXPECT_THAT(told.text, HasSubstr("dmarcate rollout resume example.com"));

  broken_ = false;
  for (int i = 0; i < 3; ++i) Day();
  EXPECT_EQ(Now().status, RolloutStatus::kPaused);
  const uint64_t revision = rollouts_.GetRollout("example.com", id_)->revision;
  ASSERT_THAT(controller_->Resume(
                  {.domain = "example.com", .id = id_, .revision = revision, .principal = "ann"}),
              IsOk());
  days = 0;
  while (Now().status != RolloutStatus::kCompleted && days++ < 120) Day();
  EXPECT_EQ(Now().status, RolloutStatus::kCompleted)
      << controller_->Explain("example.com", id_)->text;
  EXPECT_THAT(steps_, ElementsAre("v=DMARC1; p=quarantine" + kRest + "; t=y; pct=0",
                                  "v=DMARC1; p=quarantine" + kRest,
                                  "v=DMARC1; p=reject" + kRest + "; t=y; pct=0",
                                  "v=DMARC1; p=reject" + kRest));

  // With ingestd's store gone an abort is still one call.
  writer_.reset();
  ASSERT_THAT(controller_->Abort({.domain = "example.com", .id = id_, .principal = "ann"},
                                 PolicyStage::kObserve),
              IsOk());
  EXPECT_EQ(Live(), "v=DMARC1; p=none" + kRest);
}

}  // namespace
}  // namespace dmarcate
