// The record of an MTA-STS policy on a real PowerDNS, its HTTP API and its wire, beside a real
// https server with an authority of its own: the file first, then its id; and the way back.

#include <memory>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/http/curl_transport.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/fake_policy_store.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/plan/guard.h"
#include "policyd/provider/factory.h"
#include "policyd/provider/secret_source.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/reason.h"
#include "policyd/reconcile/sts_files.h"
#include "tests/lib/inbound/sts_server.h"
#include "tests/testing/servers.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using inbound_testing::StsServer;
using testing::HasSubstr;
using testing::UnorderedElementsAre;
using testing_support::IsOk;
using testing_support::MakeZone;
using testing_support::RealPowerDns;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

std::string File(MtaStsMode mode) {
  return RenderStsFile({mode, absl::Hours(24), {"mx1.example.com"}});
}

class MtaStsEndToEnd : public testing::Test {
 protected:
  void SetUp() override {
    DMARCATE_ASSERT_OK_AND_ASSIGN(
        dns_, RealPowerDns::Start({MakeZone("example.com",
                                            "@ MX 10 mx1\n"
                                            "mx1 A 127.0.0.1\n"
                                            "mta-sts A 127.0.0.1\n"
                                            "_mta-sts TXT \"verification=stays\"\n")}));
    DMARCATE_ASSERT_OK_AND_ASSIGN(web_, StsServer::Start("not yet"));
    strangers_ = std::make_unique<CurlTransport>(CurlTransportOptions{
        .schemes = CurlTransportOptions::Schemes::kHttpsOnly, .ca_file = web_->ca_file()});
    Connect();
  }

  // An engine over the name server as it is now.
  void Connect() {
    engine_.reset();
    DnsConfig config;
    config.stubs = {{Name("example.com"), {dns_->server()}}};
    DMARCATE_ASSERT_OK_AND_ASSIGN(resolver_, LdnsResolver::Create(config, clock_));
    DMARCATE_ASSERT_OK_AND_ASSIGN(authoritative_,
                                  LdnsAuthoritativeResolver::Create(config, *resolver_));
    secrets_ = std::make_unique<FakeSecretSource>(
        std::map<std::string, std::string, std::less<>>{{"pdns", dns_->api_key()}});
    providers_ = std::make_unique<RealProviderFactory>(http_, *secrets_);
    files_ = std::make_unique<StsFiles>(
        *resolver_, *strangers_, [] { return true; },
        MtaStsFetchOptions{.guard = {{IpNetwork::Parse("127.0.0.0/8").value()}},
                           .port = web_->port()});
    policies_ = std::make_unique<FakePolicyStore>();
    DnsProviderRecord provider;
    provider.id = "pdns";
    provider.type = "powerdns";
    provider.settings = {{"api_url", dns_->api_url()}};
    provider.zones = {"example.com"};
    provider.secret_name = "pdns";
    ASSERT_THAT(policies_->PutProvider(provider), IsOk());
    DomainRecord domain;
    domain.name = "example.com";
    domain.dns_provider = "pdns";
    ASSERT_THAT(policies_->PutDomain(domain), IsOk());
    engine_ = std::make_unique<ChangeEngine>(ChangeWorld{*policies_, *providers_, *resolver_,
                                                         *authoritative_, *suffixes_, clock_,
                                                         random_, pacer_, files_.get()});
  }

  ChangeRecord Plan(const std::string& file, const std::string& rollout = "") {
    ChangeIntent intent;
    intent.mta_sts = StsAnnouncement{file, "", rollout};
    const auto change = engine_->Plan("example.com", intent, "ann");
    EXPECT_TRUE(change.ok()) << change.status();
    return change.value_or(ChangeRecord{});
  }
  absl::StatusOr<ChangeRecord> Apply(const ChangeRecord& change) {
    return engine_->Apply({.domain = change.domain,
                           .id = change.id,
                           .plan_digest = change.plan_digest,
                           .revision = change.revision,
                           .principal = "ann"});
  }
  // Plans and writes; what is served must be `file` already.
  ChangeRecord Publish(const std::string& file, const std::string& rollout = "") {
    const ChangeRecord plan = Plan(file, rollout);
    EXPECT_EQ(Refusal(plan), "");
    const auto done = Apply(plan);
    EXPECT_THAT(done, IsOk());
    if (!done.ok()) return plan;
    EXPECT_EQ(done->state, ChangeState::kSucceeded) << done->error_message;
    return *done;
  }
  static std::string Refusal(const ChangeRecord& change) {
    const GuardRecord* guard = FindRefusal(change.guards);
    return guard == nullptr ? "" : fmt::format("{}: {}", guard->code, guard->message);
  }

  // As the server answers on the wire.
  std::vector<std::string> Live() {
    const auto answer = authoritative_->LookupAll(Name("_mta-sts.example.com"), RrType::kTxt,
                                                  /*over_tcp=*/true);
    std::vector<std::string> texts;
    if (!answer.ok()) return {"?"};
    const auto first = answer->First();
    if (!first.ok()) return {"?"};
    for (const TxtRecord& record : first->txt) texts.push_back(record.Joined());
    return texts;
  }

  SystemClock clock_;
  SystemRandom random_;
  SystemPacer pacer_;
  std::unique_ptr<RealPowerDns> dns_;
  std::unique_ptr<StsServer> web_;
  std::unique_ptr<LdnsResolver> resolver_;
  std::unique_ptr<LdnsAuthoritativeResolver> authoritative_;
  std::unique_ptr<FakeSecretSource> secrets_;
  CurlTransport http_;
  std::unique_ptr<CurlTransport> strangers_;
  std::unique_ptr<StsFiles> files_;
  std::unique_ptr<RealProviderFactory> providers_;
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  std::unique_ptr<FakePolicyStore> policies_;
  std::unique_ptr<ChangeEngine> engine_;
};

constexpr std::string_view kSibling = "verification=stays";

TEST_F(MtaStsEndToEnd, TheFileGoesBeforeItsId) {
  const std::string testing_file = File(MtaStsMode::kTesting);
  EXPECT_THAT(Refusal(Plan(testing_file)), HasSubstr("MTA_STS_FILE: https://mta-sts.example.com/"))
      << "nothing is served yet";
  web_->Serve(testing_file + "\r\n");
  EXPECT_THAT(Refusal(Plan(testing_file)), HasSubstr("line 5 is too much"));
  EXPECT_THAT(Live(), UnorderedElementsAre(kSibling));

  web_->Serve(testing_file);
  Publish(testing_file);
  const std::string first = StsRecordText(StsId(testing_file, 1));
  EXPECT_THAT(Live(), UnorderedElementsAre(kSibling, first));
  EXPECT_EQ(Plan(testing_file).state, ChangeState::kSucceeded) << "it is there already";

  // Served, planned, and then taken back: asked again before it is written.
  const std::string enforce_file = File(MtaStsMode::kEnforce);
  web_->Serve(enforce_file);
  const ChangeRecord stale = Plan(enforce_file, "r1");
  EXPECT_EQ(Refusal(stale), "");
  web_->Serve(testing_file);
  const auto refused = Apply(stale);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(ErrorReasonOf(refused.status())->code, "GUARD_REFUSED") << refused.status();
  EXPECT_THAT(Live(), UnorderedElementsAre(kSibling, first));

  web_->Serve(enforce_file);
  Publish(enforce_file, "r1");
  EXPECT_THAT(Live(), UnorderedElementsAre(kSibling, StsRecordText(StsId(enforce_file, 2))));
  // The file of before again has another id than before.
  web_->Serve(testing_file);
  Publish(testing_file);
  EXPECT_THAT(Live(), UnorderedElementsAre(kSibling, StsRecordText(StsId(testing_file, 3))));
}

TEST_F(MtaStsEndToEnd, EnforceNamesEveryServer) {
  const std::string file =
      RenderStsFile({MtaStsMode::kEnforce, absl::Hours(24 * 30), {"mx2.example.com"}});
  web_->Serve(file);
  EXPECT_THAT(Refusal(Plan(file, "r1")),
              HasSubstr("MTA_STS_MX: the file does not name mx1.example.com"));
  const std::string named = File(MtaStsMode::kEnforce);
  web_->Serve(named);
  EXPECT_THAT(Refusal(Plan(named)), HasSubstr("MTA_STS_MODE: "));
  EXPECT_EQ(Refusal(Plan(named, "r1")), "");
  EXPECT_THAT(Live(), UnorderedElementsAre(kSibling));
}

TEST_F(MtaStsEndToEnd, SaysWhatStandsInItsWay) {
  const std::string file = File(MtaStsMode::kTesting);
  web_->Serve(file);
  const auto put = [this](const std::string& record) {
    dns_ = RealPowerDns::Start(
               {MakeZone("example.com",
                         "@ MX 10 mx1\nmx1 A 127.0.0.1\nmta-sts A 127.0.0.1\n" + record)})
               .value();
    Connect();
  };
  put("_mta-sts TXT \"v=STSv1; id=1;\"\n_mta-sts TXT \"v=STSv1; id=2;\"\n");
  EXPECT_THAT(Refusal(Plan(file)), HasSubstr("MTA_STS_RECORD: there are 2 MTA-STS records"));
  put("_mta-sts CNAME policy\npolicy TXT \"v=STSv1; id=1;\"\n");
  EXPECT_THAT(Refusal(Plan(file)), HasSubstr("CNAME_AT_NAME: _mta-sts.example.com is a CNAME to"));
}

TEST_F(MtaStsEndToEnd, IsWithdrawnByModeNone) {
  const std::string testing_file = File(MtaStsMode::kTesting);
  web_->Serve(testing_file);
  const ChangeRecord first = Publish(testing_file);
  EXPECT_THAT(Refusal(Plan("")), HasSubstr("MTA_STS_FILE: the policy at"));
  const std::string none = File(MtaStsMode::kNone);
  web_->Serve(none);
  Publish(none);
  EXPECT_THAT(Live(), UnorderedElementsAre(kSibling, StsRecordText(StsId(none, 2))));
  Publish("");
  EXPECT_THAT(Live(), UnorderedElementsAre(kSibling));
}

TEST_F(MtaStsEndToEnd, ARollbackBringsBackTheBytes) {
  const std::string testing_file = File(MtaStsMode::kTesting);
  web_->Serve(testing_file);
  const ChangeRecord first = Publish(testing_file);
  web_->Serve(File(MtaStsMode::kEnforce));
  const ChangeRecord second = Publish(File(MtaStsMode::kEnforce), "r1");
  const auto stored = policies_->GetChange("example.com", second.id);
  ASSERT_THAT(stored, IsOk());
  const auto back = engine_->Rollback(
      {.domain = "example.com", .id = second.id, .revision = stored->revision, .principal = "ann"});
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->state, ChangeState::kSucceeded) << back->error_message;
  EXPECT_THAT(Live(), UnorderedElementsAre(kSibling, StsRecordText(StsId(testing_file, 1))));
}

}  // namespace
}  // namespace dmarcate
