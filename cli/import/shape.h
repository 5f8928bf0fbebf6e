// cli/import/shape.h
// What a file is to an import: one item that ingestd unpacks by itself, or a container of many that
// is unpacked here. By content, as everywhere (report-quirks G10); names are for display.

#ifndef DMARCATE_CLI_IMPORT_SHAPE_H_
#define DMARCATE_CLI_IMPORT_SHAPE_H_

#include <cstdint>
#include <string_view>

#include "cli/import/archive_reader.h"

namespace dmarcate::cli {

enum class Shape : uint8_t {
  kItem,    // a mail, a document, a report's attachment: sent as it is
  kMbox,    // split into its messages
  kTar,     // plain or compressed: its members are sent
  kZip,     // IsBulkZip() says whether its members are sent, or itself
  kSingle,  // compressed: a mailbox, or with a method that ingestd does not read
};

inline constexpr size_t kHeadBytes = 64 << 10;
// A compressed head shows nothing before its first block is whole; bzip2's are the largest.
inline constexpr size_t kCompressedHeadBytes = 1 << 20;

// True if more than kHeadBytes have to be seen: kCompressedHeadBytes.
bool IsCompressed(std::string_view head);

// `head` is the beginning of the file, or all of it.
Shape ShapeOf(std::string_view head);

// Reads the directory of `zip` and, as far as needed, the beginnings of its members. A report's
// attachment, which ingestd unpacks, has up to 8 members, and neither mail nor archives among them.
// What cannot be read as a zip is no bulk either: ingestd says what is wrong with it, and keeps it.
bool IsBulkZip(ArchiveReader& zip);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_IMPORT_SHAPE_H_
