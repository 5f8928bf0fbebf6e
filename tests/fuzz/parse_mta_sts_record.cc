// What parses renders to the same bytes, and those bytes parse to the same record, whose id is one;
// findings point into it.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailauth/mta_sts_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = dmarcate::ParseMtaStsRecord(text);
  if (!record.ok()) return 0;
  if (record->Render() != text) std::abort();
  if (record->id.empty() || record->id.size() > 32) std::abort();
  const auto again = dmarcate::ParseMtaStsRecord(record->Render());
  if (!again.ok() || *again != *record) std::abort();
  for (const dmarcate::RecordField& field : record->list.fields) {
    const auto position = static_cast<size_t>(field.position);
    if (!text.substr(position).starts_with(field.name + "=" + field.value)) std::abort();
  }
  for (const dmarcate::LintFinding& finding : dmarcate::LintMtaStsRecord(*record)) {
    if (finding.position >= static_cast<int>(size)) std::abort();
  }
  return 0;
}
