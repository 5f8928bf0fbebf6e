// What parses renders to the same bytes, and those bytes parse to the same policy; a pattern is one
// itself and matches what it should; findings point into the text.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailauth/mta_sts_policy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto policy = dmarcate::ParseMtaStsPolicy(text);
  if (!policy.ok()) return 0;
  if (policy->Render() != text) std::abort();
  const auto again = dmarcate::ParseMtaStsPolicy(policy->Render());
  if (!again.ok() || *again != *policy) std::abort();
  if (policy->mx.empty() && policy->mode != dmarcate::MtaStsMode::kNone) std::abort();
  for (const dmarcate::MtaStsMxPattern& pattern : policy->mx) {
    const auto same = dmarcate::ParseMtaStsMxPattern(pattern.text());
    if (!same.ok() || *same != pattern) std::abort();
    if (pattern.Matches(pattern.name) == pattern.wildcard) std::abort();
    const auto below = pattern.name.Child("a");
    if (below.ok() && pattern.Matches(*below) != pattern.wildcard) std::abort();
  }
  for (const dmarcate::LintFinding& finding : dmarcate::LintMtaStsPolicy(*policy)) {
    if (finding.position >= static_cast<int>(size)) std::abort();
  }
  return 0;
}
