#include "lib/view/report_view.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "lib/base/text.h"
#include "lib/base/time.h"

namespace dmarcate {
namespace {

constexpr size_t kTextLimitBytes = 4096;
constexpr int64_t kFirstSecond = -62135596800, kLastSecond = 253402300799;  // years 1 to 9999

// The API counts in int64.
int64_t Clamp(uint64_t count) {
  return static_cast<int64_t>(std::min<uint64_t>(count, std::numeric_limits<int64_t>::max()));
}

int64_t ClampToTimestamp(int64_t second) { return std::clamp(second, kFirstSecond, kLastSecond); }

std::string_view ToText(const std::optional<AlignmentMode>& mode) {
  if (mode == AlignmentMode::kRelaxed) return "r";
  return mode == AlignmentMode::kStrict ? "s" : "";
}

}  // namespace

std::string_view ToText(Disposition disposition) {
  switch (disposition) {
    case Disposition::kNone:
      return "none";
    case Disposition::kQuarantine:
      return "quarantine";
    case Disposition::kReject:
      return "reject";
    case Disposition::kPass:
      return "pass";
    case Disposition::kUnspecified:
      break;
  }
  return "";
}

std::string_view ToText(AlignedResult result) {
  if (result == AlignedResult::kPass) return "pass";
  return result == AlignedResult::kFail ? "fail" : "";
}

std::string_view ToText(AuthResult result) {
  switch (result) {
    case AuthResult::kNone:
      return "none";
    case AuthResult::kPass:
      return "pass";
    case AuthResult::kFail:
      return "fail";
    case AuthResult::kPolicy:
      return "policy";
    case AuthResult::kNeutral:
      return "neutral";
    case AuthResult::kTemperror:
      return "temperror";
    case AuthResult::kPermerror:
      return "permerror";
    case AuthResult::kSoftfail:
      return "softfail";
    case AuthResult::kUnspecified:
      break;
  }
  return "";
}

std::string_view ToText(ReasonType type) {
  switch (type) {
    case ReasonType::kForwarded:
      return "forwarded";
    case ReasonType::kSampledOut:
      return "sampled_out";
    case ReasonType::kTrustedForwarder:
      return "trusted_forwarder";
    case ReasonType::kMailingList:
      return "mailing_list";
    case ReasonType::kLocalPolicy:
      return "local_policy";
    case ReasonType::kOther:
      return "other";
    case ReasonType::kPolicyTestMode:
      return "policy_test_mode";
    case ReasonType::kUnspecified:
      break;
  }
  return "";
}

void ToMessage(std::string_view text, v1::UntrustedText* out) {
  size_t length = std::min(text.size(), kTextLimitBytes);
  // Not in the middle of a character.
  while (length > 0 && length < text.size() && (text[length] & 0xC0) == 0x80) --length;
  const std::string_view cut = text.substr(0, length);
  out->set_value(ToValidUtf8(cut));
  out->set_truncated(length < text.size());
  out->set_altered(out->value() != cut);
}

v1::PolicyKind ToMessage(const std::optional<Policy>& policy) {
  if (!policy) return v1::POLICY_KIND_UNSPECIFIED;
  switch (*policy) {
    case Policy::kNone:
      return v1::POLICY_KIND_NONE;
    case Policy::kQuarantine:
      return v1::POLICY_KIND_QUARANTINE;
    case Policy::kReject:
      return v1::POLICY_KIND_REJECT;
    case Policy::kUnspecified:
      break;
  }
  return v1::POLICY_KIND_UNSPECIFIED;
}

v1::AggregateReport::Outcome ToMessage(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAccepted:
      return v1::AggregateReport::OUTCOME_ACCEPTED;
    case Outcome::kAcceptedCosmetic:
      return v1::AggregateReport::OUTCOME_ACCEPTED_COSMETIC;
    case Outcome::kAcceptedMaterial:
      return v1::AggregateReport::OUTCOME_ACCEPTED_MATERIAL;
    default:
      return v1::AggregateReport::OUTCOME_UNSPECIFIED;
  }
}

void ToMessage(const Repair& repair, v1::ParseFinding* out) {
  out->set_code(repair.code);
  out->set_path(ToValidUtf8(repair.path));
  ToMessage(repair.raw, out->mutable_raw());
  ToMessage(repair.chosen, out->mutable_chosen());
  out->set_material(repair.material);
}

void ToMessage(const AggregateRecord& record, v1::AggregateRecord* out) {
  if (record.source_ip) out->set_source_address(record.source_ip->ToString());
  out->set_message_count(Clamp(record.count));
  out->set_disposition(std::string(ToText(record.disposition)));
  out->set_dkim_aligned(std::string(ToText(record.dkim_aligned)));
  out->set_spf_aligned(std::string(ToText(record.spf_aligned)));
  for (const OverrideReason& reason : record.reasons) {
    v1::OverrideReason* one = out->add_reasons();
    one->set_type(std::string(ToText(reason.type)));
    ToMessage(reason.comment, one->mutable_comment());
  }
  ToMessage(record.header_from, out->mutable_header_from());
  if (record.envelope_from) ToMessage(*record.envelope_from, out->mutable_envelope_from());
  if (record.envelope_to) ToMessage(*record.envelope_to, out->mutable_envelope_to());
  for (const DkimAuth& dkim : record.dkim) {
    v1::DkimAuthResult* one = out->add_dkim();
    ToMessage(dkim.domain, one->mutable_domain());
    if (dkim.selector) ToMessage(*dkim.selector, one->mutable_selector());
    one->set_result(std::string(ToText(dkim.result)));
    if (!dkim.human_result.empty()) ToMessage(dkim.human_result, one->mutable_human_result());
  }
  for (const SpfAuth& spf : record.spf) {
    v1::SpfAuthResult* one = out->add_spf();
    if (spf.domain) ToMessage(*spf.domain, one->mutable_domain());
    one->set_scope(spf.scope == SpfScope::kMfrom  ? "mfrom"
                   : spf.scope == SpfScope::kHelo ? "helo"
                                                  : "");
    one->set_result(std::string(ToText(spf.result)));
  }
}

void ToMessage(int64_t begin, int64_t end, v1::Interval* out) {
  out->mutable_start_time()->set_seconds(ClampToTimestamp(begin));
  out->mutable_end_time()->set_seconds(ClampToTimestamp(end));
}

void ToMessage(const AggregateReport& report, v1::AggregateReport* out) {
  const ReportMetadata& metadata = report.metadata;
  ToMessage(metadata.org_name, out->mutable_organization());
  ToMessage(metadata.email, out->mutable_email());
  ToMessage(metadata.extra_contact_info, out->mutable_extra_contact_info());
  ToMessage(metadata.report_id, out->mutable_report_id());
  ToMessage(metadata.begin, metadata.end, out->mutable_period());
  const absl::CivilDay day =
      ToCivil(MidpointDay(ClampToTimestamp(metadata.begin), ClampToTimestamp(metadata.end)));
  out->mutable_date()->set_year(static_cast<int32_t>(day.year()));
  out->mutable_date()->set_month(day.month());
  out->mutable_date()->set_day(day.day());
  const PublishedPolicy& policy = report.policy;
  v1::PublishedPolicy* published = out->mutable_published_policy();
  published->set_domain(ToValidUtf8(policy.domain));
  published->set_p(ToMessage(policy.p));
  published->set_sp(ToMessage(policy.sp));
  published->set_np(ToMessage(policy.np));
  published->set_adkim(std::string(ToText(policy.adkim)));
  published->set_aspf(std::string(ToText(policy.aspf)));
  if (policy.pct) published->set_pct(*policy.pct);
  if (policy.fo) published->set_fo(ToValidUtf8(*policy.fo));
  if (policy.testing) published->set_testing(*policy.testing);
  if (policy.discovery_method == DiscoveryMethod::kPsl) published->set_discovery_method("psl");
  if (policy.discovery_method == DiscoveryMethod::kTreeWalk) {
    published->set_discovery_method("treewalk");
  }
  out->set_message_count(Clamp(report.messages()));
  out->set_record_count(static_cast<int32_t>(report.records.size()));
  out->set_dialect(report.dialect == Dialect::kRfc9990 ? v1::AggregateReport::DIALECT_RFC9990
                                                       : v1::AggregateReport::DIALECT_RFC7489);
}

}  // namespace dmarcate
