// Whatever the text is taken for, each finding has a code, a path, and a position inside the text
// or at its end; and the same text has the same findings.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailauth/record_lint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto findings = dmarcate::LintRecordText(text);
  if (!findings.has_value()) return 0;
  for (const dmarcate::LintFinding& finding : *findings) {
    if (finding.code.empty() || finding.path.empty() || finding.message.empty()) std::abort();
    if (finding.position > static_cast<int>(size)) std::abort();
  }
  if (dmarcate::LintRecordText(text) != findings) std::abort();
  return 0;
}
