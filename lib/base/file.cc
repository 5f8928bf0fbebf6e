#include "lib/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "fmt/format.h"

#include "lib/base/random.h"
#include "lib/base/status_macros.h"

namespace dmarcate {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void UniqueFd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

absl::Status ErrnoError(int error_number, std::string_view context) {
  absl::StatusCode code = absl::StatusCode::kUnavailable;
  switch (error_number) {
    case ENOENT:
      code = absl::StatusCode::kNotFound;
      break;
    case EACCES:
    case EPERM:
      code = absl::StatusCode::kPermissionDenied;
      break;
    case EEXIST:
      code = absl::StatusCode::kAlreadyExists;
      break;
    case ENOSPC:
    case EDQUOT:
      code = absl::StatusCode::kResourceExhausted;
      break;
    default:
      break;
  }
  return MakeError(code, fmt::format("{}: {}", context, std::strerror(error_number)));
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit_bytes) {
  // A pipe that nobody writes to would hold up the open for good. Once open, it is read as ever.
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return ErrnoError(errno, path);
  if (fcntl(fd.get(), F_SETFL, 0) != 0) return ErrnoError(errno, path);
  std::string out;
  char buffer[65536];
  while (true) {
    const ssize_t got = read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, path);
    if (got == 0) return out;
    out.append(buffer, static_cast<size_t>(got));
    if (out.size() > limit_bytes) {
      return MakeError(absl::StatusCode::kResourceExhausted,
                       fmt::format("{}: larger than the limit of {} bytes", path, limit_bytes));
    }
  }
}

namespace {

absl::Status SyncDirectory(const std::string& path) {
  const UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid() || fsync(directory.get()) != 0) return ErrnoError(errno, path);
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeDirectories(const std::string& path, mode_t mode) {
  std::filesystem::path at(path);
  if (!at.has_filename()) at = at.parent_path();  // "a/b/"
  std::error_code error;
  if (at.empty() || std::filesystem::is_directory(at, error)) return absl::OkStatus();
  const std::string parent = at.has_parent_path() ? at.parent_path().string() : std::string(".");
  constexpr mode_t kAbove = 0777;  // less what umask takes away
  if (parent != at) {
    if (const absl::Status made = MakeDirectories(parent, kAbove); !made.ok()) return made;
  }
  if (mkdir(at.c_str(), mode) != 0) {
    return errno == EEXIST && std::filesystem::is_directory(at, error) ? absl::OkStatus()
                                                                       : ErrnoError(errno, path);
  }
  return SyncDirectory(parent);
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view data, mode_t mode) {
  const std::filesystem::path target(path);
  const std::string directory =
      target.has_parent_path() ? target.parent_path().string() : std::string(".");
  SystemRandom random;
  const std::string temporary = fmt::format("{}.{}.tmp", path, ToHex(random.Bytes(8)));
  UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.valid()) return ErrnoError(errno, path);  // which is what the caller knows
  const auto fail = [&](int error_number) {
    unlink(temporary.c_str());
    return ErrnoError(error_number, path);
  };
  if (fchmod(fd.get(), mode) != 0) return fail(errno);
  for (std::string_view rest = data; !rest.empty();) {
    const ssize_t wrote = write(fd.get(), rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail(errno);
    rest.remove_prefix(static_cast<size_t>(wrote));
  }
  if (fsync(fd.get()) != 0) return fail(errno);
  fd.Reset();
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return fail(errno);
  return SyncDirectory(directory);
}

}  // namespace dmarcate
