// tests/lib/archive/archive_builder.h
// Writes gzip and zip byte by byte, so that every field can lie.

#ifndef DMARCATE_TESTS_LIB_ARCHIVE_ARCHIVE_BUILDER_H_
#define DMARCATE_TESTS_LIB_ARCHIVE_ARCHIVE_BUILDER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarcate {

// One gzip member.
std::string GzipOf(std::string_view data);
// One gzip member holding `size` zero bytes, made without holding them.
std::string GzipOfZeros(uint64_t size);
// A zlib stream.
std::string ZlibOf(std::string_view data);

struct ZipEntry {
  std::string name;
  std::string data;
  bool deflated = true;
  // What the headers say instead of the truth.
  std::optional<uint32_t> claimed_size;
  std::optional<uint32_t> claimed_crc;
  std::optional<uint16_t> method;
  bool encrypted = false;
  bool data_descriptor = false;  // the local header carries zeros
};

struct ZipOptions {
  bool overlap = false;  // every directory entry points at the first local header
};

std::string ZipOf(const std::vector<ZipEntry>& entries, const ZipOptions& options = {});

// A ustar archive of one file.
std::string TarOfOne(const std::string& name, const std::string& data);

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_ARCHIVE_ARCHIVE_BUILDER_H_
