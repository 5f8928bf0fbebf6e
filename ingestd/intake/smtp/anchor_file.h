// ingestd/intake/smtp/anchor_file.h
// Which anchors send from which addresses, over a restart: a small text file beside the store. Who
// an address and a domain are is kept as a hash only.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_ANCHOR_FILE_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_ANCHOR_FILE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dmarcate {

// An AnchorProof (protocol/sender_budgets.h) by the wall clock, to the second.
struct AnchorEntry {
  std::array<uint64_t, 2> sender{};
  absl::Time proved;
  friend bool operator==(const AnchorEntry&, const AnchorEntry&) = default;
};

// In the order in which they were saved; none if there is no file.
//   kDataLoss, kResourceExhausted  this is no such file, or a damaged one     else: as ReadFile()
absl::StatusOr<std::vector<AnchorEntry>> LoadAnchorFile(const std::string& path);
// Atomically; what can be lost is no report.
absl::Status SaveAnchorFile(const std::string& path, const std::vector<AnchorEntry>& entries);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_ANCHOR_FILE_H_
