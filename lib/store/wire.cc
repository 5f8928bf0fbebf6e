#include "lib/store/wire.h"

#include <limits>

namespace dmarcate {
namespace {
constexpr int64_t kPast = std::numeric_limits<int64_t>::min();
constexpr int64_t kFuture = std::numeric_limits<int64_t>::max();
}  // namespace

void WireWriter::Time(absl::Time time) { Zigzag(absl::ToUnixMicros(time)); }  // saturates

absl::Time WireReader::Time() {
  const int64_t micros = Zigzag();
  if (micros == kPast) return absl::InfinitePast();
  if (micros == kFuture) return absl::InfiniteFuture();
  return absl::FromUnixMicros(micros);
}

uint64_t WireReader::LongVarint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint64_t byte = Byte();
    if (!ok_ || (shift == 63 && byte > 1)) return Fail();
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return Fail();
}

}  // namespace dmarcate
