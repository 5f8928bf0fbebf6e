#include "lib/view/posture_view.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

template <typename Message>
void AddValues(const DnsAnswer& answer, Message* out) {
  for (const TxtRecord& txt : answer.txt) out->add_values(ToValidUtf8(txt.Joined()));
  for (const MxRecord& mx : answer.mx) {
    out->add_values(fmt::format("{} {}", mx.preference, mx.exchange.ToFqdn()));
  }
  for (const std::string& text : answer.texts) out->add_values(ToValidUtf8(text));
}

void FillView(const RecordView& view, const Judgement& judgement, v1::RecordType type,
              v1::LiveRecord* out) {
  out->set_type(type);
  out->set_owner_name(view.owner.text());
  out->set_outcome(OutcomeOf(view.resolver));
  if (view.resolver.ok()) {
    AddValues(*view.resolver, out);
    out->set_ttl_seconds(view.resolver->ttl_seconds);
    out->set_validated(view.resolver->validated);
    for (const DomainName& name : view.resolver->cname_chain) out->add_cname_chain(name.text());
  } else {
    out->set_error(std::string(MessageOf(view.resolver.status())));
  }
  out->set_verdict(ToMessage(judgement.verdict));
  out->set_verdict_reason(judgement.reason);
  for (const LintFinding& finding : judgement.findings) ToMessage(finding, out->add_findings());
  out->set_consistent(view.consistent);
  if (!view.servers.ok()) return;
  for (const ServerAnswer& server : view.servers->servers) {
    v1::ServerView* one = out->add_servers();
    one->set_name_server(server.name_server.text());
    one->set_address(server.address);
    one->set_outcome(OutcomeOf(server.answer));
    if (!server.answer.ok()) {
      one->set_error(std::string(MessageOf(server.answer.status())));
      continue;
    }
    AddValues(*server.answer, one);
    one->set_ttl_seconds(server.answer->ttl_seconds);
    one->set_soa_serial(server.answer->soa_serial);
    const int64_t nanos = absl::ToInt64Nanoseconds(server.answer->round_trip);
    one->mutable_round_trip()->set_seconds(nanos / 1'000'000'000);
    one->mutable_round_trip()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  }
}

v1::DkimKeyState StateOf(const DkimPosture& dkim) {
  if (!dkim.view.resolver.ok()) return v1::DKIM_KEY_STATE_UNKNOWN;
  if (dkim.key.has_value()) {
    if (dkim.key->revoked) return v1::DKIM_KEY_STATE_REVOKED;
    return dkim.key->UsableForMail() ? v1::DKIM_KEY_STATE_USABLE : v1::DKIM_KEY_STATE_UNUSABLE;
  }
  const bool there = std::ranges::any_of(dkim.judgement.findings, [](const LintFinding& finding) {
    return finding.code == lint_code::kDkimMultiple || finding.code == lint_code::kDkimSyntax;
  });
  return there ? v1::DKIM_KEY_STATE_UNUSABLE : v1::DKIM_KEY_STATE_ABSENT;
}

void FillNode(const SpfNode& node, v1::SpfNode* out) {
  out->set_term(ToValidUtf8(node.term));
  out->set_target(ToValidUtf8(node.target));
  out->set_record(ToValidUtf8(node.record_text));
  out->set_lookup_cost(node.lookup_cost);
  out->set_void_lookup(node.void_lookups > 0 && node.children.empty());
  out->set_error(ToValidUtf8(node.error));
  for (const SpfNode& child : node.children) FillNode(child, out->add_children());
}

}  // namespace

v1::LookupOutcome OutcomeOf(const absl::StatusOr<DnsAnswer>& answer) {
  if (answer.ok()) {
    switch (answer->outcome) {
      case DnsOutcome::kRecords:
        return v1::LOOKUP_OUTCOME_RECORDS;
      case DnsOutcome::kNoData:
        return v1::LOOKUP_OUTCOME_NODATA;
      case DnsOutcome::kNxDomain:
        return v1::LOOKUP_OUTCOME_NXDOMAIN;
    }
  }
  switch (answer.status().code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return v1::LOOKUP_OUTCOME_TIMEOUT;
    case absl::StatusCode::kDataLoss:
      return v1::LOOKUP_OUTCOME_BOGUS;
    default:
      return v1::LOOKUP_OUTCOME_SERVFAIL;
  }
}

v1::Verdict ToMessage(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return v1::VERDICT_PASS;
    case Verdict::kWarn:
      return v1::VERDICT_WARN;
    case Verdict::kFail:
      return v1::VERDICT_FAIL;
    case Verdict::kUnknown:
      return v1::VERDICT_UNKNOWN;
  }
  return v1::VERDICT_UNSPECIFIED;
}

v1::Severity ToMessage(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return v1::SEVERITY_INFO;
    case Severity::kWarning:
      return v1::SEVERITY_WARNING;
    case Severity::kError:
      return v1::SEVERITY_ERROR;
  }
  return v1::SEVERITY_UNSPECIFIED;
}

void ToMessage(const LintFinding& finding, v1::LintFinding* out) {
  out->set_code(finding.code);
  out->set_severity(ToMessage(finding.severity));
  out->set_path(ToValidUtf8(finding.path));
  if (finding.position >= 0) out->set_position(finding.position);
  out->set_message(ToValidUtf8(finding.message));
  out->set_fix_hint(ToValidUtf8(finding.fix_hint));
  out->set_reference(finding.rfc_section);
  for (const auto& [key, value] : finding.metadata) {
    (*out->mutable_metadata())[key] = ToValidUtf8(value);
  }
}

void ToMessage(const SpfTree& tree, v1::SpfTree* out) {
  FillNode(tree.root, out->mutable_root());
  if (out->root().term().empty()) out->mutable_root()->set_term(tree.domain.text());
  out->set_lookup_count(tree.lookup_count);
  out->set_lookup_limit(kMaxSpfLookups);
  out->set_void_lookup_count(tree.void_lookup_count);
  out->set_void_lookup_limit(kMaxSpfVoidLookups);
  out->set_ipv4_address_count(tree.ipv4_address_count);
  out->set_complete(tree.complete);
}

void ToMessage(const SpfPosture& posture, v1::LiveRecord* out) {
  FillView(posture.view, posture.judgement, v1::RECORD_TYPE_SPF, out);
  out->set_record(ToValidUtf8(posture.text));
}

void ToMessage(const DmarcPosture& posture, v1::LiveRecord* out) {
  FillView(posture.view, posture.judgement, v1::RECORD_TYPE_DMARC, out);
  out->set_record(ToValidUtf8(posture.text));
}

void ToMessage(const DkimPosture& posture, v1::LiveRecord* out) {
  FillView(posture.view, posture.judgement, v1::RECORD_TYPE_DKIM, out);
  out->set_record(ToValidUtf8(posture.text));
  v1::DkimKeyView* const key = out->mutable_dkim_key();
  key->set_selector(ToValidUtf8(posture.selector));
  key->set_state(StateOf(posture));
  if (!posture.key.has_value()) return;
  key->set_key_type(std::string(ToString(posture.key->type)));
  key->set_bits(posture.key->bits);
  key->set_testing(posture.key->testing);
  key->set_strict_identity(posture.key->strict_identity);
}

void ToMessage(const MxPosture& posture, v1::LiveRecord* out) {
  FillView(posture.view, posture.judgement, v1::RECORD_TYPE_MX, out);
}

void ToMessage(const MtaStsPosture& posture, v1::LiveRecord* out) {
  FillView(posture.view, posture.judgement, v1::RECORD_TYPE_MTA_STS, out);
  out->set_record(ToValidUtf8(posture.text));
}

void ToMessage(const TlsRptPosture& posture, v1::LiveRecord* out) {
  FillView(posture.view, posture.judgement, v1::RECORD_TYPE_TLS_RPT, out);
  out->set_record(ToValidUtf8(posture.text));
}

void ToMessage(const Posture& posture, const std::vector<v1::RecordType>& types,
               v1::InspectRecordsResponse* out) {
  const auto wanted = [&types](v1::RecordType type) {
    return types.empty() || std::ranges::find(types, type) != types.end();
  };
  if (wanted(v1::RECORD_TYPE_SPF)) ToMessage(posture.spf, out->add_records());
  if (wanted(v1::RECORD_TYPE_DMARC)) ToMessage(posture.dmarc, out->add_records());
  if (wanted(v1::RECORD_TYPE_DKIM)) {
    for (const DkimPosture& dkim : posture.dkim) ToMessage(dkim, out->add_records());
  }
  if (wanted(v1::RECORD_TYPE_MX)) ToMessage(posture.mx, out->add_records());
  if (wanted(v1::RECORD_TYPE_MTA_STS)) ToMessage(posture.mta_sts, out->add_records());
  if (wanted(v1::RECORD_TYPE_TLS_RPT)) ToMessage(posture.tls_rpt, out->add_records());
  out->set_consistent(posture.consistent);
  out->mutable_read_time()->set_seconds(absl::ToUnixSeconds(posture.read_time));
}

}  // namespace dmarcate
