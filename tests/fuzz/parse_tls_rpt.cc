// What parses renders to the same bytes, and those bytes parse to the same record; addresses and
// findings point into it.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailauth/tls_rpt_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = dmarcate::ParseTlsRpt(text);
  if (!record.ok()) return 0;
  if (record->Render() != text || record->rua.empty()) std::abort();
  const auto again = dmarcate::ParseTlsRpt(record->Render());
  if (!again.ok() || *again != *record) std::abort();
  for (const dmarcate::TlsRptAddress& address : record->rua) {
    if (!text.substr(static_cast<size_t>(address.position)).starts_with(address.uri.text)) {
      std::abort();
    }
  }
  for (const dmarcate::LintFinding& finding : dmarcate::LintTlsRpt(*record)) {
    if (finding.position >= static_cast<int>(size)) std::abort();
  }
  // A record that is chosen alone among strangers is one that begins as it must.
  const auto selection = dmarcate::SelectTlsRpt({record->Render(), "v=spf1 -all"});
  if (!selection.indexes.empty() && !text.starts_with("v=TLSRPTv1;")) std::abort();
  return 0;
}
