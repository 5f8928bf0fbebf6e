#include "lib/report/model_budget.h"

#include <string>
#include <vector>

namespace dmarcate {
namespace {

constexpr size_t kTextInPlace = 15;  // of libstdc++'s string; a longer one is on the heap

int64_t Beyond(const std::string& text) {
  return text.size() > kTextInPlace ? static_cast<int64_t>(text.size() + 1) : 0;
}

int64_t Beyond(const std::optional<std::string>& text) {
  return text.has_value() ? Beyond(*text) : 0;
}

int64_t Beyond(const std::vector<std::string>& texts) {
  auto bytes = static_cast<int64_t>(texts.size() * sizeof(std::string));
  for (const std::string& text : texts) bytes += Beyond(text);
  return bytes;
}

}  // namespace

bool ModelBudget::TakeRecord() {
  if (records_left_ < 1) return false;
  --records_left_;
  return true;
}

bool ModelBudget::TakeBytes(int64_t bytes) {
  if (bytes > std::min(bytes_left_, earned_)) return false;
  bytes_left_ -= bytes;
  earned_ -= bytes;
  return true;
}

bool ModelBudget::TakeSinkBytes(int64_t bytes) {
  if (bytes > sink_left_) return false;
  sink_left_ -= bytes;
  return true;
}

void ModelBudget::GiveBack(int64_t records, int64_t bytes) {
  records_left_ += records;
  bytes_left_ += bytes;
  earned_ += bytes;
}

int64_t ModelBytes(const AggregateRecord& record) {
  auto bytes = static_cast<int64_t>(sizeof(record) + record.dkim.size() * sizeof(DkimAuth) +
                                    record.spf.size() * sizeof(SpfAuth) +
                                    record.reasons.size() * sizeof(OverrideReason));
  bytes += Beyond(record.header_from) + Beyond(record.envelope_from) + Beyond(record.envelope_to);
  for (const DkimAuth& auth : record.dkim) {
    bytes += Beyond(auth.domain) + Beyond(auth.selector) + Beyond(auth.human_result);
  }
  for (const SpfAuth& auth : record.spf) bytes += Beyond(auth.domain) + Beyond(auth.human_result);
  for (const OverrideReason& reason : record.reasons) bytes += Beyond(reason.comment);
  return bytes;
}

int64_t FrameBytes(const AggregateReport& report) {
  const ReportMetadata& metadata = report.metadata;
  const PublishedPolicy& policy = report.policy;
  return static_cast<int64_t>(sizeof(report)) + Beyond(report.version) +
         Beyond(report.xml_namespace) + Beyond(report.extensions) + Beyond(metadata.org_name) +
         Beyond(metadata.email) + Beyond(metadata.extra_contact_info) + Beyond(metadata.report_id) +
         Beyond(metadata.errors) + Beyond(metadata.generator) + Beyond(policy.domain) +
         Beyond(policy.fo) + Beyond(policy.p_raw);
}

int64_t ModelBytes(const TlsReport::FailureDetail& failure) {
  return static_cast<int64_t>(sizeof(failure)) + Beyond(failure.result_type) +
         Beyond(failure.sending_mta_ip) + Beyond(failure.receiving_mx_hostname) +
         Beyond(failure.receiving_mx_helo) + Beyond(failure.receiving_ip) +
         Beyond(failure.additional_information) + Beyond(failure.reason_code);
}

int64_t ModelBytes(const TlsReport::PolicyResult& policy, FailureDetails failures) {
  auto bytes = static_cast<int64_t>(sizeof(policy)) + Beyond(policy.policy_type) +
               Beyond(policy.policy_domain) + Beyond(policy.policy_strings) +
               Beyond(policy.mx_hosts);
  if (failures == FailureDetails::kLeftOut) return bytes;
  for (const TlsReport::FailureDetail& failure : policy.failures) bytes += ModelBytes(failure);
  return bytes;
}

int64_t ModelBytes(const TlsReport& report) {
  auto bytes = static_cast<int64_t>(sizeof(report)) + Beyond(report.organization_name) +
               Beyond(report.report_id) + Beyond(report.contact_info) + Beyond(report.begin_text) +
               Beyond(report.end_text);
  for (const TlsReport::PolicyResult& policy : report.policies) {
    bytes += ModelBytes(policy, FailureDetails::kCounted);
  }
  return bytes;
}

}  // namespace dmarcate
