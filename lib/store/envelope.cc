#include "lib/store/envelope.h"

#include <array>
#include <bit>
#include <cstring>

#include "fmt/format.h"

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

// Tables for eight bytes at a time ("slicing by 8"): table k holds the sums of a byte followed by k
// zero bytes.
using Tables = std::array<std::array<uint32_t, 256>, 8>;
constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0);
    tables[0][i] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t i = 0; i < 256; ++i) {
      const uint32_t before = tables[k - 1][i];
      tables[k][i] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
constexpr Tables kTables = MakeTables();

constexpr size_t kSumBytes = 4;

uint32_t Sum(std::string_view key, std::string_view version_and_payload) {
  return Crc32c(Crc32c(0, key), version_and_payload);
}

}  // namespace

uint32_t Crc32c(uint32_t crc, std::string_view data) {
  static_assert(std::endian::native == std::endian::little);
  crc = ~crc;
  const char* p = data.data();
  size_t n = data.size();
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t word = 0;
    std::memcpy(&word, p, sizeof word);
    word ^= crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; n > 0; --n, ++p) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint8_t>(*p)) & 0xff];
  return ~crc;
}

std::string Seal(std::string_view key, uint8_t version, std::string_view payload) {
  std::string out;
  out.reserve(1 + payload.size() + kSumBytes);
  out.push_back(static_cast<char>(version));
  out.append(payload);
  const uint32_t sum = Sum(key, out);
  for (size_t i = 0; i < kSumBytes; ++i) out.push_back(static_cast<char>(sum >> (8 * i)));
  return out;
}

absl::StatusOr<std::string_view> Unseal(std::string_view key, uint8_t version,
                                        std::string_view value) {
  if (value.size() < 1 + kSumBytes) {
    return MakeError(absl::StatusCode::kDataLoss, "stored value: too short");
  }
  const std::string_view summed = value.substr(0, value.size() - kSumBytes);
  uint32_t sum = 0;
  for (size_t i = 0; i < kSumBytes; ++i) {
    sum |= static_cast<uint32_t>(static_cast<uint8_t>(value[summed.size() + i])) << (8 * i);
  }
  if (sum != Sum(key, summed)) {
    return MakeError(absl::StatusCode::kDataLoss, "stored value: wrong checksum");
  }
  if (static_cast<uint8_t>(summed[0]) != version) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        fmt::format("stored value: format {}, this program reads {}; a newer one wrote it",
                    static_cast<uint8_t>(summed[0]), version));
  }
  return summed.substr(1);
}

}  // namespace dmarcate
