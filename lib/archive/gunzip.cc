#include "lib/archive/gunzip.h"

#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "lib/base/freer.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;
constexpr size_t kGzipOverhead = 18;     // header and trailer of the smallest member
constexpr int64_t kMaxExpansion = 1032;  // of deflate: a claim above this is a lie

using Decompressor = std::unique_ptr<libdeflate_decompressor, Freer<libdeflate_free_decompressor>>;

// Owns the state inside a z_stream. `stream.state` points back at it, so it never moves.
class Inflater {
 public:
  Inflater() { ok_ = inflateInit2(&stream, 15 + 32) == Z_OK; }  // 32: gzip or zlib, by header
  ~Inflater() {
    if (ok_) inflateEnd(&stream);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  bool ok() const { return ok_; }
  z_stream stream{};

 private:
  bool ok_ = false;
};

// The size the last member claims for itself (RFC 1952, ISIZE): a hint for reserving, never
// trusted.
int64_t ClaimedSize(std::string_view gzip) {
  if (gzip.size() < kGzipOverhead) return 0;
  std::array<unsigned char, 4> b{};
  std::memcpy(b.data(), gzip.data() + gzip.size() - 4, 4);
  const uint32_t size = b[0] | b[1] << 8 | b[2] << 16 | static_cast<uint32_t>(b[3]) << 24;
  return std::min<int64_t>(size, static_cast<int64_t>(gzip.size()) * kMaxExpansion);
}

// The usual report: one sound member, small enough that no ratio applies. libdeflate reads it two
// to three times as fast as zlib but only into a buffer of known size. nullopt: anything else,
// which the streaming reader then judges from the start.
std::optional<std::string> InflateSmallMember(std::string_view gzip, const ArchiveBudget& budget) {
  const int64_t claimed = ClaimedSize(gzip);
  if (!LooksLikeGzip(gzip) || claimed == 0 ||
      claimed > std::min(budget.free_bytes(), budget.bytes_left())) {
    return std::nullopt;
  }
  thread_local const Decompressor decompressor(libdeflate_alloc_decompressor());
  if (decompressor == nullptr) return std::nullopt;
  std::string out(static_cast<size_t>(claimed), '\0');
  size_t consumed = 0;
  size_t produced = 0;
  const libdeflate_result result = libdeflate_gzip_decompress_ex(
      decompressor.get(), gzip.data(), gzip.size(), out.data(), out.size(), &consumed, &produced);
  if (result != LIBDEFLATE_SUCCESS || consumed != gzip.size()) return std::nullopt;
  out.resize(produced);
  return out;
}

// zlib tells a wrong trailer from undecodable data only by its message.
Damage DamageOf(const z_stream& stream) {
  const std::string_view message = stream.msg == nullptr ? "" : stream.msg;
  return message == "incorrect data check" || message == "incorrect length check"
             ? Damage::kBadChecksum
             : Damage::kCorrupt;
}

// Inflates `compressed`, hands each piece to `take` together with the number of compressed bytes
// consumed, and describes the stream in `result`. An error is `take`'s, or kInvalidArgument where
// there is no stream.
template <typename Take>
absl::Status Inflate(std::string_view compressed, Gunzipped* result, Take take) {
  Inflater inflater;
  if (!inflater.ok()) return MakeError(absl::StatusCode::kUnavailable, "zlib: out of memory");
  z_stream& stream = inflater.stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));  // never written
  stream.avail_in =
      static_cast<uInt>(compressed.size());  // EnterArchive bounds it well below 4 GiB
  std::array<char, kBufferBytes> buffer;     // NOLINT: written by inflate before it is read
  bool anything = false;
  while (true) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = kBufferBytes;
    const int code = inflate(&stream, Z_NO_FLUSH);
    const size_t produced = kBufferBytes - stream.avail_out;
    anything = anything || produced > 0;
    DMARCATE_RETURN_IF_ERROR(take(std::string_view(buffer.data(), produced),
                                  static_cast<int64_t>(compressed.size() - stream.avail_in)));
    if (code == Z_STREAM_END) {
      ++result->members;
      const std::string_view rest = compressed.substr(compressed.size() - stream.avail_in);
      if (!LooksLikeGzip(rest)) {
        result->trailing_bytes = static_cast<int64_t>(rest.size());
        return absl::OkStatus();
      }
      inflateReset(&stream);
    } else if (code == Z_BUF_ERROR || (code == Z_OK && stream.avail_in == 0 && produced == 0)) {
      result->damage = Damage::kTruncated;
      return absl::OkStatus();
    } else if (code != Z_OK) {  // Z_DATA_ERROR, Z_NEED_DICT, Z_MEM_ERROR
      result->damage = DamageOf(stream);
      if (anything || result->members > 0 || result->damage == Damage::kBadChecksum) {
        return absl::OkStatus();
      }
      return MakeError(absl::StatusCode::kInvalidArgument, "not a gzip or zlib stream");
    }
  }
}

}  // namespace

bool LooksLikeGzip(std::string_view bytes) { return bytes.substr(0, 3) == "\x1F\x8B\x08"; }

bool LooksLikeZlib(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, 2);
  return head == "\x78\x01" || head == "\x78\x9C" || head == "\x78\xDA";
}

absl::StatusOr<Gunzipped> Gunzip(std::string_view compressed, ArchiveBudget& budget,
                                 const DocumentPlanner& planner) {
  DMARCATE_RETURN_IF_ERROR(budget.EnterArchive(static_cast<int64_t>(compressed.size())));
  if (auto small = InflateSmallMember(compressed, budget)) {
    const auto size = static_cast<int64_t>(small->size());
    DMARCATE_RETURN_IF_ERROR(
        budget.ChargeOutput(size, static_cast<int64_t>(compressed.size()), size));
    return Gunzipped{.data = *std::move(small), .members = 1};
  }
  Gunzipped result;
  BoundedBuffer buffer(planner, "");
  DMARCATE_RETURN_IF_ERROR(Inflate(compressed, &result, [&](std::string_view piece, int64_t in) {
    return buffer.Add(piece, in, budget);
  }));
  if (!buffer.overflowed()) {
    result.data = buffer.Take();
    return result;
  }
  // Within every limit, but too large to have been kept on trust: once more, to who takes it as it
  // comes, or into a buffer of its size.
  if (const auto& large = buffer.plan().large) {
    const Gunzipped first = result;
    const absl::Status taken = Inflate(compressed, &result, [&](std::string_view piece, int64_t) {
      return large(piece) ? absl::OkStatus() : absl::CancelledError("enough");
    });
    if (!taken.ok() && !absl::IsCancelled(taken)) return taken;
    if (!buffer.must_be_held()) {
      result = first;
      result.handed_over = true;
      return result;
    }
  }
  const auto size = static_cast<size_t>(buffer.size());
  result = {};
  result.data.reserve(size);
  DMARCATE_RETURN_IF_ERROR(Inflate(compressed, &result, [&](std::string_view piece, int64_t) {
    result.data.append(piece);
    return absl::OkStatus();
  }));
  return result;
}

}  // namespace dmarcate
