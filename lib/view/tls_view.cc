#include "lib/view/tls_view.h"

#include <algorithm>
#include <limits>

#include "lib/view/report_view.h"

namespace dmarcate {
namespace {

constexpr int kMaxTexts = 100;
constexpr size_t kMaxTextBytes = 64 << 10;

int64_t Clamp(uint64_t count) {
  return static_cast<int64_t>(std::min<uint64_t>(count, std::numeric_limits<int64_t>::max()));
}

void ToMessages(const std::vector<std::string>& texts,
                google::protobuf::RepeatedPtrField<v1::UntrustedText>* out) {
  size_t bytes = 0;
  for (const std::string& text : texts) {
    bytes += text.size();
    if (out->size() == kMaxTexts || bytes > kMaxTextBytes) break;
    ToMessage(text, out->Add());
  }
}

}  // namespace

void ToMessage(const TlsReport& report, v1::TlsReport* out) {
  ToMessage(report.organization_name, out->mutable_organization());
  ToMessage(report.contact_info, out->mutable_contact_info());
  ToMessage(report.report_id, out->mutable_report_id());
  ToMessage(report.begin, report.end, out->mutable_period());
}

void ToMessage(const TlsReport::PolicyResult& policy, v1::TlsPolicyResult* out) {
  ToMessage(policy.policy_type, out->mutable_policy_type());
  ToMessage(policy.policy_domain, out->mutable_policy_domain());
  ToMessages(policy.policy_strings, out->mutable_policy_strings());
  ToMessages(policy.mx_hosts, out->mutable_mx_hosts());
  out->set_successful_session_count(Clamp(policy.successful_sessions));
  out->set_failed_session_count(Clamp(policy.failed_sessions));
}

void ToMessage(const TlsReport::FailureDetail& detail, v1::TlsFailureDetail* out) {
  ToMessage(detail.result_type, out->mutable_result_type());
  ToMessage(detail.sending_mta_ip, out->mutable_sending_mta_ip());
  ToMessage(detail.receiving_mx_hostname, out->mutable_receiving_mx_hostname());
  ToMessage(detail.receiving_mx_helo, out->mutable_receiving_mx_helo());
  ToMessage(detail.receiving_ip, out->mutable_receiving_ip());
  ToMessage(detail.additional_information, out->mutable_additional_information());
  ToMessage(detail.reason_code, out->mutable_failure_reason_code());
  out->set_failed_session_count(Clamp(detail.failed_sessions));
}

}  // namespace dmarcate
