#include "tests/lib/archive/archive_builder.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <functional>

namespace dmarcate {
namespace {

constexpr int kGzip = 15 + 16;
constexpr int kZlib = 15;
constexpr int kRaw = -15;

// Deflates what `next` hands out until it hands out nothing.
std::string Deflate(const std::function<std::string_view()>& next, int window_bits) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out;
  std::array<char, 65536> buffer{};
  for (int code = Z_OK; code != Z_STREAM_END;) {
    const std::string_view in = next();
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream.avail_in = static_cast<uInt>(in.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream.avail_out = buffer.size();
      code = deflate(&stream, in.empty() ? Z_FINISH : Z_NO_FLUSH);
      out.append(buffer.data(), buffer.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  }
  deflateEnd(&stream);
  return out;
}

std::string DeflateAll(std::string_view data, int window_bits) {
  return Deflate(
      [&] {
        const std::string_view all = data;
        data = {};
        return all;
      },
      window_bits);
}

void Put16(std::string* out, uint32_t value) {
  out->push_back(static_cast<char>(value));
  out->push_back(static_cast<char>(value >> 8));
}
void Put32(std::string* out, uint32_t value) {
  Put16(out, value & 0xFFFF);
  Put16(out, value >> 16);
}

}  // namespace

std::string GzipOf(std::string_view data) { return DeflateAll(data, kGzip); }
std::string ZlibOf(std::string_view data) { return DeflateAll(data, kZlib); }

std::string GzipOfZeros(uint64_t size) {
  const std::string zeros(1 << 20, '\0');
  return Deflate(
      [&]() -> std::string_view {
        const uint64_t piece = std::min<uint64_t>(size, zeros.size());
        size -= piece;
        return std::string_view(zeros).substr(0, piece);
      },
      kGzip);
}

std::string ZipOf(const std::vector<ZipEntry>& entries, const ZipOptions& options) {
  std::string out;
  std::string directory;
  for (const ZipEntry& entry : entries) {
    const std::string body = entry.deflated ? DeflateAll(entry.data, kRaw) : entry.data;
    const uint32_t crc = entry.claimed_crc.value_or(
        static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(entry.data.data()),
                                    static_cast<uInt>(entry.data.size()))));
    const uint32_t size = entry.claimed_size.value_or(static_cast<uint32_t>(entry.data.size()));
    const auto packed = static_cast<uint32_t>(body.size());
    const uint32_t flags = (entry.encrypted ? 1u : 0u) | (entry.data_descriptor ? 8u : 0u);
    const uint32_t method = entry.method.value_or(entry.deflated ? 8 : 0);
    const auto name_length = static_cast<uint32_t>(entry.name.size());
    const auto offset = options.overlap ? 0u : static_cast<uint32_t>(out.size());

    if (!options.overlap || out.empty()) {
      Put32(&out, 0x04034B50);
      Put16(&out, 20);
      Put16(&out, flags);
      Put16(&out, method);
      Put32(&out, 0);  // time and date
      Put32(&out, entry.data_descriptor ? 0 : crc);
      Put32(&out, entry.data_descriptor ? 0 : packed);
      Put32(&out, entry.data_descriptor ? 0 : size);
      Put16(&out, name_length);
      Put16(&out, 0);
      out += entry.name;
      out += body;
      if (entry.data_descriptor) {
        Put32(&out, 0x08074B50);
        Put32(&out, crc);
        Put32(&out, packed);
        Put32(&out, size);
      }
    }
    Put32(&directory, 0x02014B50);
    Put16(&directory, 20);
    Put16(&directory, 20);
    Put16(&directory, flags);
    Put16(&directory, method);
    Put32(&directory, 0);
    Put32(&directory, crc);
    Put32(&directory, packed);
    Put32(&directory, size);
    Put16(&directory, name_length);
    Put16(&directory, 0);  // extra
    Put16(&directory, 0);  // comment
    Put16(&directory, 0);  // disk
    Put16(&directory, 0);  // internal attributes
    Put32(&directory, 0);  // external attributes
    Put32(&directory, offset);
    directory += entry.name;
  }
  const auto at = static_cast<uint32_t>(out.size());
  out += directory;
  Put32(&out, 0x06054B50);
  Put32(&out, 0);  // disks
  Put16(&out, static_cast<uint32_t>(entries.size()));
  Put16(&out, static_cast<uint32_t>(entries.size()));
  Put32(&out, static_cast<uint32_t>(directory.size()));
  Put32(&out, at);
  Put16(&out, 0);
  return out;
}

}  // namespace dmarcate
