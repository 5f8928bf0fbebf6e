// lib/report/json_stream.h
// Reads a JSON text event by event and keeps of it only what a shape names. A tree of everything
// takes some 30 times its text; this takes what the reader asked for, one list element at a time.

#ifndef DMARCATE_LIB_REPORT_JSON_STREAM_H_
#define DMARCATE_LIB_REPORT_JSON_STREAM_H_

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace dmarcate {

// What is kept of a value, whatever it turns out to be. Of scalars everything; of an object the
// named members; of an array its elements, if `element` says what to keep of them. All else is
// read, judged and passed over, so that a container with nothing to keep comes as an empty one.
struct JsonShape {
  struct Member {
    std::string_view name;
    const JsonShape* shape;
  };
  std::span<const Member> members;
  const JsonShape* element = nullptr;
  // The elements of an array go to the visitor, each as soon as it is whole, and nothing stays.
  bool streamed = false;
};

struct JsonStreamLimits {
  size_t* values = nullptr;     // what may still be read, members and elements; is counted down
  size_t members = 1000;        // of one object
  size_t kept_elements = 1000;  // of one array that is not streamed; more are passed over
};

struct JsonStreamResult {
  nlohmann::json root;            // discarded unless all of the text was read
  bool too_many_values = false;   // `values` or `members` did not hold them
  bool has_repeated_key = false;  // which of two members counts is left open (RFC 8259 section 4)
  std::string repeated_key;       // valid UTF-8, cut at 64 bytes; may be empty
  bool stopped = false;           // by the visitor
};

// `list` is the shape of the array that `element` stands in. False ends the reading.
using JsonVisitor = std::function<bool(const JsonShape& list, nlohmann::json element)>;

// `text` is valid UTF-8 and no deeper, and its tokens no longer, than the caller lets them be
// (FindJsonBounds, ShortenJsonStrings): the library holds a token three times while it reads it.
JsonStreamResult ReadJsonStream(std::string_view text, const JsonShape& shape,
                                const JsonStreamLimits& limits, const JsonVisitor& visit);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_JSON_STREAM_H_
