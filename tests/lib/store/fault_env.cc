#include "tests/lib/store/fault_env.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace dmarcate::store_testing {
namespace {

rocksdb::Status Injected() { return rocksdb::Status::IOError("injected"); }

class FaultFile final : public rocksdb::WritableFileWrapper {
 public:
  FaultFile(std::string name, std::unique_ptr<rocksdb::WritableFile> file, FaultEnv& env)
      : WritableFileWrapper(file.get()),
        name_(std::move(name)),
        file_(std::move(file)),
        env_(env) {}

  rocksdb::Status Append(const rocksdb::Slice& data) override {
    const FaultEnv::Verdict verdict = env_.Next();
    if (verdict == FaultEnv::Verdict::kFail) return Injected();
    if (!env_.Fits(data.size())) return rocksdb::Status::NoSpace("injected");
    const rocksdb::Slice part(data.data(),
                              verdict == FaultEnv::Verdict::kHalf ? data.size() / 2 : data.size());
    const rocksdb::Status status = WritableFileWrapper::Append(part);
    if (status.ok()) env_.Appended(name_, part.size());
    return verdict == FaultEnv::Verdict::kHalf ? Injected() : status;
  }
  rocksdb::Status Append(const rocksdb::Slice& data,
                         const rocksdb::DataVerificationInfo& /*info*/) override {
    return Append(data);
  }
  rocksdb::Status Truncate(uint64_t size) override {
    rocksdb::Status status = env_.Call();
    if (status.ok()) status = WritableFileWrapper::Truncate(size);
    if (status.ok()) env_.Truncated(name_, size);
    return status;
  }
  rocksdb::Status Flush() override {
    const rocksdb::Status status = env_.Call();
    return status.ok() ? WritableFileWrapper::Flush() : status;
  }
  rocksdb::Status Sync() override {
    const rocksdb::Status status = env_.Call();
    if (status.ok()) env_.Synced(name_);
    return status;
  }
  rocksdb::Status Fsync() override { return Sync(); }
  // A hint only: what it wrote back is not promised to last.
  rocksdb::Status RangeSync(uint64_t /*offset*/, uint64_t /*bytes*/) override {
    return env_.Call();
  }
  rocksdb::Status Close() override {
    const rocksdb::Status injected = env_.Call();
    const rocksdb::Status status = WritableFileWrapper::Close();
    return injected.ok() ? status : injected;
  }

 private:
  const std::string name_;
  const std::unique_ptr<rocksdb::WritableFile> file_;
  FaultEnv& env_;
};

class FaultDirectory final : public rocksdb::Directory {
 public:
  FaultDirectory(std::unique_ptr<rocksdb::Directory> directory, FaultEnv& env)
      : directory_(std::move(directory)), env_(env) {}
  rocksdb::Status Fsync() override { return env_.Call(); }
  rocksdb::Status Close() override { return directory_->Close(); }

 private:
  const std::unique_ptr<rocksdb::Directory> directory_;
  FaultEnv& env_;
};

}  // namespace

int64_t FaultEnv::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

int64_t FaultEnv::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

bool FaultEnv::hit() const {
  const std::lock_guard lock(mutex_);
  return hit_;
}

void FaultEnv::LosePower() {
  const std::lock_guard lock(mutex_);
  dead_ = true;
  for (const auto& [name, sizes] : files_) {
    std::error_code gone;
    if (!std::filesystem::exists(name, gone)) continue;
    std::filesystem::resize_file(name, sizes.synced);
  }
}

FaultEnv::Verdict FaultEnv::Next() {
  const std::lock_guard lock(mutex_);
  if (dead_) return Verdict::kFail;
  ++calls_;
  const bool now = calls_ == fail_at_ && fault_ != Fault::kNone;
  if (!now && !(hit_ && fault_ == Fault::kForever)) return Verdict::kGo;
  hit_ = true;
  return fault_ == Fault::kTorn ? Verdict::kHalf : Verdict::kFail;
}

rocksdb::Status FaultEnv::Call() {
  return Next() == Verdict::kGo ? rocksdb::Status::OK() : Injected();
}

bool FaultEnv::Fits(size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes_ + static_cast<int64_t>(bytes) > capacity_) {
    hit_ = true;
    return false;
  }
  bytes_ += static_cast<int64_t>(bytes);
  return true;
}

void FaultEnv::Appended(const std::string& name, size_t bytes) {
  const std::lock_guard lock(mutex_);
  files_[name].written += bytes;
}

void FaultEnv::Synced(const std::string& name) {
  const std::lock_guard lock(mutex_);
  files_[name].synced = files_[name].written;
}

void FaultEnv::Truncated(const std::string& name, uint64_t size) {
  const std::lock_guard lock(mutex_);
  Sizes& sizes = files_[name];
  sizes.written = size;
  sizes.synced = std::min(sizes.synced, size);
}

rocksdb::Status FaultEnv::NewWritableFile(const std::string& name,
                                          std::unique_ptr<rocksdb::WritableFile>* result,
                                          const rocksdb::EnvOptions& options) {
  rocksdb::Status status = Call();
  if (status.ok()) status = EnvWrapper::NewWritableFile(name, result, options);
  if (!status.ok()) return status;
  {
    const std::lock_guard lock(mutex_);
    files_[name] = {};
  }
  *result = std::make_unique<FaultFile>(name, std::move(*result), *this);
  return status;
}

rocksdb::Status FaultEnv::ReopenWritableFile(const std::string& name,
                                             std::unique_ptr<rocksdb::WritableFile>* result,
                                             const rocksdb::EnvOptions& options) {
  rocksdb::Status status = Call();
  if (status.ok()) status = EnvWrapper::ReopenWritableFile(name, result, options);
  if (status.ok()) *result = std::make_unique<FaultFile>(name, std::move(*result), *this);
  return status;
}

rocksdb::Status FaultEnv::NewDirectory(const std::string& name,
                                       std::unique_ptr<rocksdb::Directory>* result) {
  const rocksdb::Status status = EnvWrapper::NewDirectory(name, result);
  if (status.ok()) *result = std::make_unique<FaultDirectory>(std::move(*result), *this);
  return status;
}

rocksdb::Status FaultEnv::DeleteFile(const std::string& name) {
  rocksdb::Status status = Call();
  if (status.ok()) status = EnvWrapper::DeleteFile(name);
  const std::lock_guard lock(mutex_);
  if (status.ok()) files_.erase(name);
  return status;
}

rocksdb::Status FaultEnv::RenameFile(const std::string& from, const std::string& to) {
  rocksdb::Status status = Call();
  if (status.ok()) status = EnvWrapper::RenameFile(from, to);
  if (!status.ok()) return status;
  const std::lock_guard lock(mutex_);
  if (auto file = files_.extract(from)) {
    files_.erase(to);
    file.key() = to;
    files_.insert(std::move(file));
  }
  return status;
}

rocksdb::Status FaultEnv::LinkFile(const std::string& from, const std::string& to) {
  const rocksdb::Status status = Call();
  return status.ok() ? EnvWrapper::LinkFile(from, to) : status;
}

}  // namespace dmarcate::store_testing
