// A key that parses is revoked or measured, never both and never neither; it renders to the same
// bytes, and those parse to the same key.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailauth/dkim_key.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto key = dmarcate::ParseDkimKey(text);
  const auto record = dmarcate::ParseDkimKeyRecord(text);
  if (key.status() != record.status()) std::abort();
  if (!key.ok()) return 0;
  if (record->key != *key || record->Render() != text) std::abort();
  const auto again = dmarcate::ParseDkimKeyRecord(record->Render());
  if (!again.ok() || *again != *record) std::abort();
  if (key->revoked == (key->bits > 0)) std::abort();
  if (key->revoked && key->UsableForMail()) std::abort();
  dmarcate::LintDkimKey(*key, "dkim/s");
  return 0;
}
