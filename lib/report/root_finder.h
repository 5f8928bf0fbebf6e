// lib/report/root_finder.h
// Where the report begins and ends in a document, and what stands around it (report-quirks X4, X5,
// X12, X16, X17, S17, S18).

#ifndef DMARCATE_LIB_REPORT_ROOT_FINDER_H_
#define DMARCATE_LIB_REPORT_ROOT_FINDER_H_

#include <optional>
#include <string>
#include <string_view>

#include "lib/report/markup_scanner.h"
#include "lib/report/repair_log.h"

namespace dmarcate {

struct RootSearch {
  std::optional<Token> root;  // the start tag <feedback>; its name in any case
  bool entities = false;      // a DOCTYPE declares entities: nothing of this document is read
  bool has_markup = false;    // there is a '<' near the beginning at all
  std::string other_root;     // the first element, if it is another one
};

// Looks for the first element `feedback` within the first 64 KiB. Notes "leading_garbage",
// "declaration_broken", "wrapper_ignored" and "root_name" in `log`.
RootSearch FindRoot(std::string_view text, RepairLog& log);

// After the last end tag of an element `feedback`; npos if there is none after `from`.
size_t LastRootEnd(std::string_view text, size_t from);

// True if `text` holds nothing but blanks, comments and processing instructions.
bool IsIgnorable(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_ROOT_FINDER_H_
