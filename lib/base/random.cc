#include "lib/base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace dmarcate {

std::string SystemRandom::Bytes(size_t n) {
  std::string out(n, '\0');
  size_t done = 0;
  while (done < n) {
    const ssize_t got = getrandom(out.data() + done, n - done, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      std::abort();  // a kernel without randomness cannot make secrets
    }
    done += static_cast<size_t>(got);
  }
  return out;
}

std::string SeededRandom::Bytes(size_t n) {
  const std::lock_guard lock(mutex_);
  std::string out(n, '\0');
  for (char& c : out) c = static_cast<char>(engine_() & 0xFF);
  return out;
}

std::string MakeSortableId(absl::Time now, Random& random) {
  static constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
  const auto millis = static_cast<uint64_t>(absl::ToUnixMillis(now));
  std::string bytes;
  for (int shift = 40; shift >= 0; shift -= 8) bytes += static_cast<char>(millis >> shift & 0xFF);
  bytes += random.Bytes(10);
  // 128 bits in 26 digits of 5: two zero bits in front.
  std::string out;
  uint32_t bits = 0;
  int count = 2;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 5) {
      count -= 5;
      out += kAlphabet[bits >> count & 31];
    }
  }
  return out;
}

}  // namespace dmarcate
