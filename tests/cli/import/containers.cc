#include "tests/cli/import/containers.h"

#include <archive.h>
#include <archive_entry.h>

#include <cstdio>
#include <cstdlib>

namespace dmarcate::cli_testing {
namespace {

void Check(archive* writer, int result) {
  if (result == ARCHIVE_OK) return;
  std::fprintf(stderr, "libarchive: %s\n", archive_error_string(writer));
  std::abort();
}

la_ssize_t Append(archive*, void* out, const void* data, size_t size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(data), size);
  return static_cast<la_ssize_t>(size);
}

void SetPacking(archive* writer, Packing packing) {
  switch (packing) {
    case Packing::kNone:
      break;
    case Packing::kGzip:
      return Check(writer, archive_write_add_filter_gzip(writer));
    case Packing::kBzip2:
      return Check(writer, archive_write_add_filter_bzip2(writer));
    case Packing::kXz:
      return Check(writer, archive_write_add_filter_xz(writer));
    case Packing::kZstd:
      return Check(writer, archive_write_add_filter_zstd(writer));
  }
}

void WriteEntry(archive* writer, const Entry& entry) {
  archive_entry* header = archive_entry_new();
  archive_entry_copy_pathname(header, entry.name.c_str());
  archive_entry_set_perm(header, 0644);
  archive_entry_set_filetype(header, AE_IFREG);
  switch (entry.kind) {
    case Entry::Kind::kFile:
      archive_entry_set_size(header, static_cast<la_int64_t>(entry.data.size()));
      break;
    case Entry::Kind::kDirectory:
      archive_entry_set_filetype(header, AE_IFDIR);
      break;
    case Entry::Kind::kSymlink:
      archive_entry_set_filetype(header, AE_IFLNK);
      archive_entry_copy_symlink(header, entry.data.c_str());
      break;
    case Entry::Kind::kHardlink:
      archive_entry_copy_hardlink(header, entry.data.c_str());
      break;
    case Entry::Kind::kFifo:
      archive_entry_set_filetype(header, AE_IFIFO);
      break;
  }
  Check(writer, archive_write_header(writer, header));
  if (entry.kind == Entry::Kind::kFile) {
    archive_write_data(writer, entry.data.data(), entry.data.size());
  }
  archive_entry_free(header);
}

std::string Write(archive* writer, const std::vector<Entry>& entries) {
  std::string out;
  archive_write_set_bytes_in_last_block(writer, 1);
  Check(writer, archive_write_open(writer, &out, nullptr, Append, nullptr));
  for (const Entry& entry : entries) WriteEntry(writer, entry);
  Check(writer, archive_write_close(writer));
  archive_write_free(writer);
  return out;
}

}  // namespace

std::string TarOf(const std::vector<Entry>& entries, Packing packing) {
  archive* writer = archive_write_new();
  Check(writer, archive_write_set_format_gnutar(writer));
  SetPacking(writer, packing);
  return Write(writer, entries);
}

std::string ZipArchiveOf(const std::vector<Entry>& entries) {
  archive* writer = archive_write_new();
  Check(writer, archive_write_set_format_zip(writer));
  return Write(writer, entries);
}

std::string Packed(std::string_view data, Packing packing) {
  archive* writer = archive_write_new();
  Check(writer, archive_write_set_format_raw(writer));
  SetPacking(writer, packing);
  return Write(writer, {{"data", std::string(data)}});
}

void WritePacked(const std::string& path, Packing packing, const std::string& member,
                 int64_t member_bytes, const std::function<std::string()>& next) {
  archive* writer = archive_write_new();
  Check(writer, member_bytes == 0 ? archive_write_set_format_raw(writer)
                                  : archive_write_set_format_gnutar(writer));
  SetPacking(writer, packing);
  Check(writer, archive_write_open_filename(writer, path.c_str()));
  archive_entry* header = archive_entry_new();
  archive_entry_copy_pathname(header, member.c_str());
  archive_entry_set_perm(header, 0644);
  archive_entry_set_filetype(header, AE_IFREG);
  if (member_bytes > 0) archive_entry_set_size(header, member_bytes);
  Check(writer, archive_write_header(writer, header));
  for (std::string piece = next(); !piece.empty(); piece = next()) {
    archive_write_data(writer, piece.data(), piece.size());
  }
  archive_entry_free(header);
  Check(writer, archive_write_close(writer));
  archive_write_free(writer);
}

}  // namespace dmarcate::cli_testing
