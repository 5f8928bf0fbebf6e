// lib/archive/tar.h
// Tells tar archives from other bytes. Nothing here reads one: in mail no reporter uses them, and
// `dmarcate reports import` reads an operator's own through libarchive.

#ifndef DMARCATE_LIB_ARCHIVE_TAR_H_
#define DMARCATE_LIB_ARCHIVE_TAR_H_

#include <string_view>

namespace dmarcate {

// True if `bytes` begins with the header of a member, by its checksum: the one thing that every
// kind of tar has (POSIX pax, ustar).
bool LooksLikeTar(std::string_view bytes);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_ARCHIVE_TAR_H_
