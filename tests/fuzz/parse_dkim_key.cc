// A key that parses is revoked or measured, never both and never neither.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailauth/dkim_key.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto key = dmarcate::ParseDkimKey({reinterpret_cast<const char*>(data), size});
  if (!key.ok()) return 0;
  if (key->revoked == (key->bits > 0)) std::abort();
  if (key->revoked && key->UsableForMail()) std::abort();
  dmarcate::LintDkimKey(*key, "dkim/s");
  return 0;
}
