// lib/report/record_cutter.h
// Cuts a report at its record boundaries (root_parts.h), without a tree. So a large report is read
// in pieces, and a damaged one keeps every record that is whole (report-quirks X13, X14).

#ifndef DMARCATE_LIB_REPORT_RECORD_CUTTER_H_
#define DMARCATE_LIB_REPORT_RECORD_CUTTER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/report/markup_scanner.h"

namespace dmarcate {

struct RecordSlice {
  size_t begin = 0;     // of "<record"
  size_t end = 0;       // after "</record>"
  int64_t ordinal = 0;  // in document order, counted from 1
};

struct CutLimits {
  int64_t records = 0;
  size_t frame_bytes = 0;
};

struct CutReport {
  std::string frame;                 // what is no record: metadata, policy, version
  std::vector<RecordSlice> records;  // closed ones
  int64_t records_seen = 0;
  std::vector<int64_t> unclosed;  // ordinals of records without an end, the first 100
  std::vector<std::string>
      foreign;                    // names of foreign elements of the root, each once, the first 32
  int foreign_depth = 0;          // how deep they nest, the root counted
  bool closed = false;            // the root has its end tag
  bool tail_cut = false;          // it ends within a tag which is not the root's end tag
  bool too_many_records = false;  // cutting stopped at a limit
  bool frame_too_large = false;
  size_t end = 0;  // where the root ends and another one may follow
};

// `root` is the start tag, in `text`. Linear in the length.
CutReport CutAtRecords(std::string_view text, const Token& root, const CutLimits& limits);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_RECORD_CUTTER_H_
