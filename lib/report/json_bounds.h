// lib/report/json_bounds.h
// Measures a JSON value before it is read: a parser's depth and the length of its tokens are a
// stranger's choice.

#ifndef DMARCATE_LIB_REPORT_JSON_BOUNDS_H_
#define DMARCATE_LIB_REPORT_JSON_BOUNDS_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace dmarcate {

struct JsonBounds {
  size_t end = 0;  // after the first value; the end of the text if it is not closed
  bool closed = false;
  bool too_deep = false;      // `end` is where the limit was passed
  size_t longest_string = 0;  // in bytes as written, without the quotes
  size_t longest_word = 0;    // of what is neither string nor structure: a number, true, null
};

// Of the first array or object in `text`. Looks at brackets and strings only; linear.
JsonBounds FindJsonBounds(std::string_view text, int depth_limit);

// `text` with each string cut to at most `limit` bytes as written, between characters and not
// within an escape or a pair of surrogates. What was cut away is not looked at. Linear.
std::string ShortenJsonStrings(std::string_view text, size_t limit);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_JSON_BOUNDS_H_
