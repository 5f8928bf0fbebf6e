// An outcome with a reason or a report of valid UTF-8, within the limits.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/base/text.h"
#include "lib/report/tls.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  dmarcate::TlsLimits limits;
  limits.policies = 50;
  const auto parsed = dmarcate::ParseTlsReport(text, limits);
  if (parsed.report.has_value() != parsed.reason.empty()) std::abort();
  if (!parsed.report.has_value()) return 0;
  if (parsed.report->policies.size() > limits.policies) std::abort();
  if (!dmarcate::IsValidUtf8(parsed.report->organization_name)) std::abort();
  for (const auto& policy : parsed.report->policies) {
    if (!dmarcate::IsValidUtf8(policy.policy_domain)) std::abort();
    if (policy.mx_hosts.size() > limits.strings) std::abort();
  }
  return 0;
}
