// A domain goes from no MTA-STS to enforce and back on a real PowerDNS, its HTTP API and its wire,
// and policyd's HTTP port, with time that the test moves and a mail server whose STARTTLS breaks on
// the way. Stores are in memory; reports go through the store as ingestd writes it; what mail
// servers show is given; all that decides, gathers, serves and publishes is real.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/digest.h"
#include "lib/base/ip_address.h"
#include "lib/base/random.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/http/curl_transport.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/fake_insight_store.h"
#include "lib/store/fake_policy_store.h"
#include "lib/store/fake_rollout_rules_store.h"
#include "lib/store/fake_rollout_store.h"
#include "lib/store/rocks_report_store.h"
#include "policyd/gateway/http_port.h"
#include "policyd/gateway/pages.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/provider/factory.h"
#include "policyd/provider/secret_source.h"
#include "policyd/reconcile/mta_sts_controller.h"
#include "policyd/reconcile/mta_sts_served.h"
#include "policyd/service/mta_sts_evidence.h"
#include "policyd/service/report_follower.h"
#include "tests/testing/servers.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::MakeZone;
using testing_support::RealPowerDns;

constexpr absl::Time kBegin = absl::FromUnixSeconds(1'767'571'200);  // Monday 2026-01-05

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

// policyd's HTTP port, as the proxy that has the certificate asks it.
class ProxiedFiles final : public StsFileSource {
 public:
  absl::StatusOr<ServedStsFile> Fetch(const DomainName& domain) override {
    HttpRequest request;
    request.url = fmt::format("http://mta-sts.{}/.well-known/mta-sts.txt", domain.text());
    request.connect_to = fmt::format("127.0.0.1:{}", port);
    DMARCATE_ASSIGN_OR_RETURN(HttpResponse response, http_.Send(request));
    if (response.status != 200) {
      return MakeError(absl::StatusCode::kNotFound,
                       fmt::format("the web server answers {}", response.status));
    }
    const bool plain = response.Header("content-type").value_or("").starts_with("text/plain");
    return ServedStsFile{std::move(response.body), plain};
  }
  uint16_t port = 0;

 private:
  CurlTransport http_;
};

class MtaStsEndToEnd : public testing::Test {
 protected:
  void SetUp() override {
    DMARCATE_ASSERT_OK_AND_ASSIGN(
        dns_, RealPowerDns::Start(
                  {MakeZone("example.com",
                            "@ TXT \"v=spf1 -all\"\n"
                            "@ MX 10 mx1\n"
                            "@ MX 20 mx2\n"
                            "_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:t@example.com\"\n")}));
    DnsConfig config;
    config.stubs = {{Name("example.com"), {dns_->server()}}};
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
    DMARCATE_ASSERT_OK_AND_ASSIGN(writer_, RocksReportWriter::Open(directory_.File("reports")));
    reports_ =
        std::make_unique<ReportFollower>([this]() -> absl::StatusOr<std::unique_ptr<ReportReader>> {
          return RocksReportReader::Follow(directory_.File("reports"), directory_.File("follower"),
                                           absl::ZeroDuration());
        });
    ASSERT_THAT(reports_->Tick(), IsOk());
    DMARCATE_ASSERT_OK_AND_ASSIGN(port_, HttpPort::Start(IpAddress::Parse("127.0.0.1").value(), 0,
                                                         [this](const HttpQuestion& question) {
                                                           return AnswerPage(question, pages_);
                                                         }));
    files_.port = port_->port();
    engine_ = std::make_unique<ChangeEngine>(ChangeWorld{policies_, *providers_, *resolver_,
                                                         *authoritative_, *suffixes_, clock_,
                                                         random_, pacer_, &files_});
    evidence_ = std::make_unique<MtaStsEvidence>(
        StsSources{policies_,
                   insights_,
                   *reports_,
                   *resolver_,
                   *authoritative_,
                   files_,
                   [this](const DomainName&, const MxPosture& mx, const MtaStsPosture&,
                          absl::Duration, const std::function<bool()>&) { return Look(mx); },
                   clock_,
                   {directory_.path()},
                   false,
                   &rules_});
    controller_ = std::make_unique<MtaStsController>(
        StsWorld{policies_, rollouts_, *engine_, *evidence_, clock_, random_},
        RolloutControllerOptions{.patience = absl::InfiniteDuration()});
  }

  // Each host of the live MX records, well but for the first one while `broken_`.
  InboundPosture Look(const MxPosture& mx) const {
    InboundPosture out;
    for (const MxRecord& record : mx.records) {
      MailServerPosture server;
      server.host = server.asked_for = record.exchange;
      server.addresses = HostAddresses{{IpAddress::Parse("192.0.2.25").value()}};
      ProbedAddress seen;
      seen.probe.stage = SmtpStage::kDone;
      seen.probe.starttls_offered = true;
      seen.probe.tls_version = "TLSv1.3";
      seen.probe.tls_current = true;
      seen.probe.chain = {"a certificate"};
      if (broken_ && out.servers.empty()) {
        seen.probe = SmtpProbe();
        seen.probe.stage = SmtpStage::kStartTls;
      }
      server.probes.push_back(std::move(seen));
      out.servers.push_back(std::move(server));
    }
    return out;
  }

  // As the server answers on the wire; empty: there is none.
  std::string Live() {
    const auto answer = authoritative_->LookupAll(Name("_mta-sts.example.com"), RrType::kTxt,
                                                  /*over_tcp=*/true);
    if (!answer.ok()) return "?";
    const auto first = answer->First();
    if (!first.ok()) return "?";
    std::string text;
    for (const TxtRecord& record : first->txt) text += record.Joined();
    return text;
  }
  std::string Served() {
    const auto file = files_.Fetch(Name("example.com"));
    return file.ok() ? file->body : "";
  }

  // The TLS reports of one day by two receivers, under the policy that is served.
  void Report(DayNumber day) {
    const std::string policy = Served();
    for (const std::string name : {"google.com", "microsoft.com"}) {
      StoredTlsReport report;
      const std::string id = name + std::to_string(day);
      report.key = {"example.com", day, 0, 0};
      report.report.organization_name = name;
      report.report.report_id = id;
      report.report.begin = absl::ToUnixSeconds(StartOfDay(day));
      report.report.end = report.report.begin + 86'399;
      TlsReport::PolicyResult result;
      result.policy_type = "sts";
      result.policy_domain = "example.com";
      for (std::string_view line : Split(policy, '\n')) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (!line.empty()) result.policy_strings.push_back(std::string(line));
      }
      result.successful_sessions = 100;
      report.report.policies.push_back(std::move(result));
      report.trust = TrustClass::kAnchored;
      report.reporter_key = name;
      report.received_time = clock_.Now();
      report.document_sha256 = Sha256(id);
      CommitBatch accepted;
      accepted.accepted.push_back({.receipt = {.received_time = clock_.Now()}, .raw = id});
      const auto receipt = writer_->Commit(std::move(accepted), Sync::kYes);
      ASSERT_THAT(receipt, IsOk());
      report.key.receipt = receipt->accepted.front();
      CommitBatch processed;
      processed.processed.push_back({.receipt = report.key.receipt});
      processed.processed.front().items.push_back(
          {.item = {.outcome = Outcome::kAccepted, .kind = std::string(kTlsKind)},
           .tls = std::move(report)});
      ASSERT_THAT(writer_->Commit(std::move(processed), Sync::kYes), IsOk());
    }
    ASSERT_THAT(reports_->Tick(), IsOk());
  }

  // policyd's ticks, a few in an hour.
  void Hours(int hours) {
    for (int i = 0; i < 6 * hours; ++i) {
      clock_.Advance(absl::Minutes(10));
      const std::string before = Live();
      const absl::Status ticked = controller_->Tick();
      ASSERT_TRUE(ticked.ok()) << ticked;
      const std::string now = Live();
      if (now == before) continue;
      steps_.push_back(now);
      if (now.empty()) continue;
      // What is announced is what is served, and what the rollout believes.
      EXPECT_TRUE(IsStsIdOf(Served(), Now().record_id)) << Served();
      EXPECT_EQ(now, StsRecordText(Now().record_id));
    }
  }
  void Days(int days) {
    for (int i = 0; i < days; ++i) {
      if (writer_ != nullptr && !Served().empty()) Report(DayOf(clock_.Now()) - 1);
      clock_.Advance(absl::Hours(22));
      Hours(2);
    }
  }
  StsState Now() {
    return ToStsRollout(rollouts_.GetRollout("example.com", id_).value()).value().state;
  }
  RolloutRequest Asked() {
    return {.domain = "example.com",
            .id = id_,
            .revision = rollouts_.GetRollout("example.com", id_)->revision,
            .principal = "ann"};
  }
  std::string Explained() { return controller_->Explain("example.com", id_)->text; }
  // A person's yes to what is explained.
  absl::Status SayYes() {
    DMARCATE_ASSIGN_OR_RETURN(const StsExplanation told, controller_->Explain("example.com", id_));
    return controller_->Advance({.rollout = Asked(), .stage = told.step.to, .file = told.step.file})
        .status();
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
  FakeRolloutRulesStore rules_;
  FakeInsightStore insights_;
  std::unique_ptr<ReportWriter> writer_;
  std::unique_ptr<ReportFollower> reports_;
  MtaStsServed served_{rollouts_, clock_};
  const PageSources pages_{
      .is_ready = [] { return true; },
      .sts_file = [this](const DomainName& domain) { return served_.Find(domain); }};
  std::unique_ptr<HttpPort> port_;
  ProxiedFiles files_;
  std::unique_ptr<ChangeEngine> engine_;
  std::unique_ptr<MtaStsEvidence> evidence_;
  std::unique_ptr<MtaStsController> controller_;
  std::string id_;
  std::vector<std::string> steps_;  // of the record
  bool broken_ = false;
};

TEST_F(MtaStsEndToEnd, OffToEnforceAPauseAndBack) {
  StsState state;
  state.domain = "example.com";
  state.settings.mx = {"mx1.example.com", "mx2.example.com"};
  for (bool& day : state.settings.hours.days) day = true;
  DMARCATE_ASSERT_OK_AND_ASSIGN(const StsRollout rollout,
                                controller_->Create(state, "ann", RunMode::kExecute));
  id_ = rollout.state.id;
  Hours(2);
  EXPECT_EQ(Served(), "");
  EXPECT_EQ(Live(), "");
  EXPECT_THAT(Explained(), AllOf(HasSubstr("ready for testing"),
                                 HasSubstr("next: dmarcate mta-sts advance example.com")));

  RolloutRules rules;
  rules.domain = "example.com";
  rules.suspended = true;
  rules.suspend_reason = "a merger";
  DMARCATE_ASSERT_OK_AND_ASSIGN(rules, rules_.PutRolloutRules(rules));
  EXPECT_THAT(Explained(), HasSubstr("frozen: the domain is suspended: a merger"));
  EXPECT_FALSE(SayYes().ok());
  rules.suspended = false;
  ASSERT_TRUE(rules_.PutRolloutRules(rules).ok());

  ASSERT_THAT(SayYes(), IsOk());
  EXPECT_THAT(Served(), HasSubstr("mode: testing"));
  EXPECT_EQ(Live(), "") << "the file first, then its id";
  Hours(1);
  EXPECT_EQ(Now().stage, StsStage::kTesting) << Explained();
  ASSERT_EQ(steps_.size(), 1u);

  EXPECT_FALSE(SayYes().ok());
  Days(17);
  ASSERT_EQ(steps_.size(), 1u);
  EXPECT_THAT(Explained(), HasSubstr("ready for enforce"));
  ASSERT_THAT(SayYes(), IsOk()) << Explained();
  Hours(1);
  EXPECT_EQ(Now().stage, StsStage::kEnforce) << Explained();
  ASSERT_EQ(steps_.size(), 2u);
  EXPECT_THAT(Served(), HasSubstr("mode: enforce"));
  Days(1);
  EXPECT_EQ(Now().status, RolloutStatus::kCompleted);

  broken_ = true;
  Hours(6);
  EXPECT_EQ(Now().pause_reason, StsPause::kMx) << Explained();
  EXPECT_THAT(Explained(), AllOf(HasSubstr("mx1.example.com: no STARTTLS"),
                                 HasSubstr("next: dmarcate mta-sts resume example.com")));
  EXPECT_EQ(steps_.size(), 2u);
  broken_ = false;
  Hours(6);
  EXPECT_EQ(Now().status, RolloutStatus::kPaused);
  ASSERT_THAT(controller_->Resume(Asked()), IsOk());
  Hours(2);
  EXPECT_EQ(Now().status, RolloutStatus::kCompleted) << Explained();

  // With ingestd's store gone a withdrawal is still one call.
  writer_.reset();
  ASSERT_THAT(controller_->Abort(Asked(), StsStage::kOff), IsOk());
  EXPECT_EQ(Served(), "version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n");
  Hours(1);
  EXPECT_EQ(Now().stage, StsStage::kWithdrawn) << Explained();
  ASSERT_EQ(steps_.size(), 3u);
  Days(29);
  EXPECT_EQ(steps_.size(), 3u) << "senders may keep the policy of enforce for 30 days";
  Days(3);
  EXPECT_EQ(Now().stage, StsStage::kOff) << Explained();
  EXPECT_EQ(Now().status, RolloutStatus::kAborted);
  EXPECT_EQ(Live(), "");
  EXPECT_EQ(Served(), "");
}

}  // namespace
}  // namespace dmarcate
