// tests/policyd/plan/plan_testing.h
// Short forms for the tests of plans.

#ifndef DMARCATE_TESTS_POLICYD_PLAN_PLAN_TESTING_H_
#define DMARCATE_TESTS_POLICYD_PLAN_PLAN_TESTING_H_

#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"

#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

inline DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

// "+include:a.test(a) ~all": action, term, and the source in parentheses. "*old=>new" is a
// modification.
inline std::string ToText(const std::vector<TermChangeRecord>& changes) {
  std::string out;
  for (const TermChangeRecord& change : changes) {
    if (!out.empty()) out += ' ';
    if (change.action == TermAction::kAdd) out += '+';
    if (change.action == TermAction::kRemove) out += '-';
    if (change.action == TermAction::kModify) out += fmt::format("*{}=>", change.before);
    out += change.term;
    if (!change.source_id.empty()) out += fmt::format("({})", change.source_id);
  }
  return out;
}

// "SPF_MULTIPLE refuse": all but those that pass.
inline std::string ToText(const std::vector<GuardRecord>& guards) {
  std::string out;
  for (const GuardRecord& guard : guards) {
    if (guard.verdict == GuardVerdict::kPass) continue;
    if (!out.empty()) out += ' ';
    out += guard.code;
    out += guard.verdict == GuardVerdict::kWarn ? ":warn" : ":refuse";
  }
  return out;
}

inline std::string ToText(const std::vector<ManagedTerm>& terms) {
  std::string out;
  for (const ManagedTerm& term : terms) {
    if (!out.empty()) out += ' ';
    out += fmt::format("{}={}", term.source_id, term.term);
  }
  return out;
}

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_PLAN_PLAN_TESTING_H_
