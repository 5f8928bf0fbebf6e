// What parses renders to the same bytes, and those bytes parse to the same record; what it names is
// https; findings point into it.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailauth/bimi_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = dmarcate::ParseBimi(text);
  if (!record.ok()) return 0;
  if (record->Render() != text) std::abort();
  const auto again = dmarcate::ParseBimi(record->Render());
  if (!again.ok() || *again != *record) std::abort();
  for (const auto& uri : {record->location, record->authority}) {
    if (uri.has_value() && (uri->scheme != "https" || uri->host.empty())) std::abort();
  }
  for (const dmarcate::TagText& tag : record->tags) {
    if (!text.substr(static_cast<size_t>(tag.position)).starts_with(tag.name)) std::abort();
  }
  for (const dmarcate::LintFinding& finding : dmarcate::LintBimi(*record)) {
    if (finding.position >= static_cast<int>(size)) std::abort();
  }
  return 0;
}
