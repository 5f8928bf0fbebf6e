#include "lib/store/tls_codec.h"

#include <limits>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/standing_codec.h"
#include "lib/store/value_parts.h"
#include "lib/store/wire.h"

namespace dmarcate {
namespace {

void AddSaturating(uint64_t amount, uint64_t* sum) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  *sum = *sum > kMax - amount ? kMax : *sum + amount;
}

// The lengths of things in a value, at least: a policy, a failure detail.
constexpr size_t kPolicyBytes = 7, kDetailBytes = 8;

void WritePolicy(std::string_view domain, const TlsReport::PolicyResult& policy, WireWriter& out) {
  out.String(policy.policy_type);
  WriteOwnText(domain, policy.policy_domain, out);
  WriteTexts(policy.policy_strings, out);
  WriteTexts(policy.mx_hosts, out);
  out.Varint(policy.successful_sessions);
  out.Varint(policy.failed_sessions);
  out.Varint(policy.failures.size());
  for (const TlsReport::FailureDetail& detail : policy.failures) {
    out.String(detail.result_type);
    out.String(detail.sending_mta_ip);
    out.String(detail.receiving_mx_hostname);
    out.String(detail.receiving_mx_helo);
    out.String(detail.receiving_ip);
    out.String(detail.additional_information);
    out.String(detail.reason_code);
    out.Varint(detail.failed_sessions);
  }
}

TlsReport::PolicyResult ReadPolicy(std::string_view domain, WireReader& in) {
  TlsReport::PolicyResult policy;
  policy.policy_type = in.String();
  policy.policy_domain = ReadOwnText(domain, in);
  policy.policy_strings = ReadTexts(in);
  policy.mx_hosts = ReadTexts(in);
  policy.successful_sessions = in.Varint();
  policy.failed_sessions = in.Varint();
  policy.failures.resize(in.Length(kDetailBytes));
  for (TlsReport::FailureDetail& detail : policy.failures) {
    detail.result_type = in.String();
    detail.sending_mta_ip = in.String();
    detail.receiving_mx_hostname = in.String();
    detail.receiving_mx_helo = in.String();
    detail.receiving_ip = in.String();
    detail.additional_information = in.String();
    detail.reason_code = in.String();
    detail.failed_sessions = in.Varint();
  }
  return policy;
}

void CountPolicy(const TlsReport::PolicyResult& policy, StoredTlsReport* stored) {
  ++stored->policy_count;
  stored->detail_count += static_cast<int64_t>(policy.failures.size());
  AddSaturating(policy.successful_sessions, &stored->successful_sessions);
  AddSaturating(policy.failed_sessions, &stored->failed_sessions);
}

}  // namespace

void CountParts(StoredTlsReport* stored) {
  stored->repair_count = static_cast<int64_t>(stored->repairs.size());
  stored->policy_count = stored->detail_count = 0;
  stored->successful_sessions = stored->failed_sessions = 0;
  for (const TlsReport::PolicyResult& policy : stored->report.policies) CountPolicy(policy, stored);
}

std::string EncodeTlsReport(const StoredTlsReport& stored) {
  const TlsReport& report = stored.report;
  std::string payload;
  WireWriter out(&payload);
  WriteArrival(stored, out);
  out.Zigzag(report.begin);
  out.Zigzag(report.end);
  out.String(stored.reporter_key);
  out.String(report.organization_name);
  out.String(report.contact_info);
  out.String(report.report_id);
  out.String(stored.document_sha256);
  WriteRepairs(stored.repairs, out);
  out.Varint(report.policies.size());
  for (const TlsReport::PolicyResult& policy : report.policies) {
    WritePolicy(stored.key.domain, policy, out);
  }
  return SealReport(ReportDbKey(stored.key), stored, payload);
}

absl::Status DecodeTlsReport(std::string_view db_key, std::string_view value, ReportParts parts,
                             StoredTlsReport* stored) {
  *stored = {};
  auto key = ParseReportDbKey(db_key);
  if (!key) return MakeError(absl::StatusCode::kDataLoss, "TLS reports: a key does not decode");
  stored->key = *std::move(key);
  const auto where = [stored] {
    return fmt::format("TLS report {} of {}", stored->key.ToId(), stored->key.domain);
  };
  const auto payload = UnsealReport(db_key, value);
  if (!payload.ok()) return Annotate(payload.status(), where());
  WireReader in(payload->bytes);
  TlsReport& report = stored->report;
  ReadArrival(payload->version, in, stored);
  report.begin = in.Zigzag();
  report.end = in.Zigzag();
  stored->reporter_key = in.String();
  report.organization_name = in.String();
  report.contact_info = in.String();
  report.report_id = in.String();
  stored->document_sha256 = in.String();
  stored->repairs = ReadRepairs(in);
  CountParts(stored);
  const size_t policies = in.Length(kPolicyBytes);
  if (parts == ReportParts::kAll) report.policies.reserve(policies);
  for (size_t i = 0; i < policies; ++i) {
    TlsReport::PolicyResult policy = ReadPolicy(stored->key.domain, in);
    CountPolicy(policy, stored);
    if (parts == ReportParts::kAll) report.policies.push_back(std::move(policy));
  }
  // With its memory: a page holds many.
  if (parts == ReportParts::kHead) stored->repairs = std::vector<Repair>();
  if (in.AtEnd()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kDataLoss, where() + ": the value does not decode");
}

}  // namespace dmarcate
