// What the fast readers of header values read, GMime reads alike.

#include "lib/mail/plain_value.h"

#include <cstdint>
#include <cstdlib>
#include <string>

#include "lib/mail/gmime_value.h"
#include "lib/mail/header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dmarcate;  // NOLINT: a fuzz target is one function
  const std::string value = UnfoldValue({reinterpret_cast<const char*>(data), size});
  if (const auto plain = PlainContentType(value)) {
    if (!(*plain == GmimeParseContentType(value))) std::abort();
  }
  if (const auto plain = PlainDispositionFileName(value)) {
    if (*plain != GmimeParseDispositionFileName(value)) std::abort();
  }
  if (const auto plain = PlainHeaderText(value)) {
    if (*plain != GmimeDecodeHeaderText(value)) std::abort();
  }
  if (const auto plain = PlainAddressDomain(value)) {
    if (*plain != GmimeFirstAddressDomain(value)) std::abort();
  }
  return 0;
}
