// cli/import/archive_reader.h
// tar and zip archives and single compressed files, member by member, through libarchive. Nothing
// is written anywhere: names are data for display. The only place that sees libarchive.

#ifndef DMARCATE_CLI_IMPORT_ARCHIVE_READER_H_
#define DMARCATE_CLI_IMPORT_ARCHIVE_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "cli/import/byte_source.h"

namespace dmarcate::cli {

struct ArchiveReadLimits {
  int64_t members = 1'000'000;
  int64_t ratio = 300;                     // of all output to all input, after...
  int64_t ratio_free_bytes = 64 << 20;     // ...so much output
  int64_t zip_directory_bytes = 16 << 20;  // libarchive keeps about four times that
};

enum class ArchiveForm : uint8_t {
  kTar,     // plain, or compressed with gzip, bzip2, xz or zstd
  kZip,     // read by its directory: of a file or of memory only
  kSingle,  // one file compressed with gzip, bzip2, xz or zstd, as one member
};

struct ArchiveMember {
  enum class Kind : uint8_t { kFile, kDirectory, kLink, kSpecial };
  Kind kind = Kind::kFile;
  std::string name;  // valid UTF-8, at most 512 bytes, otherwise as sent: "../../etc/passwd"
  bool encrypted = false;
};

// Not thread-safe.
class ArchiveReader {
 public:
  // What is read from must outlive the reader.
  ArchiveReader(ByteSource& source, ArchiveForm form, const ArchiveReadLimits& limits);
  ArchiveReader(std::string_view memory, ArchiveForm form, const ArchiveReadLimits& limits);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  // The next member; nullopt at the end. What was not read of the one before is passed over.
  //   kDataLoss           not such an archive, or damaged here: nothing more can be read of it
  //   kResourceExhausted  a limit; nothing more is read
  absl::StatusOr<std::optional<ArchiveMember>> Next();
  // The next piece of the member's bytes; empty at their end. Valid until the next call.
  //   kDataLoss, kUnimplemented  this member cannot be read (on)
  //   kResourceExhausted         as Next()
  absl::StatusOr<std::string_view> Read();

 private:
  struct Handle;
  absl::Status NextBlock();  // of the member's bytes, or no more of them
  absl::Status ChargeOutput(int64_t bytes);
  absl::Status Give(absl::Status status);  // up: every later call says the same
  const ArchiveReadLimits limits_;
  std::unique_ptr<Handle> handle_;
  int64_t members_ = 0;
  int64_t output_ = 0;
  absl::Status over_;  // not OK: nothing more is read
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_IMPORT_ARCHIVE_READER_H_
