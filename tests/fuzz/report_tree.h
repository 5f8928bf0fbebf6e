// tests/fuzz/report_tree.h
// The records of a report by a tree of it, to compare with what is told by its tags alone.

#ifndef DMARCATE_TESTS_FUZZ_REPORT_TREE_H_
#define DMARCATE_TESTS_FUZZ_REPORT_TREE_H_

#include <cstddef>
#include <optional>
#include <string_view>

namespace dmarcate::fuzz {

struct TreeRecords {
  size_t records = 0;  // children of the root
  // The tags leave no doubt: no record or root stands where no grammar has one, no attribute or
  // instruction holds a '<', names are names.
  bool clear = false;
};

// `text` begins with the root. nullopt: it is not well-formed.
std::optional<TreeRecords> ReadTree(std::string_view text);

}  // namespace dmarcate::fuzz

#endif  // DMARCATE_TESTS_FUZZ_REPORT_TREE_H_
