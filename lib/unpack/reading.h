// lib/unpack/reading.h
// Whether a mail can be read in one way only. Large senders sign the body but not Content-Type;
// then a stranger can give a genuine mail another boundary or encoding, and the signature still
// holds (safety.md section 3 C). What such a mail says counts only if there is nothing else to find
// in it.

#ifndef DMARCATE_LIB_UNPACK_READING_H_
#define DMARCATE_LIB_UNPACK_READING_H_

#include <string_view>

#include "lib/unpack/unpack.h"

namespace dmarcate {

// True if exactly one leaf of `mail` holds a report or an archive, begun once, and neither any
// other leaf nor what stands between and around the leaves could be one. Pure; about the time of
// one decoding.
bool HasOneReading(std::string_view mail, const UnpackLimits& limits);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_UNPACK_READING_H_
