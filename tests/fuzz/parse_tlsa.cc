// The input is records' text, and RDATA. What parses renders to text and to RDATA that parse to
// the same record, and that text renders to itself; RDATA keep their bytes; lints take any record;
// fields and findings point into the text, in their order.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "lib/mailauth/tlsa_record.h"

namespace {

void CheckPositions(const std::vector<dmarcate::TlsaRecord>& records, std::string_view text) {
  int last = -1;
  for (const dmarcate::TlsaRecord& record : records) {
    const auto& [usage, selector, matching_type, data] = record.positions;
    for (const int position : {usage, selector, matching_type, data}) {
      if (position <= last || position >= static_cast<int>(text.size())) std::abort();
      last = position;
    }
  }
  for (const dmarcate::LintFinding& finding : dmarcate::LintTlsa(records)) {
    if (finding.position > last) std::abort();
  }
}

void Check(const dmarcate::TlsaRecord& record) {
  const std::string text = record.ToPresentation();
  const auto from_text = dmarcate::ParseTlsa(text);
  if (!from_text.ok() || *from_text != record || from_text->ToPresentation() != text) std::abort();
  const auto from_rdata = dmarcate::ParseTlsaRdata(record.ToRdata());
  if (!from_rdata.ok() || *from_rdata != record) std::abort();
  CheckPositions({*from_text}, text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto record = dmarcate::ParseTlsa(bytes); record.ok()) Check(*record);
  if (const auto records = dmarcate::ParseTlsaLines(bytes); records.ok()) {
    CheckPositions(*records, bytes);
  }
  if (const auto record = dmarcate::ParseTlsaRdata(bytes); record.ok()) {
    if (record->ToRdata() != bytes) std::abort();
    for (const dmarcate::LintFinding& finding : dmarcate::LintTlsa({*record})) {
      if (finding.position != -1) std::abort();
    }
    Check(*record);
  }
  return 0;
}
