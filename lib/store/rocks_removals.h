// lib/store/rocks_removals.h
// What was removed from the policy database, as its other parts ask.

#ifndef DMARCATE_LIB_STORE_ROCKS_REMOVALS_H_
#define DMARCATE_LIB_STORE_ROCKS_REMOVALS_H_

#include <string_view>

#include "absl/status/status.h"

#include "lib/store/removal_store.h"

namespace dmarcate {

class RocksDb;

// kNotFound: it was removed, and is not there again. Asked with the lock held under which removals
// are written, until what depends on it is.
absl::Status CheckThere(const RocksDb& db, RemovedKind kind, std::string_view id);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_ROCKS_REMOVALS_H_
