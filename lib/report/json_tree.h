// lib/report/json_tree.h
// A JSON text as a tree, within a budget of values, and without the one thing that JSON leaves to
// chance: which of two members with one name counts (RFC 8259 section 4; RFC 7493 forbids them).

#ifndef DMARCATE_LIB_REPORT_JSON_TREE_H_
#define DMARCATE_LIB_REPORT_JSON_TREE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace dmarcate {

struct JsonTree {
  nlohmann::json root;            // discarded where the text is not well formed, or refused
  bool too_many_values = false;   // the budget did not hold them
  std::string repeated_key;       // the first name that stands twice in one object, cut at 64 bytes
  bool has_repeated_key = false;  // a name may be empty
};

// `values`: what may still be made, members and elements together; what this text takes is taken
// from it. A value costs some 150 bytes of memory at worst. `text` is no deeper than the caller
// lets it be (FindJsonBounds).
JsonTree ParseJsonTree(std::string_view text, size_t* values);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_JSON_TREE_H_
