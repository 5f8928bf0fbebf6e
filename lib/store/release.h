// lib/store/release.h
// A person lets a report that trust had quarantined into the statistics (docs/trust.md).

#ifndef DMARCATE_LIB_STORE_RELEASE_H_
#define DMARCATE_LIB_STORE_RELEASE_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

#include "lib/store/trust_reason.h"

namespace dmarcate {

// Kept with the report for as long as its rows, whatever becomes of its trust later.
struct Release {
  std::string by;                                    // who: the caller's name
  absl::Time time;                                   // to the second
  std::string why;                                   // in that person's words, valid UTF-8
  TrustReason quarantined_for = TrustReason::kNone;  // filled by the store
  friend bool operator==(const Release&, const Release&) = default;
};

enum class ReleaseOutcome : uint8_t {
  kReleased,    // counts as kImported from now on
  kAlready,     // had been released, and nothing changes
  kNotThere,    // is not in quarantine: unknown, dropped, purged, expired, or a copy vouches for it
  kImpossible,  // says numbers that cannot be; released, they would drown all others
  kNoRoom,      // as many revisions of its identity and of this trust as may be kept
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_RELEASE_H_
