#include "lib/archive/tar.h"

#include <cstddef>
#include <cstdint>

namespace dmarcate {
namespace {

constexpr size_t kHeaderBytes = 512;
constexpr size_t kChecksumAt = 148, kChecksumBytes = 8;

}  // namespace

bool LooksLikeTar(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || bytes.front() == '\0') return false;
  // Octal digits between blanks and NULs.
  std::string_view digits = bytes.substr(kChecksumAt, kChecksumBytes);
  while (digits.starts_with(' ')) digits.remove_prefix(1);
  int64_t claimed = 0;
  size_t count = 0;
  for (; count < digits.size() && digits[count] >= '0' && digits[count] <= '7'; ++count) {
    claimed = claimed * 8 + (digits[count] - '0');
  }
  if (count == 0) return false;
  // The sum of the header's octets, the field itself taken for blanks; some writers' char had a
  // sign.
  int64_t unsigned_sum = 0, signed_sum = 0;
  for (size_t i = 0; i < kHeaderBytes; ++i) {
    const bool own = i >= kChecksumAt && i < kChecksumAt + kChecksumBytes;
    const char octet = own ? ' ' : bytes[i];
    unsigned_sum += static_cast<unsigned char>(octet);
    signed_sum += static_cast<signed char>(octet);
  }
  return claimed == unsigned_sum || claimed == signed_sum;
}

}  // namespace dmarcate
