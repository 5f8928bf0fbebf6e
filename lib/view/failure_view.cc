#include "lib/view/failure_view.h"

#include <algorithm>
#include <limits>

#include "lib/base/text.h"
#include "lib/view/report_view.h"

namespace dmarcate {

void ToMessage(const FailureReport& report, v1::FailureReport* out) {
  ToMessage(report.user_agent, out->mutable_user_agent());
  for (const std::string& word : report.auth_failure) ToMessage(word, out->add_auth_failures());
  ToMessage(report.reported_domain, out->mutable_reported_domain());
  ToMessage(report.source_ip, out->mutable_source_address());
  ToMessage(report.arrival_date, out->mutable_arrival_date());
  out->set_delivery_result(ToValidUtf8(report.delivery_result));
  ToMessage(report.identity_alignment, out->mutable_identity_alignment());
  ToMessage(report.dkim_domain, out->mutable_dkim_domain());
  ToMessage(report.dkim_selector, out->mutable_dkim_selector());
  ToMessage(report.spf_dns, out->mutable_spf_dns());
  ToMessage(report.original_mail_from_domain, out->mutable_original_mail_from_domain());
  ToMessage(report.original_from_domain, out->mutable_original_from_domain());
  out->set_incident_count(static_cast<int64_t>(
      std::min<uint64_t>(report.incidents, std::numeric_limits<int64_t>::max())));
  ToMessage(report.authentication_results, out->mutable_authentication_results());
  ToMessage(report.original_message_id, out->mutable_original_message_id());
}

}  // namespace dmarcate
