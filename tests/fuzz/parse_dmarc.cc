// What parses renders to the same bytes; an edit parses, holds what was set, and repeating it
// changes nothing.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailauth/dmarc_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = dmarcate::ParseDmarc(text);
  if (!record.ok()) return 0;
  if (record->Render() != text) std::abort();
  const auto again = dmarcate::ParseDmarc(record->Render());
  if (!again.ok() || !(*again == *record)) std::abort();
  for (const dmarcate::LintFinding& finding : dmarcate::LintDmarc(*record)) {
    if (finding.position >= static_cast<int>(size)) std::abort();
  }
  if (const auto edited = record->WithTag("p", "reject"); edited.ok()) {
    if (edited->Find("p")->value != "reject") std::abort();
    if (edited->WithTag("p", "reject")->Render() != edited->Render()) std::abort();
  }
  if (const auto edited = record->WithRua({"mailto:r@x.test"}); edited.ok()) {
    if (edited->WithRua({"mailto:R@x.test"})->Render() != edited->Render()) std::abort();
    const auto removed = edited->WithoutRua({"mailto:r@x.test"});
    if (!removed.ok() || removed->tags().size() > edited->tags().size()) std::abort();
  }
  return 0;
}
