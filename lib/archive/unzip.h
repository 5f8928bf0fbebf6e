// lib/archive/unzip.h
// The members of a zip archive, one after the other, never beyond the budget. Sizes in headers are
// claims and bound nothing; what bounds is what was read. Names are data for display: nothing is
// ever written under them (report-quirks Z8 to Z13).

#ifndef DMARCATE_LIB_ARCHIVE_UNZIP_H_
#define DMARCATE_LIB_ARCHIVE_UNZIP_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/archive/budget.h"
#include "lib/archive/gunzip.h"

namespace dmarcate {

struct ZipMember {
  std::string name;  // valid UTF-8, at most 512 bytes, otherwise as sent: "../../etc/passwd"
  std::string data;
  Damage damage = Damage::kNone;
  int64_t size_bytes = 0;    // of what was read, also where it was handed over
  bool size_lied = false;    // the directory claims another size than was read
  bool handed_over = false;  // to DocumentPlan::large: `data` is empty
  // Why there is no data: kUnimplemented for encryption and for methods other than stored and
  // deflated, kDataLoss where not a byte could be read, kOutOfRange where it is larger than the
  // plan for it allows.
  absl::Status status;
};

// True for what desktops add to archives and folders: below __MACOSX/, or named .DS_Store,
// Thumbs.db or desktop.ini.
bool IsDesktopJunk(std::string_view name);

// True if `bytes` begins as an archive with members does, or as an empty one.
bool LooksLikeZip(std::string_view bytes);

// Asks `planner` about a large member, then calls `visit` with each; directories and what desktops
// add (__MACOSX/, .DS_Store) are left out. Returns the number of members visited.
//   kInvalidArgument    no zip directory can be read
//   kResourceExhausted  `budget` refused, before or after some members; budget.reason() says why
absl::StatusOr<int> Unzip(std::string_view archive, ArchiveBudget& budget,
                          const std::function<void(ZipMember)>& visit,
                          const DocumentPlanner& planner = {});

}  // namespace dmarcate

#endif  // DMARCATE_LIB_ARCHIVE_UNZIP_H_
