#include "lib/inbound/mail_server.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/inspect/posture_judge.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kExpiresSoon = absl::Hours(14 * 24);
constexpr std::string_view kBlocked =
    "Port 25 outbound is often blocked by the network that this runs in: try from another one, "
    "with "
    "dmarcate check --inbound.";

bool LearnedTls(const ProbedAddress& seen) { return !seen.probe.chain.empty(); }

class Judge {
 public:
  Judge(const AppliedPolicy& policy, absl::Time now, MailServerPosture& server)
      : policy_known_(policy.known),
        mode_(policy.mode),
        now_(now),
        server_(server),
        path_("mx/" + server.host.text()) {}

  void Run() {
    CheckAddresses();
    for (const ProbedAddress& seen : server_.probes) {
      CheckSession(seen);
      if (LearnedTls(seen)) CheckTls(seen);
    }
    CheckDane();
    ConcludeFindings(Good(), server_.judgement);
    if (server_.judgement.verdict == Verdict::kFail || unknown_.empty()) return;
    server_.judgement.verdict = Verdict::kUnknown;
    server_.judgement.reason = unknown_;
    server_.judgement.fix = fix_;
  }

 private:
  // The same may be so at both addresses; it is said once.
  void Add(std::string_view code, Severity severity, const IpAddress* address, std::string message,
           std::string fix, std::string section) {
    auto& findings = server_.judgement.findings;
    const auto known = std::ranges::find_if(findings, [&](const LintFinding& one) {
      return one.code == code && one.message == message;
    });
    if (known != findings.end()) {
      if (address != nullptr) known->metadata["addresses"] += " " + address->ToString();
      return;
    }
    findings.push_back(
        MakeFinding(code, severity, path_, std::move(message), std::move(fix), std::move(section)));
    if (address != nullptr) findings.back().metadata["addresses"] = address->ToString();
  }
  void Unknown(std::string why, std::string_view fix) {
    if (!unknown_.empty()) return;
    unknown_ = std::move(why);
    fix_ = fix;
  }

  std::string Good() const {
    const auto seen = std::ranges::find_if(server_.probes, LearnedTls);
    if (seen == server_.probes.end()) return "";
    const bool dane = server_.dane.secure && seen->dane_matches;
    return fmt::format("{}, {}{}", seen->probe.tls_version,
                       seen->problems.none() ? "a certificate that verifies"
                       : seen->problems.not_verified.empty()
                           ? "a certificate that nobody checks"
                           : "a certificate that was not verified",
                       dane ? ", DANE matches" : "");
  }

  // How much a certificate weighs that public authorities do not vouch for.
  Severity CertificateWeight() const {
    if (mode_ == MtaStsMode::kEnforce) return Severity::kError;
    return mode_ == MtaStsMode::kTesting ? Severity::kWarning : Severity::kInfo;
  }

  void CheckAddresses() {
    if (absl::IsDataLoss(server_.addresses.status())) {
      return Add(lint_code::kDnssecBogus, Severity::kError, nullptr,
                 fmt::format("DNSSEC says bogus about the address of {}, so senders that validate "
                             "do not find it: {}",
                             server_.host.text(), MessageOf(server_.addresses.status())),
                 "Repair the zone's signatures or the DS record at its parent.",
                 "RFC 7672 section 2.1.1");
    }
    if (!server_.addresses.ok()) {
      const std::string why = fmt::format("the address of {} is not known: {}", server_.host.text(),
                                          MessageOf(server_.addresses.status()));
      Add(lint_code::kLookupFailed, Severity::kWarning, nullptr, why, "Try again later.",
          "RFC 5321 section 5.1");
      return Unknown(why, "Try again later.");
    }
    if (server_.addresses->addresses.empty()) {
      Add(lint_code::kMxNoAddress, Severity::kError, nullptr,
          fmt::format("{} has no address, so nothing is delivered there", server_.host.text()),
          "Give the name an address, or remove the MX record.", "RFC 5321 section 5.1");
    }
  }

  void CheckSession(const ProbedAddress& seen) {
    const SmtpProbe& probe = seen.probe;
    const IpAddress* const at = &probe.address;
    if (probe.clear_octets > 0) {
      Add(lint_code::kStarttlsInjection, Severity::kError, at,
          "octets came in clear between STARTTLS and TLS: from somebody on the way, or from a "
          "server "
          "that mixes the two",
          "Update the mail server, and look for a device that rewrites SMTP.",
          "RFC 3207 section 4.2");
    }
    const std::string said(MessageOf(probe.error));
    if (probe.error.ok()) {
      if (probe.stage == SmtpStage::kDone) return;
      return Add(lint_code::kStarttlsMissing, Severity::kError, at,
                 "the server does not offer STARTTLS, so mail travels in clear",
                 "Give the mail server a certificate, and turn on STARTTLS.", "RFC 3207 section 4");
    }
    switch (probe.error.code()) {
      case absl::StatusCode::kPermissionDenied:
        Add(lint_code::kAddressNotPublic, Severity::kWarning, at,
            fmt::format("not connected to: {}", said),
            "Publish a public address. If only this view of the DNS is internal, allow the "
            "network.",
            "RFC 6890");
        return NotReached(fmt::format("not connected to: {}", said),
                          "Publish a public address, or allow the network.");
      case absl::StatusCode::kInvalidArgument:
      case absl::StatusCode::kResourceExhausted:
        if (probe.stage == SmtpStage::kRefused) return NotReached(said, "");
        return Add(lint_code::kSmtpProtocol, Severity::kError, at,
                   fmt::format("what answers does not keep to SMTP: {}", said),
                   "Find out what listens at port 25.", "RFC 5321 section 4.2");
      default:
        break;
    }
    if (LearnedTls(seen)) {  // what comes after TLS stands is no more about TLS
      return Add(lint_code::kMxUnreachable, Severity::kInfo, at,
                 fmt::format("{} came about, and then the session ended, at {}: {}",
                             probe.tls_version, ToString(probe.stage), said),
                 "Look at the log of the mail server.", "RFC 3207 section 4.2");
    }
    const bool starttls = probe.stage >= SmtpStage::kStartTls && probe.starttls_offered;
    const bool given_up = absl::IsDeadlineExceeded(probe.error) || absl::IsCancelled(probe.error);
    if (starttls && !given_up) {
      return Add(lint_code::kStarttlsFailed, Severity::kError, at,
                 fmt::format("TLS is offered, but does not come about: {}", said),
                 "Look at certificate, key and TLS versions of the mail server.",
                 "RFC 3207 section 4");
    }
    const bool elsewhere = std::ranges::any_of(server_.probes, LearnedTls);
    const std::string why = fmt::format("nothing was learned from {}, at {}: {}",
                                        probe.address.ToString(), ToString(probe.stage), said);
    // One family that is not routed here is no news.
    Add(lint_code::kMxUnreachable, elsewhere ? Severity::kInfo : Severity::kWarning, at, why,
        std::string(kBlocked), "RFC 5321 section 5.1");
    NotReached(why, kBlocked);
  }

  void NotReached(std::string why, std::string_view fix) {
    if (std::ranges::none_of(server_.probes, LearnedTls)) Unknown(std::move(why), fix);
  }

  bool AskedForAnother() const {
    return !server_.asked_for.IsRoot() && server_.asked_for != server_.host;
  }

  void CheckTls(const ProbedAddress& seen) {
    const IpAddress* const at = &seen.probe.address;
    if (!seen.probe.tls_current) {
      Add(lint_code::kTlsVersion,
          mode_ == MtaStsMode::kEnforce ? Severity::kError : Severity::kWarning, at,
          fmt::format("the server speaks {} and nothing newer", seen.probe.tls_version),
          "Turn on TLS 1.2 and 1.3.", "RFC 8996 section 5");
    }
    const ChainProblems& problems = seen.problems;
    const std::string words = Join(problems.words, ", ");
    const Severity weight = CertificateWeight();
    const std::string section = "RFC 8461 section 4.2";
    if (!problems.not_verified.empty() && (weight != Severity::kInfo || !policy_known_)) {
      Unknown("the certificate was not verified: " + problems.not_verified,
              problems.not_verified == kNoAuthorities ? kInstallAuthorities : "Try again later.");
    }
    if (!problems.none() && AskedForAnother()) {
      // Senders that do no DANE ask for the host, and may be shown another certificate.
      const std::string why = fmt::format(
          "which certificate the server has for {} was not seen: as senders that do "
          "DANE it was asked for {}",
          server_.host.text(), server_.asked_for.text());
      Add(lint_code::kMxCertificateName, Severity::kInfo, at, why,
          "Name the server itself in the MX record, not an alias.", section);
      if (weight != Severity::kInfo) {
        Unknown(why, "Name the server itself in the MX record, not an alias.");
      }
      return;
    }
    if (problems.wrong_name) {
      Add(lint_code::kMxCertificateName, weight, at,
          fmt::format("the certificate is not for {}", server_.host.text()),
          fmt::format("Get a certificate for {}.", server_.host.text()), section);
    }
    if (problems.outside_validity) {
      Add(lint_code::kMxCertificateExpired, weight, at,
          "the certificate is not valid now: " + words, "Renew the certificate.", section);
    }
    if (problems.untrusted) {
      Add(lint_code::kMxCertificateUntrusted, weight, at,
          "no public authority vouches for the certificate: " + words,
          "Get a certificate from a public authority, and have the server send the whole chain.",
          section);
    }
    if (!problems.none() && !policy_known_) {
      Unknown("whether senders check the certificate is not known, since the MTA-STS policy is not",
              "Try again later.");
    }
    if (seen.certificates.empty() || problems.outside_validity) return;
    const absl::Time end = seen.certificates[0].not_after;
    if (end > absl::InfinitePast() && end < now_ + kExpiresSoon) {
      Add(lint_code::kMxCertificateExpires, Severity::kWarning, at,
          fmt::format("the certificate ends on {}",
                      absl::FormatTime("%Y-%m-%d", end, absl::UTCTimeZone())),
          "Renew it, and find out why that did not happen by itself.", section);
    }
  }

  void CheckDane() {
    const DanePosture& dane = server_.dane;
    const std::string section = "RFC 7672 section 2.1.1";
    if (!dane.answer.ok()) {
      const std::string what(MessageOf(dane.answer.status()));
      if (dane.owner.IsRoot()) return;  // the addresses were not known either
      if (!dane.base_secure) {
        return Add(lint_code::kLookupFailed, Severity::kInfo, nullptr,
                   fmt::format("whether there are TLSA records is not known, but MX or address is "
                               "not signed, so senders do not ask: {}",
                               what),
                   "Nothing, unless DANE is wanted.", "RFC 7672 section 2.2.2");
      }
      if (absl::IsDataLoss(dane.answer.status())) {
        return Add(
            lint_code::kDnssecBogus, Severity::kError, nullptr,
            fmt::format("DNSSEC says bogus about {}, so senders that do DANE deliver nothing: "
                        "{}",
                        dane.owner.text(), what),
            "Repair the zone's signatures or the DS record at its parent.", section);
      }
      const std::string why = fmt::format(
          "whether there are TLSA records is not known, and senders that do DANE wait "
          "until it is: {}",
          what);
      Add(lint_code::kLookupFailed, Severity::kWarning, nullptr, why, "Try again later.", section);
      return Unknown(why, "Try again later.");
    }
    if (dane.records.empty()) return;
    if (!dane.secure) {
      return Add(
          lint_code::kDaneInsecure, Severity::kWarning, nullptr,
          "DNSSEC does not vouch for MX, address and TLSA records together, so senders ignore "
          "the TLSA records: a zone is not signed, or the resolver does not validate",
          "Sign the zones of domain and mail server; ask a validating resolver.", section);
    }
    std::vector<TlsaRecord> records;
    for (const SeenTlsa& one : dane.records) records.push_back(one.record);
    Append(server_.judgement.findings, LintTlsa(records, path_ + "/tlsa"));
    MatchFindings();
  }

  void MatchFindings() {
    const bool no_tls = std::ranges::any_of(server_.judgement.findings, [](const LintFinding& one) {
      return one.code == lint_code::kStarttlsMissing || one.code == lint_code::kStarttlsFailed;
    });
    if (no_tls) {
      Add(lint_code::kDaneNoTls, Severity::kError, nullptr,
          "there are TLSA records, so senders that do DANE insist on TLS, and there is none",
          "Repair TLS, or remove the TLSA records.", "RFC 7672 section 2.2");
    }
    const auto& records = server_.dane.records;
    if (std::ranges::none_of(records, &SeenTlsa::usable)) return;  // TLSA_NONE_USABLE
    if (std::ranges::none_of(server_.probes, LearnedTls)) {
      if (!no_tls) Unknown("the certificate for the TLSA records was not seen", kBlocked);
      return;
    }
    // While keys change, one address may have the old one: each needs a record, not the same.
    for (const ProbedAddress& seen : server_.probes) {
      if (!LearnedTls(seen) || seen.dane_matches) continue;
      if (seen.dane_error.ok()) {
        Mismatch(seen.probe.address);
      } else {
        Unknown(fmt::format("whether the TLSA records match the certificate is not known: {}",
                            MessageOf(seen.dane_error)),
                "Try again later.");
      }
    }
  }

  void Mismatch(const IpAddress& address) {
    if (server_.dane.records_cut) {
      return Unknown(fmt::format("the first {} TLSA records do not match the certificate, and the "
                                 "rest was not looked at",
                                 kMaxTlsaRecords),
                     "Remove the TLSA records of keys that are gone.");
    }
    const bool outranked = std::ranges::any_of(server_.dane.records, &SeenTlsa::outranked);
    Add(lint_code::kDaneMismatch, Severity::kError, &address,
        outranked ? "no TLSA record that counts matches the certificate, so senders that do DANE "
                    "deliver nothing; a record does not count beside one of the same usage and "
                    "selector with a stronger digest (RFC 7671 section 9)"
                  : "no TLSA record matches the certificate, so senders that do DANE deliver "
                    "nothing",
        "Publish 3 1 1 of the key that the server uses, beside that of the next one.",
        "RFC 7672 section 2.2");
  }

  const bool policy_known_;
  const std::optional<MtaStsMode> mode_;
  const absl::Time now_;
  MailServerPosture& server_;
  const std::string path_;
  std::string unknown_;
  std::string fix_;
};

}  // namespace

void JudgeMailServer(const AppliedPolicy& policy, absl::Time now, MailServerPosture& server) {
  Judge(policy, now, server).Run();
}

}  // namespace dmarcate
