#include "lib/unpack/unpack.h"

#include <utility>

#include "lib/unpack/unpacker.h"

namespace dmarcate {

Unpacked Unpack(std::string input, const UnpackHints& hints, const UnpackLimits& limits) {
  return Unpacker(hints, limits).Run(std::move(input));
}

}  // namespace dmarcate
