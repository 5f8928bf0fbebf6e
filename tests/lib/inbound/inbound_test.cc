// All of it together: a DNS in memory, real mail servers on loopback.
#include "lib/inbound/inbound.h"

#include <cstdlib>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/dns/fake_resolver.h"
#include "lib/http/fake_transport.h"
#include "tests/lib/inbound/smtp_server.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using inbound_testing::GoodServer;
using inbound_testing::Identity;
using inbound_testing::ServerSide;
using inbound_testing::SmtpServer;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

std::vector<std::string> Codes(const Judgement& judgement) {
  std::vector<std::string> codes;
  for (const LintFinding& finding : judgement.findings) codes.push_back(finding.code);
  return codes;
}

// DNSSEC does not vouch for what is at `names`.
class PartlySigned final : public Resolver {
 public:
  PartlySigned(Resolver& all, const std::set<DomainName>& names) : all_(all), names_(names) {}
  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override {
    auto answer = all_.Lookup(name, type);
    if (answer.ok() && names_.contains(name)) answer->validated = false;
    return answer;
  }

 private:
  Resolver& all_;
  const std::set<DomainName>& names_;
};

class InboundTest : public testing::Test {
 protected:
  InboundTest() {
    trust_ = TrustStore::Load(directory_.Write("ca.pem", root_.CertificatePem())).value();
    options_.guard.allow = {IpNetwork::Parse("127.0.0.0/8").value()};
    options_.smtp_port = testing_support::FreePort();
    dns_.SetValidated(true);
    dns_.SetMx(domain_, {{10, Name("mx1.example.com")}, {20, Name("mx2.example.com")}});
    dns_.SetA(Name("mx1.example.com"), {"127.0.2.1"});
    dns_.SetA(Name("mx2.example.com"), {"127.0.2.2"});
    dns_.SetTxt(Name("_mta-sts.example.com"), {"v=STSv1; id=1"});
    dns_.SetA(Name("mta-sts.example.com"), {"8.8.8.8"});
  }
  static inbound_testing::CertificateWish Wish(std::string name, bool authority = false) {
    return {.subject = name,
            .names = {name},
            .not_before = absl::Now() - absl::Hours(1),
            .not_after = absl::Now() + absl::Hours(24 * 60),
            .authority = authority};
  }
  std::string Tlsa(const Identity& identity) const {
    return "3 1 1 " + Sha256Hex(identity.SpkiDer());
  }
  InboundPosture Inspect() {
    PostureOptions records;
    records.server_views = ServerViews::kSkip;
    const MxPosture mx = InspectMx(domain_, dns_, nobody_, records);
    const MtaStsPosture mta_sts =
        InspectMtaSts(domain_, MayReceiveMail(mx), dns_, nobody_, records);
    dns_.ClearQueries();
    return InspectInbound(domain_, mx, mta_sts, {partly_signed_, http_, *trust_, clock_}, options_);
  }

  const DomainName domain_ = Name("example.com");
  const testing_support::TempDir directory_;
  const Identity root_ = Identity::SelfSigned(Wish("root", true));
  const Identity one_ = root_.Sign(Wish("mx1.example.com"));
  const Identity two_ = root_.Sign(Wish("mx2.example.com"));
  std::unique_ptr<TrustStore> trust_;
  FakeResolver dns_;
  std::set<DomainName> unsigned_;
  PartlySigned partly_signed_{dns_, unsigned_};
  FakeAuthoritativeResolver nobody_;
  FakeHttpTransport http_{[](const HttpRequest&) {
    return HttpResponse{.status = 200,
                        .headers = {{"content-type", "text/plain"}},
                        .body =
                            "version: STSv1\nmode: enforce\nmx: *.example.com\n"
                            "max_age: 2592000\n"};
  }};
  SystemClock clock_;
  InboundOptions options_;
};

TEST_F(InboundTest, ADomainThatIsInOrderPasses) {
  dns_.SetTexts(Name("_25._tcp.mx1.example.com"), RrType::kTlsa, {Tlsa(one_)});
  const SmtpServer first("127.0.2.1", options_.smtp_port, GoodServer({one_}));
  const SmtpServer second("127.0.2.2", options_.smtp_port, GoodServer({two_}));
  const InboundPosture posture = Inspect();
  EXPECT_EQ(posture.verdict, Verdict::kPass);
  EXPECT_EQ(posture.policy.judgement.reason, "mode enforce for 30 days");
  ASSERT_THAT(posture.servers, SizeIs(2));
  EXPECT_EQ(posture.servers[0].host.text(), "mx1.example.com");
  EXPECT_EQ(posture.servers[0].preference, 10);
  EXPECT_EQ(posture.servers[0].judgement.reason,
            "TLSv1.3, a certificate that verifies, DANE matches");
  EXPECT_EQ(posture.servers[1].judgement.reason, "TLSv1.3, a certificate that verifies");
  ASSERT_THAT(posture.servers[0].probes, SizeIs(1));
  ASSERT_THAT(posture.servers[0].probes[0].certificates, SizeIs(1));
  EXPECT_EQ(posture.servers[0].probes[0].certificates[0].sha256, Sha256Hex(one_.Der()));
  ASSERT_THAT(posture.servers[0].dane.records, SizeIs(1));
  EXPECT_TRUE(posture.servers[0].dane.records[0].matches);
}

TEST_F(InboundTest, ACertificateFailsWhereThePolicyIsEnforced) {
  const SmtpServer first("127.0.2.1", options_.smtp_port, GoodServer({one_}));
  const SmtpServer second("127.0.2.2", options_.smtp_port, GoodServer({one_}));
  InboundPosture posture = Inspect();
  EXPECT_EQ(posture.verdict, Verdict::kFail);
  EXPECT_EQ(posture.servers[0].judgement.verdict, Verdict::kPass);
  EXPECT_THAT(Codes(posture.servers[1].judgement), Contains("MX_CERTIFICATE_NAME"));
  // A policy that nobody is told of asks for nothing.
  dns_.SetTxt(Name("_mta-sts.example.com"), {});
  posture = Inspect();
  EXPECT_EQ(posture.servers[1].judgement.verdict, Verdict::kPass);
  EXPECT_EQ(posture.policy.judgement.verdict, Verdict::kWarn);
  EXPECT_EQ(posture.verdict, Verdict::kWarn);
}

TEST_F(InboundTest, ATlsaRecordOfAnotherKeyFails) {
  dns_.SetTexts(Name("_25._tcp.mx1.example.com"), RrType::kTlsa, {Tlsa(two_)});
  const SmtpServer first("127.0.2.1", options_.smtp_port, GoodServer({one_}));
  const SmtpServer second("127.0.2.2", options_.smtp_port, GoodServer({two_}));
  InboundPosture posture = Inspect();
  EXPECT_THAT(Codes(posture.servers[0].judgement), Contains("DANE_MISMATCH"));
  EXPECT_EQ(posture.verdict, Verdict::kFail);
  dns_.SetValidated(false);
  posture = Inspect();
  EXPECT_THAT(Codes(posture.servers[0].judgement), Contains("DANE_INSECURE"));
  EXPECT_THAT(Codes(posture.servers[0].judgement), Not(Contains("DANE_MISMATCH")));
  EXPECT_EQ(posture.servers[0].judgement.verdict, Verdict::kWarn);
}

// RFC 7672 section 2.2.3: which name is the TLSA base domain, for which the certificate is asked.
class AliasTest : public InboundTest {
 protected:
  AliasTest() {
    dns_.SetMx(domain_, {{10, Name("mx1.example.com")}});
    dns_.Remove(Name("mx1.example.com"));
    dns_.SetCname(Name("mx1.example.com"), real_);
    dns_.SetA(real_, {"127.0.2.1"});
  }
  void SetTlsa(const std::string& host, const std::string& record) {
    dns_.SetTexts(Name("_25._tcp." + host), RrType::kTlsa, {record});
  }
  // The one server, once it has been asked for a certificate.
  MailServerPosture InspectServer(const Identity& identity) {
    const SmtpServer server("127.0.2.1", options_.smtp_port,
                            GoodServer({identity, root_}, nullptr, &server_name_));
    return Inspect().servers.at(0);
  }
  const DomainName real_ = Name("real.example.net");
  const Identity real_identity_ = root_.Sign(Wish("real.example.net"));
  const std::string root_tlsa_ = "2 1 1 " + Sha256Hex(root_.SpkiDer());
  std::string server_name_;
};

TEST_F(AliasTest, ASecureAliasLeadsToTheBaseDomain) {
  SetTlsa("real.example.net", root_tlsa_);
  SetTlsa("mx1.example.com", Tlsa(two_));
  const MailServerPosture server = InspectServer(real_identity_);
  EXPECT_EQ(server.dane.base, real_);
  EXPECT_EQ(server.dane.owner.text(), "_25._tcp.real.example.net");
  EXPECT_EQ(server_name_, "real.example.net");
  ASSERT_EQ(server.dane.records.size(), 1u);
  EXPECT_TRUE(server.dane.records[0].matches) << "the certificate is for the base domain";
  EXPECT_THAT(Codes(server.judgement), Not(Contains("DANE_MISMATCH")));
  // What senders see that do MTA-STS, which the policy enforces, they ask for by another name.
  EXPECT_EQ(server.judgement.verdict, Verdict::kUnknown);
  EXPECT_THAT(server.judgement.reason, HasSubstr("for mx1.example.com was not seen"));
}

TEST_F(AliasTest, ACertificateForBothNamesPasses) {
  SetTlsa("real.example.net", root_tlsa_);
  auto wish = Wish("real.example.net");
  wish.names.push_back("mx1.example.com");
  EXPECT_EQ(InspectServer(root_.Sign(wish)).judgement.verdict, Verdict::kPass);
}

TEST_F(AliasTest, TheBaseDomainIsWhatTheCertificateHasToBeFor) {
  SetTlsa("real.example.net", root_tlsa_);
  EXPECT_THAT(Codes(InspectServer(one_).judgement), Contains("DANE_MISMATCH"))
      << "it is for the alias";
}

TEST_F(AliasTest, WithoutRecordsThereTheHostIsTheBaseDomain) {
  SetTlsa("mx1.example.com", Tlsa(two_));
  const MailServerPosture server = InspectServer(one_);
  EXPECT_EQ(server.dane.base.text(), "mx1.example.com");
  EXPECT_EQ(server.dane.owner.text(), "_25._tcp.mx1.example.com");
  EXPECT_EQ(server_name_, "mx1.example.com");
  EXPECT_THAT(Codes(server.judgement), Contains("DANE_MISMATCH"));
}

TEST_F(AliasTest, RecordsThatAreNotSignedAreNotTheBaseDomains) {
  SetTlsa("real.example.net", Tlsa(two_));
  unsigned_ = {Name("_25._tcp.real.example.net")};
  MailServerPosture server = InspectServer(one_);
  EXPECT_EQ(server.dane.base, real_) << "there are no others, so these are told of";
  EXPECT_THAT(Codes(server.judgement), Contains("DANE_INSECURE"));
  EXPECT_EQ(server_name_, "mx1.example.com");
  SetTlsa("mx1.example.com", Tlsa(one_));
  server = InspectServer(one_);
  EXPECT_EQ(server.dane.base.text(), "mx1.example.com");
  EXPECT_TRUE(server.dane.secure);
  EXPECT_EQ(server.judgement.verdict, Verdict::kPass);
}

TEST_F(AliasTest, AnAliasThatIsNotSecureIsNotProtected) {
  unsigned_ = {Name("mx1.example.com")};  // the answer about it, with all that it leads through
  SetTlsa("real.example.net", Tlsa(one_));
  SetTlsa("mx1.example.com", Tlsa(one_));
  const MailServerPosture server = InspectServer(one_);
  EXPECT_EQ(server.dane.base.text(), "mx1.example.com");
  EXPECT_FALSE(server.dane.secure);
  EXPECT_THAT(Codes(server.judgement), Contains("DANE_INSECURE"));
  EXPECT_THAT(server.judgement.reason, Not(HasSubstr("DANE matches")));
  EXPECT_EQ(server_name_, "mx1.example.com");
}

TEST_F(InboundTest, WithoutAListOfAuthoritiesCertificatesAreUnknown) {
  setenv("SSL_CERT_FILE", directory_.File("none").c_str(), 1);
  setenv("SSL_CERT_DIR", directory_.File("none").c_str(), 1);
  trust_ = TrustStore::Load().value();
  const SmtpServer first("127.0.2.1", options_.smtp_port, GoodServer({one_}));
  const SmtpServer second("127.0.2.2", options_.smtp_port, GoodServer({two_}));
  const InboundPosture posture = Inspect();
  unsetenv("SSL_CERT_FILE");
  unsetenv("SSL_CERT_DIR");
  EXPECT_EQ(posture.verdict, Verdict::kUnknown);
  EXPECT_EQ(posture.policy.judgement.verdict, Verdict::kUnknown);
  EXPECT_THAT(posture.policy.judgement.reason, HasSubstr("no list of public authorities"));
  EXPECT_THAT(http_.requests(), IsEmpty()) << "no answer could be believed";
  for (const MailServerPosture& server : posture.servers) {
    EXPECT_EQ(server.judgement.verdict, Verdict::kUnknown);
    EXPECT_THAT(server.judgement.reason, HasSubstr("no list of public authorities"));
    EXPECT_THAT(server.judgement.fix, HasSubstr("ca-certificates"));
    EXPECT_THAT(Codes(server.judgement), IsEmpty());
  }
}

TEST_F(InboundTest, ABlockedPortIsUnknown) {
  const InboundPosture posture = Inspect();
  EXPECT_EQ(posture.verdict, Verdict::kUnknown);
  EXPECT_EQ(posture.servers[0].judgement.verdict, Verdict::kUnknown);
  EXPECT_THAT(posture.servers[0].judgement.fix, HasSubstr("often blocked"));
  EXPECT_EQ(posture.policy.judgement.verdict, Verdict::kPass);
}

TEST_F(InboundTest, WithoutAnAllowedNetworkNothingIsConnectedTo) {
  options_.guard.allow.clear();
  dns_.SetA(Name("mta-sts.example.com"), {"127.0.0.1"});
  const SmtpServer server("127.0.2.1", options_.smtp_port, GoodServer({one_}));
  const InboundPosture posture = Inspect();
  EXPECT_EQ(server.connections(), 0);
  EXPECT_THAT(http_.requests(), IsEmpty());
  EXPECT_EQ(posture.verdict, Verdict::kUnknown);
  EXPECT_THAT(Codes(posture.servers[0].judgement), Contains("ADDRESS_NOT_PUBLIC"));
  EXPECT_THAT(Codes(posture.policy.judgement), Contains("ADDRESS_NOT_PUBLIC"));
}

TEST_F(InboundTest, WhatIsLookedAtIsBounded) {
  std::vector<MxRecord> records;
  for (int i = 0; i < 40; ++i) {
    const std::string host = "m" + std::to_string(i) + ".example.com";
    records.push_back({static_cast<uint16_t>(i), Name(host)});
    std::vector<std::string> addresses;
    for (int j = 0; j < 5; ++j) addresses.push_back(fmt::format("127.9.{}.{}", i, j));
    dns_.SetA(Name(host), addresses);
    dns_.SetTexts(Name("_25._tcp." + host), RrType::kTlsa,
                  std::vector<std::string>(50, Tlsa(one_)));
  }
  dns_.SetMx(domain_, records);
  const InboundPosture posture = Inspect();
  ASSERT_THAT(posture.servers, SizeIs(kMaxMailServers));
  EXPECT_EQ(posture.servers_left_out, 30u);
  for (const MailServerPosture& server : posture.servers) {
    EXPECT_THAT(server.probes, SizeIs(kMaxAddressesOfServer));
    EXPECT_THAT(server.dane.records, SizeIs(kMaxTlsaRecords));
  }
  EXPECT_LE(dns_.queries().size(), 3 * kMaxMailServers + 2);
}

TEST_F(InboundTest, SilentServersEndByTheLimit) {
  const SmtpServer first("127.0.2.1", options_.smtp_port, [](ServerSide& side) { side.Hang(); });
  const SmtpServer second("127.0.2.2", options_.smtp_port, [](ServerSide& side) { side.Hang(); });
  options_.limit = absl::Seconds(1);
  const absl::Duration start = clock_.Monotonic();
  const InboundPosture posture = Inspect();
  EXPECT_LT(clock_.Monotonic() - start, absl::Seconds(5));
  EXPECT_EQ(posture.verdict, Verdict::kUnknown);
  EXPECT_THAT(posture.servers[0].judgement.reason, HasSubstr("at greeting: no answer in time"));
  EXPECT_EQ(posture.policy.judgement.verdict, Verdict::kPass) << "it does not wait for them";
  options_.limit = absl::ZeroDuration();
  EXPECT_EQ(Inspect().verdict, Verdict::kUnknown);
}

TEST_F(InboundTest, ToldToStopItEndsAtOnce) {
  const SmtpServer first("127.0.2.1", options_.smtp_port, [](ServerSide& side) { side.Hang(); });
  const SmtpServer second("127.0.2.2", options_.smtp_port, GoodServer({two_}));
  const absl::Duration start = clock_.Monotonic();
  options_.stop = [&] { return clock_.Monotonic() - start > absl::Seconds(2); };
  const InboundPosture posture = Inspect();
  EXPECT_LT(clock_.Monotonic() - start, absl::Seconds(10)) << "the sessions have 15, all of it 30";
  EXPECT_EQ(posture.verdict, Verdict::kUnknown);
  ASSERT_THAT(posture.servers, SizeIs(2));
  EXPECT_THAT(posture.servers[0].judgement.reason, HasSubstr("at greeting: told to stop"));
  // What had been shown by then was not verified any more.
  EXPECT_THAT(posture.servers[1].judgement.reason, HasSubstr("was not verified: told to stop"));
  EXPECT_THAT(Codes(posture.servers[1].judgement), IsEmpty());
}

TEST_F(InboundTest, ToldToStopItAsksNothingMore) {
  const SmtpServer first("127.0.2.1", options_.smtp_port, GoodServer({one_}));
  options_.stop = [] { return true; };
  const InboundPosture posture = Inspect();
  EXPECT_THAT(dns_.queries(), IsEmpty());
  EXPECT_THAT(http_.requests(), IsEmpty());
  EXPECT_EQ(first.connections(), 0);
  EXPECT_EQ(posture.verdict, Verdict::kUnknown);
}

TEST_F(InboundTest, NoMailNoServers) {
  dns_.SetMx(domain_, {{0, DomainName()}});
  dns_.SetTxt(Name("_mta-sts.example.com"), {});
  dns_.Remove(Name("mta-sts.example.com"));
  const InboundPosture posture = Inspect();
  EXPECT_THAT(posture.servers, IsEmpty());
  EXPECT_EQ(posture.verdict, Verdict::kPass);
}

TEST_F(InboundTest, WithoutMxRecordsTheDomainItselfIsMeant) {
  dns_.SetMx(domain_, {});
  EXPECT_THAT(Inspect().servers, IsEmpty()) << "it has no address";
  dns_.SetA(domain_, {"127.0.2.1"});
  const SmtpServer server("127.0.2.1", options_.smtp_port, GoodServer({one_}));
  const InboundPosture posture = Inspect();
  ASSERT_THAT(posture.servers, SizeIs(1));
  EXPECT_EQ(posture.servers[0].host, domain_);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(InboundTest, UnknownMxRecordsAreUnknown) {
  dns_.Fail(domain_, RrType::kMx, absl::UnavailableError("SERVFAIL"));
  const InboundPosture posture = Inspect();
  EXPECT_THAT(posture.servers, IsEmpty());
  EXPECT_EQ(posture.verdict, Verdict::kUnknown);
}

}  // namespace
}  // namespace dmarcate
