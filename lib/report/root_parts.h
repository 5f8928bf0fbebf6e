// lib/report/root_parts.h
// The one rule of what in a report is a record of its root, by tags and without a tree, for a text
// that is there as a whole (RecordCutter) and for one that is still coming (RecordWalk). Tags in
// comments, CDATA sections and foreign elements are no records; a record ends where the next one
// begins, if not before.

#ifndef DMARCATE_LIB_REPORT_ROOT_PARTS_H_
#define DMARCATE_LIB_REPORT_ROOT_PARTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/report/element.h"
#include "lib/report/markup_scanner.h"

namespace dmarcate {

enum class RootPartKind : uint8_t {
  kRecord,          // "<record" to behind its end
  kUnclosedRecord,  // to where the next one or the root's end begins, or the text ends
  kForeign,         // an element of no meaning, with all in it
  kRootEnd,         // the end tag of the root
  kNextRoot,        // the start tag of another root: this one has no end
  kTextEnd,         // what a comment without an end hides, or nothing: this root has no end
};

struct RootPart {
  RootPartKind kind = RootPartKind::kTextEnd;
  size_t begin = 0;
  size_t end = 0;
  std::string name;  // kForeign: without the prefix
  int depth = 0;     // kForeign: of its innermost element, the root counted
};

enum class TextEnd : uint8_t {
  kMayMove,  // more may come
  kIsFinal,
};

// The parts behind the start tag of a root, in order; what is between them is the report's frame.
// Takes time linear in the text, if the text is whole. Not thread-safe.
class RootParts {
 public:
  // `root_prefix`: the root's, without the colon. Unknown elements with another are foreign.
  explicit RootParts(std::string_view root_prefix) : root_prefix_(root_prefix) {}

  // `scanner` stands behind the last part. nullopt: the next part's end is not there yet, which is
  // never so if the text's end is final; the scanner stands where a call with more text must begin.
  // Not to be called after one of the last three kinds.
  std::optional<RootPart> Next(MarkupScanner& scanner, TextEnd text_end);

  // `bytes` at the beginning of the text have gone, at most up to the part or record begun last.
  void Erase(size_t bytes);

  // Of the '<' of the first record, once that has begun. Erase() does not move it.
  std::optional<size_t> first_record() const { return first_record_; }
  // Metadata or policy came behind the first record.
  bool late_frame() const { return late_frame_; }

 private:
  // An element whose end has not come.
  struct Open {
    bool is_record = false;
    size_t begin = 0, start_end = 0;  // of its start tag
    // Of what is no record:
    bool foreign = false;  // for certain; else it may be a stray tag
    std::string name, prefix;
    int same = 1;  // elements of its name that are open, itself counted
    int depth = 2, deepest = 2;
  };

  std::optional<RootPart> AtRoot(const Token& token, MarkupScanner& scanner);
  std::optional<RootPart> BeginRecord(const Token& start, MarkupScanner& scanner);
  std::optional<RootPart> InRecord(const Token& token, MarkupScanner& scanner);
  std::optional<RootPart> InForeign(const Token& token, MarkupScanner& scanner);
  std::optional<RootPart> AtTextEnd(size_t readable, MarkupScanner& scanner);
  // nullopt: it was a stray tag, and the scanner stands behind that.
  std::optional<RootPart> EndForeign(size_t end, MarkupScanner& scanner);

  const std::string root_prefix_;
  std::optional<Open> open_;
  Element block_ = Element::kUnknown;  // report_metadata or policy_published, while inside
  int vain_searches_ = 0;
  std::optional<size_t> first_record_;
  bool late_frame_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_ROOT_PARTS_H_
