// What is said of a mail server, from what was seen of it.
#include "lib/inbound/mail_server.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate {
namespace {

using testing::HasSubstr;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

ProbedAddress GoodProbe(std::string_view address = "192.0.2.1") {
  ProbedAddress seen;
  seen.probe.address = IpAddress::Parse(address).value();
  seen.probe.stage = SmtpStage::kDone;
  seen.probe.starttls_offered = true;
  seen.probe.tls_version = "TLSv1.3";
  seen.probe.tls_current = true;
  seen.probe.chain = {"der"};
  seen.certificates = {{.subject = "CN=mx", .not_after = kNow + absl::Hours(24 * 60)}};
  return seen;
}
ProbedAddress Ended(SmtpStage stage, absl::Status error, std::string_view address = "192.0.2.1") {
  ProbedAddress seen;
  seen.probe.address = IpAddress::Parse(address).value();
  seen.probe.stage = stage;
  seen.probe.error = std::move(error);
  seen.probe.starttls_offered = stage >= SmtpStage::kStartTls;
  return seen;
}
MailServerPosture Good() {
  MailServerPosture server;
  server.host = Name("mx.example.com");
  server.addresses = HostAddresses{.addresses = {IpAddress::Parse("192.0.2.1").value()},
                                   .secure = true,
                                   .final_name = server.host};
  server.probes = {GoodProbe()};
  server.dane.owner = Name("_25._tcp.mx.example.com");
  server.dane.answer = DnsAnswer{};
  server.dane.base_secure = true;
  return server;
}
SeenTlsa Tlsa(bool matches, std::string_view record = "3 1 1 ") {
  const std::string digest(64, 'a');
  const TlsaRecord parsed = ParseTlsa(std::string(record) + digest).value();
  return {parsed, parsed.Usability() == TlsaUsability::kUsable, matches};
}
void SetDane(MailServerPosture& server, std::vector<SeenTlsa> records, bool matches) {
  server.dane.secure = true;
  server.dane.records = std::move(records);
  for (ProbedAddress& seen : server.probes) seen.dane_matches = matches;
}

constexpr auto kEnforce = MtaStsMode::kEnforce;
struct Case {
  std::string name;
  std::function<void(MailServerPosture&)> change;
  Verdict want = Verdict::kPass;
  std::vector<std::string> want_codes;
  std::string want_reason;
  std::optional<MtaStsMode> mode;
  bool policy_known = true;
};
const auto kUntrusted = [](MailServerPosture& server) {
  server.probes[0].problems = {.untrusted = true, .words = {"self-signed certificate"}};
};
const Case kCases[] = {
    {"Good", [](auto&) {}, Verdict::kPass, {}, "TLSv1.3, a certificate that verifies"},
    {"SelfSignedIsUsual",
     kUntrusted,
     Verdict::kPass,
     {"MX_CERTIFICATE_UNTRUSTED"},
     "a certificate that nobody checks"},
    {"SelfSignedInTesting",
     kUntrusted,
     Verdict::kWarn,
     {"MX_CERTIFICATE_UNTRUSTED"},
     "self-signed certificate",
     MtaStsMode::kTesting},
    {"SelfSignedInEnforce",
     kUntrusted,
     Verdict::kFail,
     {"MX_CERTIFICATE_UNTRUSTED"},
     "self-signed certificate",
     kEnforce},
    {"SelfSignedInNone",
     kUntrusted,
     Verdict::kPass,
     {"MX_CERTIFICATE_UNTRUSTED"},
     "",
     MtaStsMode::kNone},
    {"NotVerifiedIsUnknownInEnforce",
     [](auto& server) { server.probes[0].problems.not_verified = "no time was left"; },
     Verdict::kUnknown,
     {},
     "the certificate was not verified: no time was left",
     kEnforce},
    {"NotVerifiedIsUnknownWhereThePolicyIs",
     [](auto& server) { server.probes[0].problems.not_verified = "no time was left"; },
     Verdict::kUnknown,
     {},
     "the certificate was not verified: no time was left",
     {},
     false},
    {"NotVerifiedMattersToNobodyWithoutAPolicy",
     [](auto& server) { server.probes[0].problems.not_verified = "no time was left"; },
     Verdict::kPass,
     {},
     "a certificate that was not verified"},
    {"WhatIsKnownOfOneNotVerifiedStillFails",
     [](auto& server) {
       server.probes[0].problems = {.wrong_name = true, .not_verified = "no time was left"};
     },
     Verdict::kFail,
     {"MX_CERTIFICATE_NAME"},
     "not for mx.example.com",
     kEnforce},
    {"DaneThatWasNotHeldAgainstTheChain",
     [](auto& server) {
       SetDane(server, {Tlsa(false)}, false);
       server.probes[0].dane_error = absl::DeadlineExceededError("no time was left");
     },
     Verdict::kUnknown,
     {},
     "match the certificate is not known: no time was left"},
    {"WrongName",
     [](auto& server) { server.probes[0].problems = {.wrong_name = true}; },
     Verdict::kFail,
     {"MX_CERTIFICATE_NAME"},
     "not for mx.example.com",
     kEnforce},
    {"Expired",
     [](auto& server) { server.probes[0].problems = {.outside_validity = true}; },
     Verdict::kFail,
     {"MX_CERTIFICATE_EXPIRED"},
     "not valid now",
     kEnforce},
    {"ExpiresSoon",
     [](auto& server) { server.probes[0].certificates[0].not_after = kNow + absl::Hours(24 * 13); },
     Verdict::kWarn,
     {"MX_CERTIFICATE_EXPIRES"},
     "ends on 2027-01-28"},
    {"OldTls",
     [](auto& server) {
       server.probes[0].probe.tls_version = "TLSv1.1";
       server.probes[0].probe.tls_current = false;
     },
     Verdict::kWarn,
     {"TLS_VERSION"},
     "TLSv1.1"},
    {"OldTlsInEnforce",
     [](auto& server) { server.probes[0].probe.tls_current = false; },
     Verdict::kFail,
     {"TLS_VERSION"},
     "",
     kEnforce},
    {"NoStartTls",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kStartTls, absl::OkStatus())};
       server.probes[0].probe.starttls_offered = false;
     },
     Verdict::kFail,
     {"STARTTLS_MISSING"},
     "in clear"},
    {"StartTlsRefused",
     [](auto& server) {
       server.probes = {
           Ended(SmtpStage::kStartTls, absl::FailedPreconditionError("the server answers 454"))};
     },
     Verdict::kFail,
     {"STARTTLS_FAILED"},
     "454"},
    {"ClosedAfterStartTls",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kTls, absl::UnavailableError("closed"))};
     },
     Verdict::kFail,
     {"STARTTLS_FAILED"},
     "closed"},
    {"ClosedUnderTls",
     [](auto& server) {
       server.probes[0].probe.stage = SmtpStage::kTlsEhlo;
       server.probes[0].probe.error = absl::UnavailableError("closed");
       SetDane(server, {Tlsa(true)}, true);
     },
     Verdict::kPass,
     {"MX_UNREACHABLE"},
     "TLSv1.3"},
    {"SlowUnderTlsInEnforce",
     [](auto& server) {
       kUntrusted(server);
       server.probes[0].probe.stage = SmtpStage::kTlsEhlo;
       server.probes[0].probe.error = absl::DeadlineExceededError("late");
     },
     Verdict::kFail,
     {"MX_UNREACHABLE", "MX_CERTIFICATE_UNTRUSTED"},
     "self-signed certificate",
     kEnforce},
    {"SelfSignedAndThePolicyIsNotKnown",
     kUntrusted,
     Verdict::kUnknown,
     {"MX_CERTIFICATE_UNTRUSTED"},
     "is not known",
     {},
     false},
    {"GoodWhateverThePolicy", [](auto&) {}, Verdict::kPass, {}, "verifies", {}, false},
    {"CertificateWithoutTimes",
     [](auto& server) { server.probes[0].certificates[0].not_after = absl::InfinitePast(); },
     Verdict::kPass,
     {},
     ""},
    {"AddressBogus",
     [](auto& server) {
       server.addresses = absl::DataLossError("bogus");
       server.probes.clear();
       server.dane = {};
     },
     Verdict::kFail,
     {"DNSSEC_BOGUS"},
     "do not find it"},
    {"SlowTls",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kTls, absl::DeadlineExceededError("no answer in time"))};
     },
     Verdict::kUnknown,
     {"MX_UNREACHABLE"},
     "at tls: no answer in time"},
    {"Injection",
     [](auto& server) { server.probes[0].probe.clear_octets = 7; },
     Verdict::kFail,
     {"STARTTLS_INJECTION"},
     "in clear between STARTTLS and TLS"},
    {"CannotConnect",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kConnect, absl::UnavailableError("refused"))};
     },
     Verdict::kUnknown,
     {"MX_UNREACHABLE"},
     "nothing was learned from 192.0.2.1"},
    {"CannotConnectInEnforce",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kConnect, absl::DeadlineExceededError("slow"))};
     },
     Verdict::kUnknown,
     {"MX_UNREACHABLE"},
     "",
     kEnforce},
    {"RefusesUs",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kGreeting, absl::FailedPreconditionError("554"))};
     },
     Verdict::kUnknown,
     {"MX_UNREACHABLE"},
     "554"},
    {"OneAddressSuffices",
     [](auto& server) {
       server.probes.push_back(
           Ended(SmtpStage::kConnect, absl::UnavailableError("no route"), "2001:db8::1"));
     },
     Verdict::kPass,
     {"MX_UNREACHABLE"},
     "TLSv1.3"},
    {"OneAddressIsBad",
     [](auto& server) {
       server.probes.push_back(Ended(SmtpStage::kStartTls, absl::OkStatus(), "192.0.2.2"));
     },
     Verdict::kFail,
     {"STARTTLS_MISSING"},
     ""},
    {"BothAddressesAreSaidOnce",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kStartTls, absl::OkStatus()),
                        Ended(SmtpStage::kStartTls, absl::OkStatus(), "192.0.2.2")};
     },
     Verdict::kFail,
     {"STARTTLS_MISSING"},
     ""},
    {"NotPublic",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kRefused, absl::PermissionDeniedError("private use"))};
     },
     Verdict::kUnknown,
     {"ADDRESS_NOT_PUBLIC"},
     "private use"},
    {"NoSmtp",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kGreeting, absl::InvalidArgumentError("no SMTP reply"))};
     },
     Verdict::kFail,
     {"SMTP_PROTOCOL"},
     "no SMTP reply"},
    {"Endless",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kEhlo, absl::ResourceExhaustedError("too many lines"))};
     },
     Verdict::kFail,
     {"SMTP_PROTOCOL"},
     "too many lines"},
    {"OverTheLimitOfAddresses",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kRefused, absl::ResourceExhaustedError("more than 20"))};
     },
     Verdict::kUnknown,
     {},
     "more than 20"},
    {"NoAddress",
     [](auto& server) {
       server.addresses = HostAddresses{};
       server.probes.clear();
     },
     Verdict::kFail,
     {"MX_NO_ADDRESS"},
     "has no address"},
    {"AddressNotKnown",
     [](auto& server) {
       server.addresses = absl::UnavailableError("SERVFAIL");
       server.probes.clear();
       server.dane = {};
     },
     Verdict::kUnknown,
     {"LOOKUP_FAILED"},
     "is not known: SERVFAIL"},

    {"DaneMatches",
     [](auto& server) { SetDane(server, {Tlsa(true)}, true); },
     Verdict::kPass,
     {},
     "DANE matches"},
    {"DaneMatchesASelfSignedOne",
     [](auto& server) {
       kUntrusted(server);
       SetDane(server, {Tlsa(true)}, true);
     },
     Verdict::kPass,
     {"MX_CERTIFICATE_UNTRUSTED"},
     "DANE matches"},
    {"DaneRollover",
     [](auto& server) { SetDane(server, {Tlsa(false), Tlsa(true)}, true); },
     Verdict::kPass,
     {},
     ""},
    {"DaneMismatch",
     [](auto& server) { SetDane(server, {Tlsa(false)}, false); },
     Verdict::kFail,
     {"DANE_MISMATCH"},
     "no TLSA record matches"},
    {"DaneMatchesNoneOfThoseLookedAt",
     [](auto& server) {
       SetDane(server, {Tlsa(false)}, false);
       server.dane.records_cut = true;
     },
     Verdict::kUnknown,
     {},
     "rest was not looked at"},
    {"DaneOfOneAddressOnly",
     [](auto& server) {
       server.probes.push_back(GoodProbe("192.0.2.2"));
       SetDane(server, {Tlsa(true)}, true);
       server.probes[1].dane_matches = false;
     },
     Verdict::kFail,
     {"DANE_MISMATCH"},
     ""},
    {"DaneInsecure",
     [](auto& server) {
       SetDane(server, {Tlsa(false)}, false);
       server.dane.secure = false;
     },
     Verdict::kWarn,
     {"DANE_INSECURE"},
     "senders ignore the TLSA records"},
    {"DaneUnusable",
     [](auto& server) { SetDane(server, {Tlsa(false, "1 1 1 ")}, false); },
     Verdict::kFail,
     {"TLSA_NONE_USABLE", "TLSA_PKIX_USAGE"},
     "no record can be used"},
    {"DaneWithoutTls",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kStartTls, absl::OkStatus())};
       SetDane(server, {Tlsa(false)}, false);
     },
     Verdict::kFail,
     {"STARTTLS_MISSING", "DANE_NO_TLS"},
     ""},
    {"DaneNotSeen",
     [](auto& server) {
       server.probes = {Ended(SmtpStage::kConnect, absl::UnavailableError("refused"))};
       SetDane(server, {Tlsa(false)}, false);
     },
     Verdict::kUnknown,
     {"MX_UNREACHABLE"},
     ""},
    {"DaneBogus",
     [](auto& server) { server.dane.answer = absl::DataLossError("bogus"); },
     Verdict::kFail,
     {"DNSSEC_BOGUS"},
     "deliver nothing"},
    {"DaneNotKnownButNobodyAsks",
     [](auto& server) {
       server.dane.base_secure = false;
       server.dane.answer = absl::UnavailableError("SERVFAIL");
     },
     Verdict::kPass,
     {"LOOKUP_FAILED"},
     ""},
    {"DaneNotKnown",
     [](auto& server) { server.dane.answer = absl::UnavailableError("SERVFAIL"); },
     Verdict::kUnknown,
     {"LOOKUP_FAILED"},
     "wait until it is"},
};
class MailServerTest : public testing::TestWithParam<Case> {};
TEST_P(MailServerTest, Case) {
  MailServerPosture server = Good();
  GetParam().change(server);
  JudgeMailServer({.known = GetParam().policy_known, .mode = GetParam().mode}, kNow, server);
  EXPECT_EQ(server.judgement.verdict, GetParam().want)
      << ToString(server.judgement.verdict) << ": " << server.judgement.reason;
  std::vector<std::string> codes;
  for (const LintFinding& finding : server.judgement.findings) {
    codes.push_back(finding.code);
    EXPECT_FALSE(finding.fix_hint.empty());
    EXPECT_THAT(finding.path, testing::StartsWith("mx/mx.example.com"));
  }
  EXPECT_EQ(codes, GetParam().want_codes);
  EXPECT_THAT(server.judgement.reason, HasSubstr(GetParam().want_reason));
  EXPECT_FALSE(server.judgement.reason.empty());
}
INSTANTIATE_TEST_SUITE_P(All, MailServerTest, testing::ValuesIn(kCases),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace dmarcate
