#include "cli/import/archive_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

constexpr size_t kMaxNameBytes = 512;
constexpr int64_t kGapBytes = 64 << 10;  // of a hole in a sparse member, at a time

std::string NameOf(archive_entry* entry, int64_t number) {
  // In UTF-8 where the archive says so, else its bytes.
  const char* name = archive_entry_pathname_utf8(entry);
  if (name == nullptr) name = archive_entry_pathname(entry);
  if (name == nullptr) return fmt::format("member {}", number);
  return ToValidUtf8(std::string_view(name).substr(0, kMaxNameBytes));
}

ArchiveMember::Kind KindOf(archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return ArchiveMember::Kind::kLink;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
    case 0:  // a single compressed file, a zip without Unix modes
      return ArchiveMember::Kind::kFile;
    case AE_IFDIR:
      return ArchiveMember::Kind::kDirectory;
    case AE_IFLNK:
      return ArchiveMember::Kind::kLink;
    default:
      return ArchiveMember::Kind::kSpecial;
  }
}

}  // namespace

struct ArchiveReader::Handle {
  archive* reader = archive_read_new();
  ByteSource* source = nullptr;  // or memory
  int64_t memory_bytes = 0;
  bool is_zip = false, is_single = false;
  bool open = false;
  bool failed_open = false;
  int64_t directory_limit = 0;
  bool directory_too_large = false;
  bool at_member = false;
  // Of the member's bytes: a hole is given as zeros, piece by piece.
  int64_t position = 0;
  const char* block = nullptr;
  size_t block_size = 0;
  int64_t block_offset = 0;

  ~Handle() { archive_read_free(reader); }

  void Support(ArchiveForm form) {
    is_zip = form == ArchiveForm::kZip;
    is_single = form == ArchiveForm::kSingle;
    if (is_zip) {
      archive_read_support_format_zip_seekable(reader);
      return;
    }
    // Each one is in the library; "all" would start other programs for the rest.
    archive_read_support_filter_gzip(reader);
    archive_read_support_filter_bzip2(reader);
    archive_read_support_filter_xz(reader);
    archive_read_support_filter_zstd(reader);
    if (form == ArchiveForm::kTar) archive_read_support_format_tar(reader);
    if (form == ArchiveForm::kSingle) archive_read_support_format_raw(reader);
  }

  std::string Error() const {
    const char* text = archive_error_string(reader);
    return text == nullptr ? "cannot be read" : ToValidUtf8(text);
  }

  // libarchive's callbacks; called within Next() and Read() only.
  static la_ssize_t ReadPiece(archive* reader, void* client, const void** buffer) {
    auto* handle = static_cast<Handle*>(client);
    if (!handle->open && handle->is_zip && handle->source->taken() > handle->directory_limit) {
      handle->directory_too_large = true;
      archive_set_error(reader, EIO, "the directory is too large");
      return ARCHIVE_FATAL;
    }
    const auto piece = handle->source->Read();
    if (!piece.ok()) {
      archive_set_error(reader, EIO, "%s", std::string(MessageOf(piece.status())).c_str());
      return ARCHIVE_FATAL;
    }
    *buffer = piece->data();
    return static_cast<la_ssize_t>(piece->size());
  }
  static la_int64_t SeekTo(archive* /*reader*/, void* client, la_int64_t offset, int whence) {
    ByteSource& source = *static_cast<Handle*>(client)->source;
    if (whence == SEEK_CUR) offset += source.position();
    if (whence == SEEK_END) offset += source.size();
    return source.Seek(offset).ok() ? offset : ARCHIVE_FATAL;
  }

  // Distinct bytes that the output came from.
  int64_t Input() const {
    if (source == nullptr) return memory_bytes;
    return source->size() < 0 ? source->taken() : std::min(source->taken(), source->size());
  }
};

ArchiveReader::ArchiveReader(ByteSource& source, ArchiveForm form, const ArchiveReadLimits& limits)
    : limits_(limits), handle_(std::make_unique<Handle>()) {
  handle_->source = &source;
  handle_->directory_limit = source.taken() + limits.zip_directory_bytes;
  handle_->Support(form);
  archive_read_set_read_callback(handle_->reader, Handle::ReadPiece);
  if (source.seekable()) archive_read_set_seek_callback(handle_->reader, Handle::SeekTo);
  archive_read_set_callback_data(handle_->reader, handle_.get());
  handle_->failed_open = archive_read_open1(handle_->reader) != ARCHIVE_OK;
}

ArchiveReader::ArchiveReader(std::string_view memory, ArchiveForm form,
                             const ArchiveReadLimits& limits)
    : limits_(limits), handle_(std::make_unique<Handle>()) {
  handle_->memory_bytes = static_cast<int64_t>(memory.size());
  handle_->Support(form);
  handle_->failed_open =
      archive_read_open_memory(handle_->reader, memory.data(), memory.size()) != ARCHIVE_OK;
}

ArchiveReader::~ArchiveReader() = default;

absl::Status ArchiveReader::Give(absl::Status status) {
  over_ = status;
  return status;
}

absl::Status ArchiveReader::ChargeOutput(int64_t bytes) {
  output_ += bytes;
  if (output_ <= limits_.ratio_free_bytes || output_ / limits_.ratio <= handle_->Input()) {
    return absl::OkStatus();
  }
  return Give(MakeError(absl::StatusCode::kResourceExhausted,
                        fmt::format("{} bytes came out of {}, limit {} to 1", output_,
                                    handle_->Input(), limits_.ratio)));
}

absl::StatusOr<std::optional<ArchiveMember>> ArchiveReader::Next() {
  DMARCATE_RETURN_IF_ERROR(over_);
  if (handle_->failed_open) {
    return Give(MakeError(absl::StatusCode::kDataLoss, handle_->Error()));
  }
  // libarchive passes over what is left of a zip's member by its size; of anything else it would
  // inflate it without asking what that costs.
  while (handle_->at_member && !handle_->is_zip) {
    handle_->block_size = 0;
    if (!NextBlock().ok()) DMARCATE_RETURN_IF_ERROR(over_);
    DMARCATE_RETURN_IF_ERROR(ChargeOutput(static_cast<int64_t>(handle_->block_size)));
  }
  archive_entry* entry = nullptr;
  int result = ARCHIVE_RETRY;
  for (int i = 0; i < 10 && result == ARCHIVE_RETRY; ++i) {
    result = archive_read_next_header(handle_->reader, &entry);
  }
  handle_->open = true;
  if (result == ARCHIVE_EOF) return std::optional<ArchiveMember>();
  if (handle_->directory_too_large) {
    return Give(
        MakeError(absl::StatusCode::kResourceExhausted,
                  fmt::format("its directory is over {} bytes", limits_.zip_directory_bytes)));
  }
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {  // WARN: a name in an odd charset
    return Give(MakeError(absl::StatusCode::kDataLoss, handle_->Error()));
  }
  // "raw" takes anything.
  if (handle_->is_single && archive_filter_code(handle_->reader, 0) == ARCHIVE_FILTER_NONE) {
    return Give(MakeError(absl::StatusCode::kDataLoss, "not compressed in a way that is known"));
  }
  if (++members_ > limits_.members) {
    return Give(MakeError(absl::StatusCode::kResourceExhausted,
                          fmt::format("over {} members", limits_.members)));
  }
  handle_->at_member = true;
  handle_->position = handle_->block_offset = 0;
  handle_->block_size = 0;
  ArchiveMember member;
  member.kind = KindOf(entry);
  member.name = NameOf(entry, members_);
  member.encrypted = archive_entry_is_encrypted(entry) != 0;
  return std::optional<ArchiveMember>(std::move(member));
}

absl::Status ArchiveReader::NextBlock() {
  const void* block = nullptr;
  size_t size = 0;
  la_int64_t offset = 0;
  const int result = archive_read_data_block(handle_->reader, &block, &size, &offset);
  if (result == ARCHIVE_RETRY) return absl::OkStatus();
  if (result != ARCHIVE_OK) handle_->at_member = false;
  if (result == ARCHIVE_EOF) return absl::OkStatus();
  if (result != ARCHIVE_OK) {
    const absl::Status error = MakeError(absl::StatusCode::kDataLoss, handle_->Error());
    return result == ARCHIVE_FATAL ? Give(error) : error;
  }
  handle_->block = static_cast<const char*>(block);
  handle_->block_size = size;
  handle_->block_offset = offset;
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> ArchiveReader::Read() {
  static constexpr std::array<char, kGapBytes> kZeros = {};
  DMARCATE_RETURN_IF_ERROR(over_);
  while (handle_->at_member && handle_->block_size == 0) DMARCATE_RETURN_IF_ERROR(NextBlock());
  if (!handle_->at_member) return std::string_view();
  std::string_view piece(handle_->block, handle_->block_size);
  if (const int64_t gap = handle_->block_offset - handle_->position; gap > 0) {
    piece = std::string_view(kZeros.data(), static_cast<size_t>(std::min(gap, kGapBytes)));
  } else {
    handle_->block_size = 0;
  }
  handle_->position += static_cast<int64_t>(piece.size());
  DMARCATE_RETURN_IF_ERROR(ChargeOutput(static_cast<int64_t>(piece.size())));
  return piece;
}

}  // namespace dmarcate::cli
