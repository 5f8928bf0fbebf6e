// What is redacted is recognised as such, and is not redacted further.

#include "lib/unpack/redact_failure_mail.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const dmarcate::AddressTokens tokens("key");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string replaced = tokens.Replace(text);
  if (tokens.Replace(replaced) != replaced) std::abort();
  const auto redacted = dmarcate::RedactFailureMail(text, tokens);
  if (!redacted) return 0;
  if (!dmarcate::IsRedactedFailureMail(*redacted, tokens)) std::abort();
  if (dmarcate::RedactFailureMail(*redacted, tokens) != redacted) std::abort();
  return 0;
}
