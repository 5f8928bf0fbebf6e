#include "lib/archive/unzip.h"

#include <libdeflate.h>
#include <zip.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "lib/base/freer.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;
constexpr size_t kMaxNameBytes = 512;
constexpr zip_uint64_t kMaxExpansion = 1032;  // of deflate: a claim above this is a lie
// Entries of a directory, junk included. libzip reads the whole directory on opening, some hundred
// bytes an entry, so their number is bounded before it sees the archive.
constexpr int kMaxDirectoryEntries = 1024;
constexpr std::string_view kDirectorySignature("PK\x01\x02", 4);

using ZipArchive = std::unique_ptr<zip_t, Freer<zip_discard>>;  // we read; zip_close would write
using ZipFile = std::unique_ptr<zip_file_t, Freer<zip_fclose>>;
using Decompressor = std::unique_ptr<libdeflate_decompressor, Freer<libdeflate_free_decompressor>>;

struct ZipError {
  zip_error_t error;
  ZipError() { zip_error_init(&error); }
  ~ZipError() { zip_error_fini(&error); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;
};

// At least as many as a reader can find, whatever the end record claims.
int CountDirectoryEntries(std::string_view archive) {
  int count = 0;
  for (size_t at = archive.find(kDirectorySignature); at != std::string_view::npos;
       at = archive.find(kDirectorySignature, at + kDirectorySignature.size())) {
    if (++count > kMaxDirectoryEntries) break;
  }
  return count;
}

absl::StatusOr<ZipArchive> Open(std::string_view archive) {
  ZipError error;
  zip_source_t* source =
      zip_source_buffer_create(archive.data(), archive.size(), /*freep=*/0, &error.error);
  if (source == nullptr) return MakeError(absl::StatusCode::kUnavailable, "zip: out of memory");
  ZipArchive zip(zip_open_from_source(source, ZIP_RDONLY, &error.error));
  if (zip == nullptr) {
    zip_source_free(source);  // zip_open_from_source takes it only when it succeeds
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("zip: {}", zip_error_strerror(&error.error)));
  }
  return zip;
}

std::string DisplayName(std::string_view name) {
  return ToValidUtf8(name.substr(0, kMaxNameBytes));
}

Damage DamageOf(zip_file_t* file) {
  switch (zip_error_code_zip(zip_file_get_error(file))) {
    case ZIP_ER_CRC:
      return Damage::kBadChecksum;
    case ZIP_ER_EOF:
      return Damage::kTruncated;
    default:
      return Damage::kCorrupt;
  }
}

// Hands entry `index` to `take` piece by piece and notes in `member` what is wrong with it. An
// error is `take`'s.
template <typename Take>
absl::Status Inflate(zip_t* zip, zip_uint64_t index, ZipMember& member, Take take) {
  const ZipFile file(zip_fopen_index(zip, index, 0));
  if (file == nullptr) {
    member.status =
        MakeError(absl::StatusCode::kDataLoss, fmt::format("zip: member: {}", zip_strerror(zip)));
    return absl::OkStatus();
  }
  std::array<char, kBufferBytes> buffer;  // NOLINT: written by zip_fread before it is read
  while (true) {
    const zip_int64_t read = zip_fread(file.get(), buffer.data(), buffer.size());
    if (read < 0) member.damage = DamageOf(file.get());
    if (read <= 0) return absl::OkStatus();
    DMARCATE_RETURN_IF_ERROR(take(std::string_view(buffer.data(), static_cast<size_t>(read))));
  }
}

// The usual member: sound, deflated, small enough that no ratio applies. libdeflate reads it two to
// three times as fast as zlib but only into a buffer of known size. nullopt: anything else, which
// the streaming reader then judges from the start.
std::optional<std::string> InflateSmallMember(zip_t* zip, zip_uint64_t index,
                                              const zip_stat_t& stat, const ArchiveBudget& budget) {
  const int64_t room = std::min(budget.free_bytes(), budget.bytes_left());
  const bool small = stat.comp_method == ZIP_CM_DEFLATE && room > 0 && stat.size > 0 &&
                     stat.size <= static_cast<zip_uint64_t>(room) &&
                     stat.size <= stat.comp_size * kMaxExpansion &&
                     stat.comp_size <= stat.size + kBufferBytes;
  if (!small) return std::nullopt;
  const ZipFile file(zip_fopen_index(zip, index, ZIP_FL_COMPRESSED));
  std::string packed(stat.comp_size, '\0');
  if (file == nullptr || zip_fread(file.get(), packed.data(), packed.size()) !=
                             static_cast<zip_int64_t>(packed.size())) {
    return std::nullopt;
  }
  thread_local const Decompressor decompressor(libdeflate_alloc_decompressor());
  if (decompressor == nullptr) return std::nullopt;
  std::string out(stat.size, '\0');
  // Without a place for the actual size, anything but exactly stat.size bytes is a failure.
  if (libdeflate_deflate_decompress(decompressor.get(), packed.data(), packed.size(), out.data(),
                                    out.size(), nullptr) != LIBDEFLATE_SUCCESS ||
      libdeflate_crc32(0, out.data(), out.size()) != stat.crc) {
    return std::nullopt;
  }
  return out;
}

// Fills `member` from entry `index`. An error is the budget's.
absl::Status ReadMember(zip_t* zip, zip_uint64_t index, const zip_stat_t& stat,
                        int64_t compressed_bytes, ArchiveBudget& budget,
                        const DocumentPlanner& planner, ZipMember& member) {
  if (stat.encryption_method != ZIP_EM_NONE) {
    member.status = MakeError(absl::StatusCode::kUnimplemented, "zip: member is encrypted");
    return absl::OkStatus();
  }
  if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE) {
    member.status = MakeError(absl::StatusCode::kUnimplemented,
                              fmt::format("zip: compression method {}", stat.comp_method));
    return absl::OkStatus();
  }
  if (auto data = InflateSmallMember(zip, index, stat, budget)) {
    member.data = *std::move(data);
    member.size_bytes = static_cast<int64_t>(member.data.size());
    return budget.ChargeOutput(member.size_bytes, compressed_bytes, member.size_bytes);
  }
  BoundedBuffer kept(planner, member.name);
  absl::Status inflated = Inflate(zip, index, member, [&](std::string_view piece) {
    // The member cannot have consumed more than the directory gives it, nor more than there is.
    return kept.Add(piece, compressed_bytes, budget);
  });
  if (absl::IsOutOfRange(inflated)) {  // of this member: the next ones are read
    member.status = inflated;
  } else if (!inflated.ok()) {
    return inflated;
  }
  if (!member.status.ok()) return absl::OkStatus();
  if (const auto& large = kept.plan().large; kept.overflowed() && large) {
    const Damage damage = member.damage;
    const absl::Status taken = Inflate(zip, index, member, [&](std::string_view piece) {
      return large(piece) ? absl::OkStatus() : absl::CancelledError("enough");
    });
    member.damage = damage;
    if (!taken.ok() && !absl::IsCancelled(taken)) return taken;
    if (!kept.must_be_held()) {
      member.handed_over = true;
      member.size_bytes = kept.size();
      member.size_lied = static_cast<zip_uint64_t>(member.size_bytes) != stat.size;
      return absl::OkStatus();
    }
  }
  if (kept.overflowed()) {
    // Within every limit, but too large to have been kept on trust: once more, into its size.
    member.data.reserve(static_cast<size_t>(kept.size()));
    DMARCATE_RETURN_IF_ERROR(Inflate(zip, index, member, [&](std::string_view piece) {
      member.data.append(piece);
      return absl::OkStatus();
    }));
  } else {
    member.data = kept.Take();
  }
  member.size_bytes = static_cast<int64_t>(member.data.size());
  member.size_lied = member.data.size() != stat.size;
  if (member.data.empty() && member.damage == Damage::kCorrupt) {
    member.status =
        MakeError(absl::StatusCode::kDataLoss, "zip: member: nothing could be inflated");
  }
  return absl::OkStatus();
}

}  // namespace

bool IsDesktopJunk(std::string_view name) {
  if (name.starts_with("__MACOSX/")) return true;
  const size_t slash = name.rfind('/');
  const std::string_view base = slash == std::string_view::npos ? name : name.substr(slash + 1);
  return base == ".DS_Store" || EqualsIgnoreCase(base, "Thumbs.db") ||
         EqualsIgnoreCase(base, "desktop.ini");
}

bool LooksLikeZip(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, 4);
  return head == std::string_view("PK\x03\x04", 4) || head == std::string_view("PK\x05\x06", 4);
}

absl::StatusOr<int> Unzip(std::string_view archive, ArchiveBudget& budget,
                          const std::function<void(ZipMember)>& visit,
                          const DocumentPlanner& planner) {
  DMARCATE_RETURN_IF_ERROR(budget.EnterArchive(static_cast<int64_t>(archive.size())));
  if (CountDirectoryEntries(archive) > kMaxDirectoryEntries) {
    return budget.Refuse("zip_directory_too_large",
                         fmt::format("zip: over {} directory entries", kMaxDirectoryEntries));
  }
  DMARCATE_ASSIGN_OR_RETURN(const ZipArchive zip, Open(archive));
  const zip_int64_t entries = zip_get_num_entries(zip.get(), 0);

  int visited = 0;
  int64_t compressed_sum = 0;
  const auto archive_bytes = static_cast<int64_t>(archive.size());
  for (zip_int64_t i = 0; i < entries; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    zip_stat_t stat;
    zip_stat_init(&stat);
    if (zip_stat_index(zip.get(), index, 0, &stat) != 0) continue;
    const std::string_view name = stat.name == nullptr ? "" : stat.name;
    if (name.ends_with('/') || IsDesktopJunk(name)) continue;
    DMARCATE_RETURN_IF_ERROR(budget.ChargeMember());
    const auto compressed_bytes = static_cast<int64_t>(
        std::min<zip_uint64_t>(stat.comp_size, static_cast<zip_uint64_t>(archive_bytes)));
    // Members that share bytes are how one kernel is made to inflate many times.
    compressed_sum += compressed_bytes;
    if (compressed_sum > archive_bytes) {
      return budget.Refuse("zip_overlap", "zip: members overlap");
    }
    ZipMember member;
    member.name = DisplayName(name);
    DMARCATE_RETURN_IF_ERROR(
        ReadMember(zip.get(), index, stat, compressed_bytes, budget, planner, member));
    ++visited;
    visit(std::move(member));
  }
  return visited;
}

}  // namespace dmarcate
