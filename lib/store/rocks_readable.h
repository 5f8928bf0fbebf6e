// lib/store/rocks_readable.h
// Lists of records of which one that does not decode costs itself only: for those on whom the
// others depend (who is told, what is lowered, what goes on after a start).

#ifndef DMARCATE_LIB_STORE_ROCKS_READABLE_H_
#define DMARCATE_LIB_STORE_ROCKS_READABLE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/store/policy_codec.h"
#include "lib/store/rocks_db.h"

namespace dmarcate {

// The first `limit` records of [from, to) of `family` that decode. The others are logged as `event`
// each time that they are met, which is loud, as it should be.
template <typename Record>
absl::StatusOr<std::vector<Record>> ListReadable(const RocksDb& db, int family,
                                                 std::string_view event, const std::string& from,
                                                 const std::string& to, Direction direction,
                                                 size_t limit) {
  std::vector<Record> out;
  if (limit == 0 || from >= to) return out;
  const auto add = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    Record record;
    if (const absl::Status decoded = DecodeRecord(key, value, &record); decoded.ok()) {
      out.push_back(std::move(record));
    } else {
      LogError(event, {{"error", decoded}});
    }
    return out.size() < limit;
  };
  DMARCATE_RETURN_IF_ERROR(db.Scan(family, from, to, direction, add));
  return out;
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_ROCKS_READABLE_H_
