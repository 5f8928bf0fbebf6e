// What parses renders to the same bytes, and those bytes parse to the same record; lints point into
// it.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailauth/spf_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto first = dmarcate::ParseSpf(text);
  if (!first.ok()) return 0;
  if (first->Render() != text) std::abort();
  const auto second = dmarcate::ParseSpf(first->Render());
  if (!second.ok() || *second != *first) std::abort();
  for (const dmarcate::LintFinding& finding : dmarcate::LintSpf(*first)) {
    if (finding.position >= static_cast<int>(size)) std::abort();
  }
  // A term more is that term and nothing else, and what we publish parses.
  const auto term = dmarcate::ParseSpfTerm("include:a.test");
  const size_t before = first->terms.size();
  first->InsertBeforeAll(*term);
  const auto edited = dmarcate::ParseSpf(first->Render());
  if (!edited.ok() || edited->terms.size() != before + 1 || !edited->Find(*term)) std::abort();
  return 0;
}
