// lib/store/rocks_db.h
// RocksDB behind an interface of our own: ordered bytes in families, atomic writes, a follower. The
// only place that knows it, and where its statuses become absl::Status (rocks_db.cc). The limits on
// its memory are set here: the ingest daemon stays below 96 MiB (performance.md, goal 5).

#ifndef DMARCATE_LIB_STORE_ROCKS_DB_H_
#define DMARCATE_LIB_STORE_ROCKS_DB_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/text.h"
#include "lib/store/report_store.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace dmarcate {

// What a family holds decides how it is kept.
enum class FamilyKind : uint8_t {
  kSmall,   // small values, read by key and by range
  kLookup,  // small values, mostly asked for in vain: a filter in memory answers
  kPacked,  // read by range: large blocks, strong compression
  kBulk,    // large values under ascending keys: compaction moves whole files
};
struct FamilySpec {
  std::string name;  // the first one of a database is "default"
  FamilyKind kind = FamilyKind::kSmall;
  // First letters of keys that are deleted soon after they were written. The deletions of others
  // make RocksDB compact, so that the space comes back.
  std::string passing;
};

// What one write changes, with what will be there afterwards. Families by their index.
class WriteSet {
 public:
  explicit WriteSet(size_t families) : families_(families) {}
  void Put(int family, std::string key, std::string value) {
    families_[static_cast<size_t>(family)].insert_or_assign(std::move(key), std::move(value));
  }
  void Delete(int family, std::string key) {
    families_[static_cast<size_t>(family)].insert_or_assign(std::move(key), std::nullopt);
  }
  // nullptr: nothing is said about the key. nullopt: it is deleted.
  const std::optional<std::string>* Find(int family, std::string_view key) const {
    const auto& map = families_[static_cast<size_t>(family)];
    const auto found = map.find(key);
    return found == map.end() ? nullptr : &found->second;
  }
  using Map = StringMap<std::optional<std::string>>;
  const std::vector<Map>& families() const { return families_; }

 private:
  std::vector<Map> families_;
};

enum class Direction : uint8_t { kForward, kBackward };

// Thread-safe; Write() orders concurrent writers by itself.
class RocksDb {
 public:
  // Opens or creates `directory`. kFailedPrecondition: another process has it open.
  // `env` nullptr: the real file system; a test may pass one that fails. It must outlive the
  // RocksDb.
  static absl::StatusOr<std::unique_ptr<RocksDb>> Open(const std::string& directory,
                                                       std::vector<FamilySpec> families,
                                                       rocksdb::Env* env = nullptr);
  // Reads what another process writes into `primary`; keeps its log in `directory`. kUnavailable:
  // there is no complete database yet.
  static absl::StatusOr<std::unique_ptr<RocksDb>> Follow(const std::string& primary,
                                                         const std::string& directory,
                                                         std::vector<FamilySpec> families);
  ~RocksDb();

  absl::StatusOr<std::optional<std::string>> Get(int family, std::string_view key) const;
  // Keys in [from, to), in either direction; the views are valid during the call only. Goes on
  // while `visit` gives true; an error of `visit` ends it and is returned.
  absl::Status Scan(
      int family, std::string_view from, std::string_view to, Direction direction,
      const std::function<absl::StatusOr<bool>(std::string_view, std::string_view)>& visit) const;

  // All or nothing. After any error all further writes give kFailedPrecondition, because what the
  // disk has is not known until the database is opened again.
  absl::Status Write(const WriteSet& changes, Sync sync);

  // A follower takes in what the primary wrote since.
  absl::Status CatchUp();
  // Grows with each write seen.
  uint64_t Sequence() const;

  // Rewrites everything in its final form. For maintenance and measurements. Not together with
  // Write(): RocksDB 7.8 ends the process when it is to flush after a write to its log has failed
  // (an assertion, which Debian's package keeps).
  //   kFailedPrecondition  as of Write()
  absl::Status Compact();
  // Of table files, by family, with their names.
  std::vector<std::pair<std::string, uint64_t>> FileBytes() const;

 private:
  struct Impl;
  explicit RocksDb(std::unique_ptr<Impl> impl);
  absl::Status CheckWritable() const;

  std::unique_ptr<Impl> impl_;
  std::atomic<bool> failed_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_ROCKS_DB_H_
