// lib/mailauth/tag_list.h
// The tag lists of DKIM (RFC 6376 section 3.2), in key records and in signature fields alike.

#ifndef DMARCATE_LIB_MAILAUTH_TAG_LIST_H_
#define DMARCATE_LIB_MAILAUTH_TAG_LIST_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dmarcate {

// Names and values are views into the text that was parsed, without the blanks around them; case
// counts in both.
struct TagList {
  std::map<std::string_view, std::string_view> values;
  std::string_view first;                  // name of the first tag
  std::vector<std::string_view> names;     // in order
  std::vector<std::string_view> segments;  // text between semicolons, exactly as written

  std::optional<std::string_view> Find(std::string_view name) const;
};

// A tag that outlives the text, for records that are kept.
struct TagText {
  std::string name;
  std::string value;
  int position = 0;  // of the name in the text

  friend bool operator==(const TagText&, const TagText&) = default;
};

// `what` begins the messages: "dkim key".
//   kInvalidArgument  no tag list, a tag occurs twice, or a value is not printable ASCII; with the
//                     position (syntax_error.h)
absl::StatusOr<TagList> ParseTagList(std::string_view text, std::string_view what);
// The tags of `list`, which was parsed from `text`, in order; and its segments.
std::vector<TagText> TagTexts(const TagList& list, std::string_view text);
std::vector<std::string> SegmentTexts(const TagList& list);

// Folding white space of RFC 6376 section 2.8: blank, tab, CR, LF.
bool IsFoldingBlank(char c);
std::string_view TrimFoldingBlanks(std::string_view text);
std::string WithoutFoldingBlanks(std::string_view text);
// "sha256 : sha1" to its items; an empty one stays.
std::vector<std::string> ParseColonList(std::string_view value);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_TAG_LIST_H_
