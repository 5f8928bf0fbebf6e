// The input is a record's text, and RDATA. What parses renders to text and to RDATA that parse to
// the same record, and that text renders to itself; RDATA keep their bytes; lints take any record.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/mailauth/tlsa_record.h"

namespace {

void Check(const dmarcate::TlsaRecord& record) {
  const std::string text = record.ToPresentation();
  const auto from_text = dmarcate::ParseTlsa(text);
  if (!from_text.ok() || *from_text != record || from_text->ToPresentation() != text) std::abort();
  const auto from_rdata = dmarcate::ParseTlsaRdata(record.ToRdata());
  if (!from_rdata.ok() || *from_rdata != record) std::abort();
  for (const dmarcate::LintFinding& finding : dmarcate::LintTlsa({record})) {
    if (finding.position >= static_cast<int>(text.size())) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto record = dmarcate::ParseTlsa(bytes); record.ok()) Check(*record);
  if (const auto record = dmarcate::ParseTlsaRdata(bytes); record.ok()) {
    if (record->ToRdata() != bytes) std::abort();
    Check(*record);
  }
  return 0;
}
