#include "lib/store/failure_codec.h"

#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/standing_codec.h"
#include "lib/store/value_parts.h"
#include "lib/store/wire.h"

namespace dmarcate {
namespace {

// All texts but the domain, in the order at rest.
constexpr std::string FailureReport::* kTexts[] = {
    &FailureReport::feedback_type,
    &FailureReport::user_agent,
    &FailureReport::version,
    &FailureReport::source_ip,
    &FailureReport::arrival_date,
    &FailureReport::delivery_result,
    &FailureReport::identity_alignment,
    &FailureReport::dkim_domain,
    &FailureReport::dkim_selector,
    &FailureReport::spf_dns,
    &FailureReport::original_mail_from_domain,
    &FailureReport::original_from_domain,
    &FailureReport::authentication_results,
    &FailureReport::original_message_id,
};

}  // namespace

std::string EncodeFailureReport(const StoredFailureReport& stored) {
  const FailureReport& report = stored.report;
  std::string payload;
  WireWriter out(&payload);
  WriteArrival(stored, out);
  out.String(stored.document_sha256);
  WriteOwnText(stored.key.domain, report.reported_domain, out);
  out.Varint(report.incidents);
  WriteTexts(report.auth_failure, out);
  for (const auto text : kTexts) out.String(report.*text);
  WriteRepairs(stored.repairs, out);
  return SealReport(ReportDbKey(stored.key), stored, payload);
}

absl::StatusOr<StoredFailureReport> DecodeFailureReport(std::string_view db_key,
                                                        std::string_view value) {
  StoredFailureReport stored;
  auto key = ParseReportDbKey(db_key);
  if (!key) return MakeError(absl::StatusCode::kDataLoss, "failure reports: a key does not decode");
  stored.key = *std::move(key);
  const auto where = [&stored] {
    return fmt::format("failure report {} of {}", stored.key.ToId(), stored.key.domain);
  };
  const auto payload = UnsealReport(db_key, value);
  if (!payload.ok()) return Annotate(payload.status(), where());
  WireReader in(payload->bytes);
  FailureReport& report = stored.report;
  ReadArrival(payload->version, in, &stored);
  stored.document_sha256 = in.String();
  report.reported_domain = ReadOwnText(stored.key.domain, in);
  report.incidents = in.Varint();
  report.auth_failure = ReadTexts(in);
  for (const auto text : kTexts) report.*text = in.String();
  stored.repairs = ReadRepairs(in);
  stored.repair_count = static_cast<int64_t>(stored.repairs.size());
  if (in.AtEnd()) return stored;
  return MakeError(absl::StatusCode::kDataLoss, where() + ": the value does not decode");
}

}  // namespace dmarcate
