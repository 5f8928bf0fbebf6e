// lib/snapshot/snapshot.h
// What ingestd must know of policyd's decisions to receive reports: the managed domains and their
// report addresses. policyd publishes it as one file, so that ingestd needs nobody while it works.
// docs/snapshot.md has the format. Pure.

#ifndef DMARCATE_LIB_SNAPSHOT_SNAPSHOT_H_
#define DMARCATE_LIB_SNAPSHOT_SNAPSHOT_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dmarcate {

// Of the file: over 100,000 addresses.
inline constexpr size_t kSnapshotLimitBytes = 32 << 20;

struct Snapshot {
  // An address that takes reports. Revoked ones are not in the snapshot.
  struct Address {
    std::string address;  // "r-0123456789abcdef@reports.example", lower case
    std::string domain;   // whose reports it is for: one of `domains`
    friend auto operator<=>(const Address&, const Address&) = default;
  };
  std::vector<std::string> domains;  // A-labels, lower case
  std::vector<Address> addresses;
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

// Equal content, equal bytes, in whatever order it is given.
std::string RenderSnapshot(Snapshot snapshot);

// What RenderSnapshot() made, by this version or by a later one of the same format.
//   kDataLoss  "line 7: what is wrong": not a snapshot, cut off, or of a format that is not known
absl::StatusOr<Snapshot> ParseSnapshot(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_SNAPSHOT_SNAPSHOT_H_
