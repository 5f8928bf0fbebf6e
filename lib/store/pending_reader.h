// lib/store/pending_reader.h
// How much ingestd has taken in and not yet read, as a follower of its store sees it: an aspect of
// a ReportReader that not every one has.

#ifndef DMARCATE_LIB_STORE_PENDING_READER_H_
#define DMARCATE_LIB_STORE_PENDING_READER_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace dmarcate {

// Thread-safe.
class PendingReader {
 public:
  virtual ~PendingReader() = default;
  // Receipts that are accepted and not yet read, counted to `limit` at most. Errors as
  // ReportReader.
  virtual absl::StatusOr<int64_t> CountPending(int64_t limit) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_PENDING_READER_H_
