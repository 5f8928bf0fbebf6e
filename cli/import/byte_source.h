// cli/import/byte_source.h
// The bytes of a file, a pipe or standard input, piece by piece.

#ifndef DMARCATE_CLI_IMPORT_BYTE_SOURCE_H_
#define DMARCATE_CLI_IMPORT_BYTE_SOURCE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/file.h"

namespace dmarcate::cli {

// Holds one piece, and what was peeked at. Not thread-safe. Errors are those of ErrnoError().
class ByteSource {
 public:
  // "-" is standard input.
  static absl::StatusOr<ByteSource> Open(const std::string& path);

  // All of `source`, in a temporary file without a name, at its beginning.
  static absl::StatusOr<ByteSource> Spool(ByteSource& source);

  // The next bytes without taking them: `size`, or fewer if those are the last. Valid until the
  // next call.
  absl::StatusOr<std::string_view> Peek(size_t size);
  // Takes the next piece; empty at the end. Valid until the next call.
  absl::StatusOr<std::string_view> Read();
  // Only if seekable(). To any place, also back.
  absl::Status Seek(int64_t offset);

  bool seekable() const { return seekable_; }
  int64_t size() const { return size_; }          // -1: not known
  int64_t position() const { return position_; }  // of what Read() gives next
  int64_t taken() const { return taken_; }        // by all Read(); what was read twice counts twice

 private:
  ByteSource(UniqueFd fd, bool seekable, int64_t size)
      : fd_(std::move(fd)), seekable_(seekable), size_(size) {}
  absl::Status Fill(size_t size);  // buffer_ to `size` bytes from at_, or to the end

  UniqueFd fd_;
  bool seekable_;
  int64_t size_;
  int64_t position_ = 0, taken_ = 0;
  std::string buffer_;
  size_t at_ = 0;  // of the first byte in buffer_ that was not taken
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_IMPORT_BYTE_SOURCE_H_
