#include "lib/mailauth/policy_ladder.h"

#include <algorithm>
#include <string>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr std::array<DmarcSubject, 3> kSubjects = {DmarcSubject::kDomain, DmarcSubject::kSubdomain,
                                                   DmarcSubject::kNonExistent};

std::string_view TagOf(PolicyScope scope) {
  switch (scope) {
    case PolicyScope::kDomain:
      return "p";
    case PolicyScope::kSubdomains:
      return "sp";
    case PolicyScope::kNonExistent:
      return "np";
  }
  return "p";
}

std::string_view TagOf(DmarcSubject subject) {
  switch (subject) {
    case DmarcSubject::kDomain:
      return "p";
    case DmarcSubject::kSubdomain:
      return "sp";
    case DmarcSubject::kNonExistent:
      return "np";
  }
  return "p";
}

// Whether a subject's policy comes, in the record as it is, from the tag that the scope moves.
bool Follows(const DmarcRecord& record, DmarcSubject subject, PolicyScope scope,
             DmarcStandard standard) {
  if (SubjectOf(scope) == subject) return true;
  const bool has_sp = record.Find("sp") != nullptr;
  // Receivers on RFC 7489 know no np: a name that does not exist is a sub-domain to them.
  const bool has_np = standard == DmarcStandard::kRfc9989 && record.Find("np") != nullptr;
  switch (subject) {
    case DmarcSubject::kDomain:
      return false;
    case DmarcSubject::kSubdomain:
      return scope == PolicyScope::kDomain && !has_sp;
    case DmarcSubject::kNonExistent:
      if (has_np) return false;
      return scope == PolicyScope::kSubdomains || (scope == PolicyScope::kDomain && !has_sp);
  }
  return false;
}

absl::StatusOr<DmarcRecord> WithTesting(const DmarcRecord& record, bool testing) {
  if (testing) {
    DMARCATE_ASSIGN_OR_RETURN(const DmarcRecord with_t, record.WithTag("t", "y"));
    return with_t.WithTag("pct", "0");
  }
  DMARCATE_ASSIGN_OR_RETURN(const DmarcRecord without_t, record.WithoutTag("t"));
  return without_t.WithoutTag("pct");
}

// Others than the scope's own subject, and those who follow it, must see no difference.
absl::Status CheckOthers(const DmarcRecord& before, const DmarcRecord& after, PolicyScope scope,
                         PolicyStage stage) {
  for (const DmarcStandard standard : {DmarcStandard::kRfc9989, DmarcStandard::kRfc7489}) {
    for (const DmarcSubject subject : kSubjects) {
      if (Follows(before, subject, scope, standard)) continue;
      const DmarcPolicy was = before.Verdict(standard).Applied(subject);
      const DmarcPolicy is = after.Verdict(standard).Applied(subject);
      if (was == is) continue;
      return MakeError(
          absl::StatusCode::kFailedPrecondition,
          fmt::format("stage {} of {}: t and pct act on the whole record, so {} would "
                      "go from {} to {}",
                      ToString(stage), TagOf(scope), TagOf(subject), ToString(was), ToString(is)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view ToString(PolicyStage stage) {
  switch (stage) {
    case PolicyStage::kObserve:
      return "observe";
    case PolicyStage::kQuarantineTest:
      return "quarantine-test";
    case PolicyStage::kQuarantine:
      return "quarantine";
    case PolicyStage::kRejectTest:
      return "reject-test";
    case PolicyStage::kReject:
      return "reject";
  }
  return "unknown";
}

std::optional<PolicyStage> ParsePolicyStage(std::string_view text) {
  for (const PolicyStage stage : kPolicyStages) {
    if (ToString(stage) == text) return stage;
  }
  return std::nullopt;
}

bool IsTestStage(PolicyStage stage) {
  return stage == PolicyStage::kQuarantineTest || stage == PolicyStage::kRejectTest;
}

DmarcPolicy RequestedBy(PolicyStage stage) {
  switch (stage) {
    case PolicyStage::kObserve:
      return DmarcPolicy::kNone;
    case PolicyStage::kQuarantineTest:
    case PolicyStage::kQuarantine:
      return DmarcPolicy::kQuarantine;
    case PolicyStage::kRejectTest:
    case PolicyStage::kReject:
      return DmarcPolicy::kReject;
  }
  return DmarcPolicy::kNone;
}

DmarcPolicy AppliedBy(PolicyStage stage) {
  const DmarcPolicy requested = RequestedBy(stage);
  if (!IsTestStage(stage)) return requested;
  return requested == DmarcPolicy::kReject ? DmarcPolicy::kQuarantine : DmarcPolicy::kNone;
}

std::string_view ToString(PolicyScope scope) {
  return scope == PolicyScope::kDomain ? "domain" : TagOf(scope);
}

std::optional<PolicyScope> ParsePolicyScope(std::string_view text) {
  for (const PolicyScope scope :
       {PolicyScope::kDomain, PolicyScope::kSubdomains, PolicyScope::kNonExistent}) {
    if (ToString(scope) == text) return scope;
  }
  return std::nullopt;
}

DmarcSubject SubjectOf(PolicyScope scope) {
  switch (scope) {
    case PolicyScope::kDomain:
      return DmarcSubject::kDomain;
    case PolicyScope::kSubdomains:
      return DmarcSubject::kSubdomain;
    case PolicyScope::kNonExistent:
      return DmarcSubject::kNonExistent;
  }
  return DmarcSubject::kDomain;
}

PolicyEffect EffectOf(const DmarcRecord& record) {
  PolicyEffect effect;
  for (const DmarcSubject subject : kSubjects) {
    const auto at = static_cast<size_t>(subject);
    effect.rfc9989[at] = record.Verdict(DmarcStandard::kRfc9989).Applied(subject);
    effect.rfc7489[at] = record.Verdict(DmarcStandard::kRfc7489).Applied(subject);
  }
  return effect;
}

bool Weakens(const PolicyEffect& before, const PolicyEffect& after) {
  for (size_t i = 0; i < before.rfc9989.size(); ++i) {
    if (after.rfc9989[i] < before.rfc9989[i] || after.rfc7489[i] < before.rfc7489[i]) return true;
  }
  return false;
}

std::optional<PolicyStage> StageOf(const DmarcRecord& record, PolicyScope scope) {
  const DmarcVerdict& now = record.Verdict(DmarcStandard::kRfc9989);
  const DmarcVerdict& old = record.Verdict(DmarcStandard::kRfc7489);
  if (now.reading != DmarcReading::kPolicy || old.reading != DmarcReading::kPolicy) return {};
  const DmarcSubject subject = SubjectOf(scope);
  const DmarcPolicy requested = now.Requested(subject);
  if (scope != PolicyScope::kNonExistent && requested != old.Requested(subject)) return {};
  // Where nothing is asked for, there is nothing to test.
  if (requested == DmarcPolicy::kNone) return PolicyStage::kObserve;
  if (now.testing != (old.pct == 0) || (old.pct != 0 && old.pct != 100)) return {};
  for (const PolicyStage stage : kPolicyStages) {
    if (RequestedBy(stage) == requested && IsTestStage(stage) == now.testing) return stage;
  }
  return {};
}

absl::StatusOr<DmarcRecord> WithStage(const DmarcRecord& record, PolicyScope scope,
                                      PolicyStage stage) {
  DMARCATE_ASSIGN_OR_RETURN(const DmarcRecord with_tag,
                            record.WithTag(TagOf(scope), ToString(RequestedBy(stage))));
  DMARCATE_ASSIGN_OR_RETURN(DmarcRecord edited, WithTesting(with_tag, IsTestStage(stage)));
  if (StageOf(edited, scope) != stage) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("the record would not be at {}: {}", ToString(stage),
                                 EscapeForTerminal(edited.Render())));
  }
  DMARCATE_RETURN_IF_ERROR(CheckOthers(record, edited, scope, stage));
  return edited;
}

absl::StatusOr<DmarcRecord> WithOwnTag(const DmarcRecord& record, PolicyScope scope) {
  if (scope == PolicyScope::kDomain || record.Find(TagOf(scope)) != nullptr) return record;
  return record.WithTag(
      TagOf(scope), ToString(record.Verdict(DmarcStandard::kRfc9989).Requested(SubjectOf(scope))));
}

std::optional<PolicyStage> StageAbove(const DmarcRecord& record, PolicyScope scope,
                                      PolicyStage stage) {
  for (const PolicyStage above : kPolicyStages) {
    if (above > stage && (!IsTestStage(above) || WithStage(record, scope, above).ok())) {
      return above;
    }
  }
  return {};
}

std::optional<PolicyStage> StageBelow(const DmarcRecord& record, PolicyScope scope,
                                      PolicyStage stage) {
  for (auto below = kPolicyStages.rbegin(); below != kPolicyStages.rend(); ++below) {
    if (*below < stage && (!IsTestStage(*below) || WithStage(record, scope, *below).ok())) {
      return *below;
    }
  }
  return {};
}

}  // namespace dmarcate
