// lib/report/record_walk.h
// Follows the markup of a report while it comes, to say how far it can be read: up to the end of
// the last record of the root (root_parts.h). An unknown element without an end is told from a
// stray tag only where the root ends: until then no record behind it counts.

#ifndef DMARCATE_LIB_REPORT_RECORD_WALK_H_
#define DMARCATE_LIB_REPORT_RECORD_WALK_H_

#include <cstddef>
#include <optional>
#include <string_view>

#include "lib/report/root_parts.h"

namespace dmarcate {

enum class Looking {
  kIfWorthIt,  // when enough is new
  kNow,
  kLast,  // the text grows no more
};

// Not thread-safe. Looks at each byte at most about twice, however small the pieces are.
class RecordWalk {
 public:
  // `begin`: where the root's start tag ends in the text.
  RecordWalk(std::string_view root_prefix, size_t begin) : parts_(root_prefix), looked_(begin) {}

  // `text` is what was not erased yet, and has grown at its end.
  void Look(std::string_view text, Looking looking);
  // `bytes` at the beginning of the text have gone: all before the first record, or at most end().
  void Erase(size_t bytes);

  // Where the first record begins, before anything was erased; nullopt: none was seen yet.
  std::optional<size_t> first_record() const { return parts_.first_record(); }
  // After the last whole record of the text; after the root, once that has ended. 0: none.
  size_t end() const { return end_; }
  // Of the text before end(), those without an end included.
  size_t records() const { return records_; }
  bool root_ended() const { return root_ended_; }
  // Metadata or policy came behind the first record.
  bool late_frame() const { return parts_.late_frame(); }

 private:
  void Take(const RootPart& part);

  RootParts parts_;
  size_t looked_;    // up to where the parts are known
  size_t next_ = 0;  // the size of the text from which on it is worth looking again
  size_t end_ = 0, records_ = 0;
  size_t unclosed_ = 0;  // records since end_
  bool root_ended_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_RECORD_WALK_H_
