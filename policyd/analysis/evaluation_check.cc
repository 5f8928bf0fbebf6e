#include "policyd/analysis/evaluation_check.h"

#include "lib/mailauth/domain_name.h"

namespace dmarcate {
namespace {

// What the passing results of one mechanism allow to say about an aligned one.
struct Evidence {
  bool pass = false;            // any domain
  bool aligned = false;         // one is aligned
  bool may_be_aligned = false;  // of one it cannot be told
};

void Compare(AlignedResult reported, const Evidence& evidence, EvaluationCheck* check) {
  if (reported == AlignedResult::kPass) {
    if (evidence.aligned || evidence.may_be_aligned) return;
    check->unsupported_pass = true;
    if (evidence.pass) check->unaligned_pass = true;
  } else if (evidence.aligned) {
    check->missed_pass = true;
  }
}

AlignmentMode ModeOf(const std::optional<AlignmentMode>& mode) {
  return mode == AlignmentMode::kStrict ? AlignmentMode::kStrict : AlignmentMode::kRelaxed;
}

}  // namespace

EvaluationCheck EvaluationChecker::Check(const AggregateRecord& record,
                                         const PublishedPolicy& policy) {
  EvaluationCheck check;
  if (record.dkim.empty() && record.spf.empty()) return check;
  check.compared = true;
  const std::string& from = record.header_from;

  Evidence dkim;
  for (const DkimAuth& auth : record.dkim) {
    if (auth.result != AuthResult::kPass) continue;
    dkim.pass = true;
    dkim.aligned = dkim.aligned || IsAligned(ModeOf(policy.adkim), from, auth.domain);
  }
  Compare(record.dkim_aligned, dkim, &check);

  Evidence spf;
  for (const SpfAuth& auth : record.spf) {
    if (auth.result != AuthResult::kPass) continue;
    spf.pass = true;
    if (!auth.domain) {
      spf.may_be_aligned = true;
    } else if (IsAligned(ModeOf(policy.aspf), from, *auth.domain)) {
      // HELO counts only under a null reverse path, which many reporters do not report.
      (auth.scope == SpfScope::kHelo ? spf.may_be_aligned : spf.aligned) = true;
    }
  }
  Compare(record.spf_aligned, spf, &check);
  return check;
}

bool EvaluationChecker::IsAligned(AlignmentMode mode, const std::string& from,
                                  const std::string& identifier) {
  if (from == identifier) return true;
  return mode != AlignmentMode::kStrict &&
         OrganizationalDomain(from) == OrganizationalDomain(identifier);
}

std::string EvaluationChecker::OrganizationalDomain(const std::string& name) {
  if (const auto found = organizational_.find(name); found != organizational_.end()) {
    return found->second;
  }
  const auto domain = DomainName::Parse(name);
  std::string organizational = domain.ok() ? suffixes_.OrganizationalDomain(*domain).text()
                                           : name;  // claims may be any text
  if (organizational_.size() >= kMaxRemembered) organizational_.clear();
  organizational_.emplace(name, organizational);
  return organizational;
}

}  // namespace dmarcate
