#include "cli/import/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "lib/base/status_macros.h"

namespace dmarcate::cli {
namespace {

constexpr size_t kPieceBytes = 128 << 10;

}  // namespace

absl::StatusOr<ByteSource> ByteSource::Open(const std::string& path) {
  UniqueFd fd(path == "-" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                          : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  struct stat info = {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return ErrnoError(errno, "open");
  // What was read of standard input before us is not ours.
  const bool seekable = S_ISREG(info.st_mode) && lseek(fd.get(), 0, SEEK_CUR) == 0;
  return ByteSource(std::move(fd), seekable, seekable ? info.st_size : -1);
}

absl::StatusOr<ByteSource> ByteSource::Spool(ByteSource& source) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
  if (file == nullptr) return ErrnoError(errno, "temporary file");
  int64_t size = 0;
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(const std::string_view piece, source.Read());
    if (piece.empty()) break;
    if (std::fwrite(piece.data(), 1, piece.size(), file.get()) != piece.size()) {
      return ErrnoError(errno, "temporary file");
    }
    size += static_cast<int64_t>(piece.size());
  }
  UniqueFd fd(fcntl(fileno(file.get()), F_DUPFD_CLOEXEC, 0));
  if (std::fflush(file.get()) != 0 || !fd.valid()) return ErrnoError(errno, "temporary file");
  ByteSource spooled(std::move(fd), /*seekable=*/true, size);
  DMARCATE_RETURN_IF_ERROR(spooled.Seek(0));
  return spooled;
}

absl::Status ByteSource::Fill(size_t size) {
  buffer_.erase(0, at_);
  at_ = 0;
  while (buffer_.size() < size) {
    const size_t had = buffer_.size();
    buffer_.resize(size);
    const ssize_t got = read(fd_.get(), buffer_.data() + had, size - had);
    buffer_.resize(had + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) break;
    if (got < 0 && errno != EINTR) return ErrnoError(errno, "read");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> ByteSource::Peek(size_t size) {
  if (buffer_.size() - at_ < size) DMARCATE_RETURN_IF_ERROR(Fill(size));
  return std::string_view(buffer_).substr(at_, size);
}

absl::StatusOr<std::string_view> ByteSource::Read() {
  if (at_ == buffer_.size()) DMARCATE_RETURN_IF_ERROR(Fill(kPieceBytes));
  const std::string_view piece = std::string_view(buffer_).substr(at_, kPieceBytes);
  at_ += piece.size();
  position_ += static_cast<int64_t>(piece.size());
  taken_ += static_cast<int64_t>(piece.size());
  return piece;
}

absl::Status ByteSource::Seek(int64_t offset) {
  if (lseek(fd_.get(), offset, SEEK_SET) != offset) return ErrnoError(errno, "seek");
  buffer_.clear();
  at_ = 0;
  position_ = offset;
  return absl::OkStatus();
}

}  // namespace dmarcate::cli
