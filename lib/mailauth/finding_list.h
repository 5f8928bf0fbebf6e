// lib/mailauth/finding_list.h
// Findings about one record as a linter collects them. Internal to the linters.

#ifndef DMARCATE_LIB_MAILAUTH_FINDING_LIST_H_
#define DMARCATE_LIB_MAILAUTH_FINDING_LIST_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/mailauth/lint.h"

namespace dmarcate {

// A record of 64 KiB can earn thousands; nobody reads more than these.
inline constexpr size_t kMaxFindings = 100;

class FindingList {
 public:
  explicit FindingList(std::string_view path) : path_(path) {}

  // `part`: what of the record it is about, "id"; empty for the whole. Beyond kMaxFindings nothing
  // is kept, and metadata go to a finding that nobody sees.
  LintFinding& Add(std::string_view code, Severity severity, std::string_view part, int position,
                   std::string message, std::string fix_hint, std::string_view rfc_section);
  // Nothing more is kept: a linter that goes on through a long record may stop.
  bool full() const { return findings_.size() == kMaxFindings; }
  std::vector<LintFinding> Take() { return std::move(findings_); }

 private:
  std::string path_;
  std::vector<LintFinding> findings_;
  LintFinding dropped_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_FINDING_LIST_H_
