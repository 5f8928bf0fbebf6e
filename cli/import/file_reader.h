// cli/import/file_reader.h
// A file to its items: containers of many (mbox, tar, zip) are unpacked while they are read, in
// bounded memory; all else is one item. Names in containers are display only, nothing is written.
// One bad member is told and does not stop the rest.

#ifndef DMARCATE_CLI_IMPORT_FILE_READER_H_
#define DMARCATE_CLI_IMPORT_FILE_READER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "cli/import/archive_reader.h"
#include "cli/import/byte_source.h"
#include "cli/import/items.h"

namespace dmarcate::cli {

struct ImportLimits {
  int64_t item_bytes = 25 << 20;  // ingestd's own, unless it is configured lower
  enum class Mailboxes : uint8_t { kSplit, kWhole };
  Mailboxes mailboxes = Mailboxes::kSplit;  // kWhole: an mbox is one item
  ArchiveReadLimits archive;
};

// Not thread-safe. Holds an item and some pieces of a file; of a zip also its directory.
class FileReader {
 public:
  FileReader(const ImportLimits& limits, ImportSink& sink) : limits_(limits), sink_(sink) {}

  // Reads the file, pipe or, for "-", standard input. False: the sink wants no more.
  bool Read(const std::string& path);

 private:
  // The next piece of some bytes, empty at their end.
  using Pieces = std::function<absl::StatusOr<std::string_view>()>;

  void ReadSource(const std::string& name, ByteSource& source);
  void ReadZip(const std::string& name, ByteSource& source);
  void ReadArchive(const std::string& name, ByteSource& source, ArchiveForm form);
  void ReadMember(const std::string& name, ArchiveReader& archive);
  // `head` are the bytes before those that `pieces` gives.
  void SplitMbox(const std::string& name, std::string head, const Pieces& pieces);
  // All of it; empty name of an error: it was told.
  void ReadWhole(const std::string& name, std::string head, const Pieces& pieces, bool is_member);
  bool IsBulk(std::string_view content) const;
  void Send(std::string name, std::string content);
  void Refuse(std::string name, std::string why, std::string next);
  int64_t Advance();  // of source_, since the last time

  const ImportLimits limits_;
  ImportSink& sink_;
  const ByteSource* source_ = nullptr;  // that is being read
  int64_t advanced_ = 0;                // in it
  bool wanted_ = true;
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_IMPORT_FILE_READER_H_
