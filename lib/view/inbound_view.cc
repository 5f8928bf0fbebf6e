#include "lib/view/inbound_view.h"

#include <string>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/view/posture_view.h"

namespace dmarcate {
namespace {

template <typename Message>
void FillJudgement(const Judgement& judgement, Message* out) {
  out->set_verdict(ToMessage(judgement.verdict));
  out->set_verdict_reason(ToValidUtf8(judgement.reason));
  out->set_fix_hint(ToValidUtf8(judgement.fix));
  for (const LintFinding& finding : judgement.findings) ToMessage(finding, out->add_findings());
}

void FillPolicy(const MtaStsPolicyPosture& posture, v1::MtaStsPolicyView* out) {
  FillJudgement(posture.judgement, out);
  out->set_url(posture.url);
  if (posture.response.ok()) {
    out->set_http_status(posture.response->status);
    out->set_content_type(
        ToValidUtf8(std::string(posture.response->Header("content-type").value_or(""))));
    out->set_text(ToValidUtf8(posture.response->body));
  } else {
    out->set_error(ToValidUtf8(std::string(MessageOf(posture.response.status()))));
  }
  if (!posture.policy.has_value()) return;
  out->set_mode(std::string(ToString(posture.policy->mode)));
  out->mutable_max_age()->set_seconds(absl::ToInt64Seconds(posture.policy->max_age));
  for (const MtaStsMxPattern& pattern : posture.policy->mx) out->add_mx_patterns(pattern.text());
}

v1::SmtpStage ToStage(SmtpStage stage) {
  switch (stage) {
    case SmtpStage::kRefused:
      return v1::SMTP_STAGE_REFUSED;
    case SmtpStage::kConnect:
      return v1::SMTP_STAGE_CONNECT;
    case SmtpStage::kGreeting:
      return v1::SMTP_STAGE_GREETING;
    case SmtpStage::kEhlo:
      return v1::SMTP_STAGE_EHLO;
    case SmtpStage::kStartTls:
      return v1::SMTP_STAGE_STARTTLS;
    case SmtpStage::kTls:
      return v1::SMTP_STAGE_TLS;
    case SmtpStage::kTlsEhlo:
      return v1::SMTP_STAGE_TLS_EHLO;
    case SmtpStage::kDone:
      return v1::SMTP_STAGE_DONE;
  }
  return v1::SMTP_STAGE_UNSPECIFIED;
}

// What a Timestamp can hold: the years 1 to 9999. A certificate may say anything; then nothing is
// set.
bool IsTimestamp(absl::Time time) {
  return time >= absl::FromUnixSeconds(-62'135'596'800) &&
         time < absl::FromUnixSeconds(253'402'300'800);
}

void FillCertificate(const Certificate& certificate, v1::CertificateView* out) {
  out->set_subject(ToValidUtf8(certificate.subject));
  out->set_issuer(ToValidUtf8(certificate.issuer));
  for (const std::string& name : certificate.names) out->add_names(ToValidUtf8(name));
  if (IsTimestamp(certificate.not_before)) {
    out->mutable_not_before_time()->set_seconds(absl::ToUnixSeconds(certificate.not_before));
  }
  if (IsTimestamp(certificate.not_after)) {
    out->mutable_not_after_time()->set_seconds(absl::ToUnixSeconds(certificate.not_after));
  }
  out->set_sha256(certificate.sha256);
  out->set_spki_sha256(certificate.spki_sha256);
}

void FillProbe(const ProbedAddress& seen, v1::SmtpProbeView* out) {
  const SmtpProbe& probe = seen.probe;
  out->set_address(probe.address.ToString());
  out->set_stage(ToStage(probe.stage));
  out->set_error(ToValidUtf8(std::string(MessageOf(probe.error))));
  out->set_reply(ToValidUtf8(probe.reply));
  out->set_starttls_offered(probe.starttls_offered);
  out->set_tls_version(probe.tls_version);
  out->set_cipher(probe.cipher);
  for (const Certificate& certificate : seen.certificates) {
    FillCertificate(certificate, out->add_certificates());
  }
  for (const std::string& problem : seen.problems.words) out->add_certificate_problems(problem);
  if (!seen.problems.not_verified.empty()) {
    out->add_certificate_problems("not verified: " + seen.problems.not_verified);
  }
}

v1::DnssecState StateOf(const DanePosture& dane) {
  if (dane.answer.ok()) {
    return dane.secure ? v1::DNSSEC_STATE_SECURE : v1::DNSSEC_STATE_INSECURE;
  }
  return absl::IsDataLoss(dane.answer.status()) ? v1::DNSSEC_STATE_BOGUS
                                                : v1::DNSSEC_STATE_UNSPECIFIED;
}

void FillDane(const DanePosture& dane, v1::DaneView* out) {
  out->set_owner_name(dane.owner.text());
  out->set_outcome(OutcomeOf(dane.answer));
  if (!dane.answer.ok()) out->set_error(ToValidUtf8(std::string(MessageOf(dane.answer.status()))));
  out->set_dnssec(StateOf(dane));
  for (const SeenTlsa& one : dane.records) {
    v1::TlsaView* const record = out->add_records();
    record->set_record(one.record.ToPresentation());
    record->set_usable(one.usable);
    record->set_matches(one.matches);
  }
}

}  // namespace

void ToMessage(const InboundPosture& posture, v1::InboundPosture* out) {
  out->set_verdict(ToMessage(posture.verdict));
  FillPolicy(posture.policy, out->mutable_mta_sts_policy());
  for (const MailServerPosture& server : posture.servers) {
    v1::MailServerView* const one = out->add_mail_servers();
    one->set_host(server.host.text());
    one->set_preference(server.preference);
    FillJudgement(server.judgement, one);
    for (const ProbedAddress& seen : server.probes) FillProbe(seen, one->add_probes());
    FillDane(server.dane, one->mutable_dane());
  }
  out->set_mail_servers_left_out(static_cast<int>(posture.servers_left_out));
}

}  // namespace dmarcate
