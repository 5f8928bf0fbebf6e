#include "tests/lib/archive/archive_builder.h"

#include <zlib.h>

#include <array>

#include "fmt/format.h"

namespace dmarcate {
namespace {

constexpr int kGzip = 15 + 16;
constexpr int kZlib = 15;
constexpr int kRaw = -15;

// `last` is Z_FINISH, or Z_FULL_FLUSH for a piece that others may follow.
std::string DeflateAll(std::string_view data, int window_bits, int last = Z_FINISH) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  std::string out;
  std::array<char, 65536> buffer{};
  do {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = buffer.size();
    deflate(&stream, last);
    out.append(buffer.data(), buffer.size() - stream.avail_out);
  } while (stream.avail_out == 0);
  deflateEnd(&stream);
  return out;
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
  // One MiB is compressed once, up to a point where the stream can be repeated.
  const std::string zeros(1 << 20, '\0');
  const std::string piece = DeflateAll(zeros, kRaw, Z_FULL_FLUSH);
  const auto crc_of = [&](uint64_t bytes) {
    return crc32(0, reinterpret_cast<const Bytef*>(zeros.data()), static_cast<uInt>(bytes));
  };
  const uLong piece_crc = crc_of(zeros.size());
  std::string out("\x1F\x8B\x08\0\0\0\0\0\0\x03", 10);
  uLong crc = 0;
  uint64_t left = size;
  for (; left >= zeros.size(); left -= zeros.size()) {
    out += piece;
    crc = crc32_combine(crc, piece_crc, static_cast<z_off_t>(zeros.size()));
  }
  out += DeflateAll(std::string_view(zeros).substr(0, left), kRaw);
  crc = crc32_combine(crc, crc_of(left), static_cast<z_off_t>(left));
  Put32(&out, static_cast<uint32_t>(crc));
  Put32(&out, static_cast<uint32_t>(size));
  return out;
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

std::string TarOfOne(const std::string& name, const std::string& data) {
  std::string header(512, '\0');
  const auto put = [&header](size_t at, const std::string& text) {
    header.replace(at, text.size(), text);
  };
  put(0, name);
  put(100, "0000644");
  put(124, fmt::format("{:011o}", data.size()));
  put(148, "        ");
  put(156, "0");
  put(257, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (const char octet : header) sum += static_cast<unsigned char>(octet);
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  std::string out = header + data;
  out.resize((out.size() + 511) / 512 * 512 + 1024, '\0');
  return out;
}

}  // namespace dmarcate
