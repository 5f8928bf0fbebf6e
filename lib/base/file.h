// lib/base/file.h
// Files as a whole: bounded reads, atomic replacement, ownership of descriptors.

#ifndef DMARCATE_LIB_BASE_FILE_H_
#define DMARCATE_LIB_BASE_FILE_H_

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dmarcate {

// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd() { Reset(); }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void Reset();

 private:
  int fd_ = -1;
};

// errno as a status: ENOENT kNotFound, EACCES and EPERM kPermissionDenied, EEXIST kAlreadyExists,
// ENOSPC and EDQUOT kResourceExhausted, anything else kUnavailable. The message is
// "context: strerror".
absl::Status ErrnoError(int error_number, std::string_view context);

// The whole file; nothing of a named pipe that nobody writes to. kResourceExhausted if it holds
// more than `limit_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit_bytes);

// Readers see the old bytes or the new ones, also after a crash: temporary file in the same
// directory, fsync, rename, fsync of the directory. The umask takes nothing from `mode`.
absl::Status WriteFileAtomically(const std::string& path, std::string_view data, mode_t mode);

// Makes the directory `path` with `mode` and, with the ordinary one, what is missing above it. What
// is there already stays as it is. Whatever was made is there after a crash: its parent is synced.
absl::Status MakeDirectories(const std::string& path, mode_t mode);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_FILE_H_
