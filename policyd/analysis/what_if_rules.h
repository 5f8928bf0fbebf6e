// policyd/analysis/what_if_rules.h
// What becomes of one row under a supposition, once it is known what it claims. what_if.cc reads
// that out of the row itself, row_what_if.cc out of its shape (row_names.h); the rules are the
// same.

#ifndef DMARCATE_POLICYD_ANALYSIS_WHAT_IF_RULES_H_
#define DMARCATE_POLICYD_ANALYSIS_WHAT_IF_RULES_H_

#include <string_view>

#include "policyd/analysis/what_if.h"

namespace dmarcate {

// Of one mechanism.
struct MechanismVerdict {
  bool pass = false;
  bool assumed = false;
};

// `any`: a pass of some domain is listed; `aligned`: one that aligns in `mode`.
inline MechanismVerdict InMode(bool reported, DmarcAlignmentMode published, DmarcAlignmentMode mode,
                               bool any, bool aligned) {
  if (mode == published) return {reported, false};
  if (mode == DmarcAlignmentMode::kRelaxed) return {reported || aligned, false};
  if (reported && !any) return {true, true};
  return {reported && aligned, false};
}

// A reason of the receiver's own to go another way than the policy.
inline bool Excuses(ReasonType type) {
  switch (type) {
    case ReasonType::kForwarded:
    case ReasonType::kTrustedForwarder:
    case ReasonType::kMailingList:
    case ReasonType::kLocalPolicy:
    case ReasonType::kOther:
      return true;
    default:
      return false;  // sampled_out and policy_test_mode follow from what was published then
  }
}

// What the policy asks for where DMARC fails for `author`, the domain of From.
DmarcPolicy AskedFor(std::string_view author, std::string_view domain, const WhatIf& what_if);

struct RowCase {
  int64_t messages = 0;
  Disposition disposition = Disposition::kUnspecified;
  bool passed = false;  // DMARC, as it was reported
  bool excused = false;
  MechanismVerdict dkim, spf;              // as they would be
  DmarcPolicy asked = DmarcPolicy::kNone;  // AskedFor()
};
WhatIfCounts Judge(const RowCase& row);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_WHAT_IF_RULES_H_
