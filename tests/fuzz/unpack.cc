// Any bytes end in at least one entry, and each entry is a report or says why it is none. The same
// bytes give the same entries.

#include "lib/unpack/unpack.h"

#include <cstdint>
#include <cstdlib>
#include <string>

#include "lib/base/text.h"

namespace {

using dmarcate::Outcome;

bool IsAccepted(Outcome outcome) {
  return outcome == Outcome::kAccepted || outcome == Outcome::kAcceptedCosmetic ||
         outcome == Outcome::kAcceptedMaterial;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  dmarcate::UnpackHints hints;
  hints.received_time = absl::FromUnixSeconds(1764720000);
  dmarcate::UnpackLimits limits;
  limits.inflated_bytes = 4 << 20;
  limits.ratio_free_bytes = 1 << 18;
  const dmarcate::Unpacked first = dmarcate::Unpack(bytes, hints, limits);
  if (first.reports.empty()) std::abort();
  for (const dmarcate::UnpackedReport& report : first.reports) {
    const int values = (report.aggregate ? 1 : 0) + (report.tls ? 1 : 0) + (report.failure ? 1 : 0);
    if (IsAccepted(report.outcome) != (values == 1) || values > 1) std::abort();
    if (IsAccepted(report.outcome) != report.reason.empty()) std::abort();
    if (report.outcome == Outcome::kAccepted && !report.repairs.empty()) std::abort();
    for (const dmarcate::Repair& repair : report.repairs) {
      const bool lost = repair.material && report.outcome == Outcome::kAcceptedCosmetic;
      if (lost) std::abort();
    }
    if (!dmarcate::IsValidUtf8(report.file_name)) std::abort();
    if (!report.document_sha256.empty() && report.document_sha256.size() != 32) std::abort();
  }
  const dmarcate::Unpacked second = dmarcate::Unpack(bytes, hints, limits);
  if (second.reports.size() != first.reports.size()) std::abort();
  for (size_t i = 0; i < first.reports.size(); ++i) {
    if (second.reports[i].outcome != first.reports[i].outcome ||
        second.reports[i].aggregate != first.reports[i].aggregate) {
      std::abort();
    }
  }
  return 0;
}
