// policyd/analysis/evaluation_check.h
// Whether a record's policy_evaluated follows from its identifiers and auth_results (report-quirks
// W15, A17). Statistics believe what was reported; this says how far that is to be believed.

#ifndef DMARCATE_POLICYD_ANALYSIS_EVALUATION_CHECK_H_
#define DMARCATE_POLICYD_ANALYSIS_EVALUATION_CHECK_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "lib/base/text.h"
#include "lib/mailauth/alignment.h"
#include "lib/report/model.h"

namespace dmarcate {

struct EvaluationCheck {
  bool compared = false;          // there is an SPF or DKIM result to compare with
  bool unsupported_pass = false;  // pass for a mechanism, without an aligned passing result of it
  bool unaligned_pass = false;    // part of that: with a passing result, of another organisation
  bool missed_pass = false;  // no pass for a mechanism, though it has an aligned passing result
  bool contradicts() const { return unsupported_pass || missed_pass; }
  friend bool operator==(const EvaluationCheck&, const EvaluationCheck&) = default;
};

// Checks record after record. Alignment is by the modes of `policy` (absent: relaxed) and by the
// public suffix list: how the reporter's DNS looked at the time is not known. In doubt a record
// does not contradict: an SPF pass without domain, or of scope helo, may or may not be aligned.
class EvaluationChecker {
 public:
  static constexpr size_t kMaxRemembered = 10'000;  // names whose organisational domain is kept
  // `suffixes` outlives it.
  explicit EvaluationChecker(const PublicSuffixList& suffixes) : suffixes_(suffixes) {}
  EvaluationCheck Check(const AggregateRecord& record, const PublishedPolicy& policy);

 private:
  bool IsAligned(AlignmentMode mode, const std::string& from, const std::string& identifier);
  std::string OrganizationalDomain(const std::string& name);

  const PublicSuffixList& suffixes_;
  StringMap<std::string> organizational_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_EVALUATION_CHECK_H_
