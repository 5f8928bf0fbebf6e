#include "lib/store/rocks_db.h"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <system_error>

#include "fmt/format.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/options.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"
#include "rocksdb/write_buffer_manager.h"

#include "lib/base/status_macros.h"
#include "lib/store/deletion_watch.h"

namespace dmarcate {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kBlockCacheBytes = 8 * kMiB;
constexpr size_t kAllWriteBuffersBytes = 16 * kMiB;  // of one database
constexpr size_t kWriteBufferBytes = 4 * kMiB;       // of one family
constexpr uint64_t kMaxWalBytes = 32 * kMiB;         // what an opening or a follower reads again
constexpr size_t kKeptBatchBytes = 8 * kMiB;

constexpr uint64_t kRewriteSeconds = 30 * 24 * 60 * 60;

rocksdb::Slice ToSlice(std::string_view s) { return {s.data(), s.size()}; }
std::string_view FromSlice(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

// The one place where RocksDB's codes become ours.
absl::Status FromRocks(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const auto code = [&status] {
    if (status.IsNoSpace()) return absl::StatusCode::kResourceExhausted;
    if (status.IsPathNotFound()) return absl::StatusCode::kUnavailable;
    switch (status.code()) {
      case rocksdb::Status::kNotFound:
        return absl::StatusCode::kNotFound;
      case rocksdb::Status::kCorruption:
        return absl::StatusCode::kDataLoss;
      case rocksdb::Status::kMemoryLimit:
        return absl::StatusCode::kResourceExhausted;
      case rocksdb::Status::kTimedOut:
        return absl::StatusCode::kDeadlineExceeded;
      case rocksdb::Status::kNotSupported:
      case rocksdb::Status::kInvalidArgument:
        return absl::StatusCode::kFailedPrecondition;
      default:
        return absl::StatusCode::kUnavailable;
    }
  }();
  return MakeError(code, fmt::format("{}: {}", what, status.ToString()));
}

// By another process, or by this one. RocksDB has no code for it; paths are in its messages, too.
bool IsLocked(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  return status.IsIOError() && (text.starts_with("IO error: While lock file") ||
                                text.starts_with("IO error: lock hold by current process"));
}

rocksdb::ColumnFamilyOptions FamilyOptions(const FamilySpec& family,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  const FamilyKind kind = family.kind;
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = 2;
  options.target_file_size_base = 16 * kMiB;
  options.compression = rocksdb::kZSTD;
  options.compression_opts.level = 1;  // rewritten soon
  options.bottommost_compression = rocksdb::kZSTD;
  options.bottommost_compression_opts.enabled = true;
  options.bottommost_compression_opts.level = 15;  // lies there for long
  if (kind != FamilyKind::kBulk) {
    // Keys come from everywhere, so by levels each fourth flush would write all of a family anew
    // until it has 256 MiB. Thus everything is written anew, and strongly compressed, each time the
    // family has become three times as large; and at times in any case, for the sake of what was
    // deleted or written over since. It is RocksDB's default, but not a promise of theirs.
    options.compaction_style = rocksdb::kCompactionStyleUniversal;
    options.periodic_compaction_seconds = kRewriteSeconds;
  }
  // With the keys of a batch in order (Write), an insertion begins where the one before ended.
  options.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  table.block_size = 128 << 10;
  table.cache_index_and_filter_blocks = true;  // so that the cache's size bounds them
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  switch (kind) {
    case FamilyKind::kSmall:
      break;
    case FamilyKind::kLookup:
      table.filter_policy.reset(rocksdb::NewRibbonFilterPolicy(10));
      options.memtable_whole_key_filtering = true;
      options.memtable_prefix_bloom_size_ratio = 0.1;
      break;
    case FamilyKind::kPacked:
      // Measured on generated reports, bytes a record: 11.2 with level 6, 11.0 with level 12, 10.4
      // with level 15, all with blocks of 128 KiB; 10.2 with 15 and 256 KiB.
      options.write_buffer_size = 2 * kWriteBufferBytes;
      table.block_size = 192 << 10;
      break;
    case FamilyKind::kBulk:
      // Not RocksDB's blob files: a follower of 7.8.3 crashes when it reads one (its version set
      // keeps references to strings that are gone, and makes cache keys of them; seen 2026-11).
      options.write_buffer_size = kWriteBufferBytes;
      options.target_file_size_base = 64 * kMiB;
      // Mostly base64 of compressed documents, of which higher levels make no less. The keys
      // ascend, so tables are moved down a level and not written again.
      options.bottommost_compression_opts.level = 1;
      break;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.table_properties_collector_factories.push_back(WatchDeletions(family.passing));
  return options;
}

rocksdb::DBOptions DatabaseOptions(rocksdb::Env* env) {
  rocksdb::DBOptions options;
  if (env != nullptr) options.env = env;
  // Compaction, which nobody waits for, may take a processor for many seconds after a burst.
  // Flushes are of the other pool: writes wait for them.
  options.env->LowerThreadPoolCPUPriority(rocksdb::Env::LOW);
  options.write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(kAllWriteBuffersBytes);
  options.max_total_wal_size = kMaxWalBytes;
  options.max_background_jobs = 2;
  options.max_open_files = 256;
  options.bytes_per_sync = kMiB;  // spreads the writing of large files
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 4;
  options.max_log_file_size = kMiB;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

}  // namespace

struct RocksDb::Impl {
  std::string directory;
  std::vector<FamilySpec> families;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  std::unique_ptr<rocksdb::DB> db;

  std::vector<rocksdb::ColumnFamilyDescriptor> Descriptors(
      const std::shared_ptr<rocksdb::Cache>& cache) const {
    std::vector<rocksdb::ColumnFamilyDescriptor> out;
    for (const FamilySpec& family : families) {
      out.emplace_back(family.name, FamilyOptions(family, cache));
    }
    return out;
  }
  rocksdb::ColumnFamilyHandle* handle(int family) const {
    return handles[static_cast<size_t>(family)];
  }

  // The batch of the write before, empty: memory that is new to the process costs more than all
  // that is copied into it.
  std::unique_ptr<rocksdb::WriteBatch> TakeBatch() {
    const std::lock_guard lock(batch_mutex);
    if (batch == nullptr) return std::make_unique<rocksdb::WriteBatch>();
    return std::move(batch);
  }
  void KeepBatch(std::unique_ptr<rocksdb::WriteBatch> used) {
    if (used->Data().capacity() > kKeptBatchBytes) return;
    used->Clear();
    const std::lock_guard lock(batch_mutex);
    batch = std::move(used);
  }

  std::mutex batch_mutex;
  std::unique_ptr<rocksdb::WriteBatch> batch;
};

RocksDb::RocksDb(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RocksDb::~RocksDb() {
  for (rocksdb::ColumnFamilyHandle* handle : impl_->handles) {
    static_cast<void>(impl_->db->DestroyColumnFamilyHandle(handle));
  }
  static_cast<void>(impl_->db->Close());  // what was promised has been synced
}

absl::StatusOr<std::unique_ptr<RocksDb>> RocksDb::Open(const std::string& directory,
                                                       std::vector<FamilySpec> families,
                                                       rocksdb::Env* env) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return MakeError(absl::StatusCode::kUnavailable,
                     fmt::format("{}: {}", directory, error.message()));
  }
  auto impl = std::make_unique<Impl>();
  impl->directory = directory;
  impl->families = std::move(families);
  const auto cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  rocksdb::DBOptions options = DatabaseOptions(env);
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(options, directory, impl->Descriptors(cache), &impl->handles, &db);
  if (IsLocked(status)) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("{}: in use by another process", directory));
  }
  DMARCATE_RETURN_IF_ERROR(FromRocks(status, directory));
  impl->db.reset(db);
  return std::unique_ptr<RocksDb>(new RocksDb(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<RocksDb>> RocksDb::Follow(const std::string& primary,
                                                         const std::string& directory,
                                                         std::vector<FamilySpec> families) {
  std::error_code error;
  if (!std::filesystem::exists(primary + "/CURRENT", error)) {
    return MakeError(absl::StatusCode::kUnavailable, fmt::format("{}: no database yet", primary));
  }
  auto impl = std::make_unique<Impl>();
  impl->directory = primary;
  impl->families = std::move(families);
  const auto cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  rocksdb::DBOptions options = DatabaseOptions(nullptr);
  options.max_open_files = -1;  // the primary may delete a file that we still read
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenAsSecondary(
      options, primary, directory, impl->Descriptors(cache), &impl->handles, &db);
  // A family that is not there yet is an invalid argument to RocksDB.
  if (status.IsInvalidArgument()) {
    return MakeError(absl::StatusCode::kUnavailable,
                     fmt::format("{}: {}", primary, status.ToString()));
  }
  DMARCATE_RETURN_IF_ERROR(FromRocks(status, primary));
  impl->db.reset(db);
  return std::unique_ptr<RocksDb>(new RocksDb(std::move(impl)));
}

absl::StatusOr<std::optional<std::string>> RocksDb::Get(int family, std::string_view key) const {
  std::string value;
  const rocksdb::Status status =
      impl_->db->Get(rocksdb::ReadOptions(), impl_->handle(family), ToSlice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  DMARCATE_RETURN_IF_ERROR(FromRocks(status, impl_->directory));
  return value;
}

absl::Status RocksDb::Scan(
    int family, std::string_view from, std::string_view to, Direction direction,
    const std::function<absl::StatusOr<bool>(std::string_view, std::string_view)>& visit) const {
  const rocksdb::Slice lower = ToSlice(from), upper = ToSlice(to);
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &lower;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(
      impl_->db->NewIterator(options, impl_->handle(family)));
  const bool forward = direction == Direction::kForward;
  for (forward ? it->SeekToFirst() : it->SeekToLast(); it->Valid();
       forward ? it->Next() : it->Prev()) {
    DMARCATE_ASSIGN_OR_RETURN(const bool more, visit(FromSlice(it->key()), FromSlice(it->value())));
    if (!more) return absl::OkStatus();
  }
  return FromRocks(it->status(), impl_->directory);
}

absl::Status RocksDb::CheckWritable() const {
  if (!failed_) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      fmt::format("{}: a write failed; the database must be opened again", impl_->directory));
}

absl::Status RocksDb::Write(const WriteSet& changes, Sync sync) {
  DMARCATE_RETURN_IF_ERROR(CheckWritable());
  std::unique_ptr<rocksdb::WriteBatch> batch = impl_->TakeBatch();
  rocksdb::Status status;
  std::vector<const WriteSet::Map::value_type*> sorted;
  for (size_t family = 0; family < changes.families().size(); ++family) {
    sorted.clear();
    for (const auto& change : changes.families()[family]) sorted.push_back(&change);
    std::ranges::sort(sorted, {}, [](const auto* change) -> const auto& { return change->first; });
    for (const auto* change : sorted) {
      const auto& [key, value] = *change;
      rocksdb::ColumnFamilyHandle* handle = impl_->handles[family];
      status = value ? batch->Put(handle, key, *value) : batch->Delete(handle, key);
      if (!status.ok()) return FromRocks(status, impl_->directory);  // nothing was tried
    }
  }
  rocksdb::WriteOptions options;
  options.sync = sync == Sync::kYes;
  status = impl_->db->Write(options, batch.get());
  if (!status.ok()) failed_ = true;
  impl_->KeepBatch(std::move(batch));
  return FromRocks(status, impl_->directory);
}

absl::Status RocksDb::CatchUp() {
  return FromRocks(impl_->db->TryCatchUpWithPrimary(), impl_->directory);
}

uint64_t RocksDb::Sequence() const { return impl_->db->GetLatestSequenceNumber(); }

absl::Status RocksDb::Compact() {
  DMARCATE_RETURN_IF_ERROR(CheckWritable());
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  for (rocksdb::ColumnFamilyHandle* handle : impl_->handles) {
    DMARCATE_RETURN_IF_ERROR(
        FromRocks(impl_->db->CompactRange(options, handle, nullptr, nullptr), impl_->directory));
  }
  return absl::OkStatus();
}

std::vector<std::pair<std::string, uint64_t>> RocksDb::FileBytes() const {
  std::vector<std::pair<std::string, uint64_t>> out;
  for (size_t i = 0; i < impl_->handles.size(); ++i) {
    uint64_t bytes = 0;
    impl_->db->GetIntProperty(impl_->handles[i], rocksdb::DB::Properties::kTotalSstFilesSize,
                              &bytes);
    out.emplace_back(impl_->families[i].name, bytes);
  }
  return out;
}

}  // namespace dmarcate
