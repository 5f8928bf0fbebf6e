// tests/lib/store/fault_env.h
// A RocksDB environment over the real file system whose writing calls can fail, one after the
// other, and that can lose what was not synced, as a power failure does. A sync is only noted, so
// that thousands of them cost no time: the power that fails is this environment's own.

#ifndef DMARCATE_TESTS_LIB_STORE_FAULT_ENV_H_
#define DMARCATE_TESTS_LIB_STORE_FAULT_ENV_H_

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "rocksdb/env.h"

namespace dmarcate::store_testing {

// Counts create, open, append, truncate, flush, sync, close, rename, link, delete and the sync of a
// directory. Thread-safe, but for the settings: set them before the database is opened.
class FaultEnv final : public rocksdb::EnvWrapper {
 public:
  enum class Fault : uint8_t {
    kNone,
    kOnce,    // the call fails and does nothing
    kTorn,    // the same, but an append writes half
    kForever  // so do all calls after it
  };
  FaultEnv() : EnvWrapper(rocksdb::Env::Default()) {}

  void FailCall(int64_t number, Fault fault) {  // counted from 1
    fail_at_ = number;
    fault_ = fault;
  }
  // Appends beyond so many bytes in all find the disk full. What is deleted gives nothing back.
  void SetCapacity(int64_t bytes) { capacity_ = bytes; }

  int64_t calls() const;
  int64_t bytes() const;
  bool hit() const;  // the fault has happened
  // The power fails: from now on every call fails, and of each file that was written through this
  // environment only what was synced remains. The database may be closed before or after.
  void LosePower();

  rocksdb::Status NewWritableFile(const std::string& name,
                                  std::unique_ptr<rocksdb::WritableFile>* result,
                                  const rocksdb::EnvOptions& options) override;
  rocksdb::Status ReopenWritableFile(const std::string& name,
                                     std::unique_ptr<rocksdb::WritableFile>* result,
                                     const rocksdb::EnvOptions& options) override;
  rocksdb::Status NewDirectory(const std::string& name,
                               std::unique_ptr<rocksdb::Directory>* result) override;
  rocksdb::Status DeleteFile(const std::string& name) override;
  rocksdb::Status RenameFile(const std::string& from, const std::string& to) override;
  rocksdb::Status LinkFile(const std::string& from, const std::string& to) override;

  // For the files.
  enum class Verdict : uint8_t { kGo, kFail, kHalf };
  Verdict Next();
  rocksdb::Status Call();   // of a call that cannot be torn
  bool Fits(size_t bytes);  // takes them
  void Appended(const std::string& name, size_t bytes);
  void Synced(const std::string& name);
  void Truncated(const std::string& name, uint64_t size);

 private:
  struct Sizes {
    uint64_t written = 0, synced = 0;
  };
  mutable std::mutex mutex_;
  int64_t calls_ = 0, bytes_ = 0;
  int64_t fail_at_ = 0;
  Fault fault_ = Fault::kNone;
  int64_t capacity_ = std::numeric_limits<int64_t>::max();
  bool hit_ = false, dead_ = false;
  std::map<std::string, Sizes> files_;
};

}  // namespace dmarcate::store_testing

#endif  // DMARCATE_TESTS_LIB_STORE_FAULT_ENV_H_
