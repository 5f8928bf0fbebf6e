// tests/cli/import/containers.h
// tar, zip and compressed files as other programs write them.

#ifndef DMARCATE_TESTS_CLI_IMPORT_CONTAINERS_H_
#define DMARCATE_TESTS_CLI_IMPORT_CONTAINERS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarcate::cli_testing {

struct Entry {
  enum class Kind : uint8_t { kFile, kDirectory, kSymlink, kHardlink, kFifo };
  std::string name;
  std::string data;  // of a link: where it points to
  Kind kind = Kind::kFile;
};

enum class Packing : uint8_t { kNone, kGzip, kBzip2, kXz, kZstd };

std::string TarOf(const std::vector<Entry>& entries, Packing packing = Packing::kNone);
std::string ZipArchiveOf(const std::vector<Entry>& entries);
std::string Packed(std::string_view data, Packing packing);

// Writes a compressed file piece by piece, for what is larger than memory should be: `next` gives
// the pieces, an empty one at the end. `member_bytes` 0: no tar around it.
void WritePacked(const std::string& path, Packing packing, const std::string& member,
                 int64_t member_bytes, const std::function<std::string()>& next);

}  // namespace dmarcate::cli_testing

#endif  // DMARCATE_TESTS_CLI_IMPORT_CONTAINERS_H_
