// lib/report/record_walk.h
// Follows the markup of a report behind its first record while it comes, to say how far it can be
// read: up to the end of the last record that is a child of the root. What stands in comments,
// CDATA sections and foreign elements is no record, as in a document that is there as a whole.

#ifndef DMARCATE_LIB_REPORT_RECORD_WALK_H_
#define DMARCATE_LIB_REPORT_RECORD_WALK_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "lib/report/markup_scanner.h"

namespace dmarcate {

enum class Looking {
  kIfWorthIt,  // when enough is new
  kNow,
  kLast,  // the text grows no more
};

// Not thread-safe. Looks at each byte at most about twice, however small the pieces are.
class RecordWalk {
 public:
  // `root`: the local name of the root.
  explicit RecordWalk(std::string_view root) : root_(root) {}

  // `text` is what was not erased yet, and has grown at its end.
  void Look(std::string_view text, Looking looking);
  // `bytes` at the beginning of the text have gone: at most end().
  void Erase(size_t bytes);

  // After the last whole record of the text; after the root, once that has ended. 0: none.
  size_t end() const { return end_; }
  // Start tags of records before end(), those without an end included.
  size_t records() const { return records_; }
  bool root_ended() const { return root_ended_; }
  // Metadata or policy came behind the first record.
  bool late_frame() const { return late_frame_; }

 private:
  void Take(const Token& token);

  const std::string root_;
  size_t looked_ = 0;  // up to the last token that was whole
  size_t next_ = 0;    // the size of the text from which on it is worth looking again
  size_t end_ = 0, records_ = 0;
  size_t begun_ = 0;  // records since end_
  size_t depth_ = 0;  // of elements in the root that are no records
  bool in_record_ = false, root_ended_ = false, late_frame_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_RECORD_WALK_H_
