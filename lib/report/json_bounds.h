// lib/report/json_bounds.h
// Measures a JSON value before a tree is made of it: a parser's depth is a stranger's choice.

#ifndef DMARCATE_LIB_REPORT_JSON_BOUNDS_H_
#define DMARCATE_LIB_REPORT_JSON_BOUNDS_H_

#include <cstddef>
#include <string_view>

namespace dmarcate {

struct JsonBounds {
  size_t end = 0;  // after the first value; the end of the text if it is not closed
  bool closed = false;
  bool too_deep = false;  // `end` is where the limit was passed
};

// Of the first array or object in `text`. Looks at brackets and strings only; linear.
inline JsonBounds FindJsonBounds(std::string_view text, int depth_limit) {
  JsonBounds bounds{.end = text.size()};
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > depth_limit) {
        bounds.too_deep = true;
        bounds.end = i;
        return bounds;
      }
    } else if ((c == '}' || c == ']') && --depth <= 0) {
      bounds.end = i + 1;
      bounds.closed = true;
      return bounds;
    }
  }
  return bounds;
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_JSON_BOUNDS_H_
