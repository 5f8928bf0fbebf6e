// lib/store/opening_mark.h
// Tells a follower that the writer has opened the store anew.
//
// After a restart the writer's recovery moves what was in its log into tables. A RocksDB secondary
// that had read part of that log keeps its memory of it, and memory comes before tables: of a value
// that is written again and again (daily totals) it goes on to give the older state, of the others
// the newer one. So the writer leaves a new mark in a file each time it opens, and a follower that
// sees another mark begins anew.

#ifndef DMARCATE_LIB_STORE_OPENING_MARK_H_
#define DMARCATE_LIB_STORE_OPENING_MARK_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dmarcate {

// For the writer, before it opens the database and once it has. Synced; other errors than of the
// disk do not occur.
absl::Status WriteOpeningMark(const std::string& directory);
// Empty if there is none yet.
absl::StatusOr<std::string> ReadOpeningMark(const std::string& directory);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_OPENING_MARK_H_
