// lib/archive/gunzip.h
// gzip (RFC 1952) and zlib (RFC 1950) streams to bytes, as forgiving as report senders need
// (report-quirks Z4 to Z6) and never beyond the budget.

#ifndef DMARCATE_LIB_ARCHIVE_GUNZIP_H_
#define DMARCATE_LIB_ARCHIVE_GUNZIP_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/archive/budget.h"

namespace dmarcate {

// What was wrong with a compressed stream although bytes came out of it.
enum class Damage : uint8_t {
  kNone,
  kTruncated,    // the input ends before the stream does
  kCorrupt,      // undecodable in the middle; the bytes before that were kept
  kBadChecksum,  // everything decoded, but the CRC or the length disagrees
};

struct Gunzipped {
  std::string data;
  Damage damage = Damage::kNone;
  int members = 0;             // complete gzip members (Z5: several are one document)
  int64_t trailing_bytes = 0;  // after the last member, not gzip (Z4)
  bool handed_over = false;    // to DocumentPlan::large: `data` is empty
};

// True if `bytes` begins as a gzip member does.
bool LooksLikeGzip(std::string_view bytes);
// True if `bytes` begins with a zlib header that a compressor would write (78 01, 78 9C, 78 DA).
bool LooksLikeZlib(std::string_view bytes);

// Inflates a gzip stream of any number of members, or one zlib stream.
//   kInvalidArgument    neither: not even a header could be read
//   kResourceExhausted  `budget` refused; budget.reason() says why
//   kOutOfRange         larger than the plan for it allows
absl::StatusOr<Gunzipped> Gunzip(std::string_view compressed, ArchiveBudget& budget,
                                 const DocumentPlanner& planner = {});

}  // namespace dmarcate

#endif  // DMARCATE_LIB_ARCHIVE_GUNZIP_H_
