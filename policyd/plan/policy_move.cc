#include "policyd/plan/policy_move.h"

#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/dmarc_record.h"
#include "policyd/plan/guard.h"

namespace dmarcate {
namespace {

std::string Place(const PolicyMove& move) {
  return fmt::format("{} of {}", ToString(move.to), ToString(move.scope));
}

// "p=none -> p=quarantine" is what the tags say; this is what is done, and to whom.
std::string DescribeWeaker(const PolicyEffect& before, const PolicyEffect& after) {
  static constexpr std::string_view kSubjects[] = {"the domain", "sub-domains",
                                                   "names that do not exist"};
  std::vector<std::string> parts;
  for (size_t i = 0; i < before.rfc9989.size(); ++i) {
    if (after.rfc9989[i] < before.rfc9989[i]) {
      parts.push_back(fmt::format("{}: {} becomes {}", kSubjects[i], ToString(before.rfc9989[i]),
                                  ToString(after.rfc9989[i])));
    } else if (after.rfc7489[i] < before.rfc7489[i]) {
      parts.push_back(fmt::format("{}, on RFC 7489: {} becomes {}", kSubjects[i],
                                  ToString(before.rfc7489[i]), ToString(after.rfc7489[i])));
    }
  }
  return Join(parts, "; ");
}

GuardRecord ChangedOtherwise(std::string_view why, const std::string& before,
                             const std::string& after) {
  return Refuse(guard_code::kDmarcPolicyChanged, std::string(why),
                {{"before", EscapeForTerminal(before)}, {"after", EscapeForTerminal(after)}});
}

// The text that stands where `move` was made from `text`; nothing: it cannot be made.
absl::StatusOr<std::string> Moved(const std::string& text, const PolicyMove& move) {
  DMARCATE_ASSIGN_OR_RETURN(const DmarcRecord record, ParseDmarc(text));
  DMARCATE_ASSIGN_OR_RETURN(const DmarcRecord edited, WithStage(record, move.scope, move.to));
  return edited.Render();
}

GuardRecord GuardWeaker(const PolicyEffect& before, const PolicyEffect& after,
                        GuardVerdict verdict) {
  if (!Weakens(before, after)) {
    return Pass(guard_code::kDmarcPolicyWeakened, "nobody does less to failing mail");
  }
  GuardRecord guard = Warn(guard_code::kDmarcPolicyWeakened, DescribeWeaker(before, after));
  guard.verdict = verdict;
  return guard;
}

void DescribeTags(const DmarcRecord& before, const DmarcRecord& after, DmarcPlan& plan) {
  for (const DmarcTag& tag : after.tags()) {
    const DmarcTag* old = before.Find(tag.name);
    TermChangeRecord change;
    change.term = EscapeForTerminal(TrimAscii(tag.text));
    if (old == nullptr) {
      change.action = TermAction::kAdd;
    } else if (old->text != tag.text) {
      change.action = TermAction::kModify;
      change.before = EscapeForTerminal(TrimAscii(old->text));
    }
    plan.tag_changes.push_back(std::move(change));
  }
  for (const DmarcTag& tag : before.tags()) {
    if (after.Find(tag.name) != nullptr) continue;
    TermChangeRecord change;
    change.action = TermAction::kRemove;
    change.term = EscapeForTerminal(TrimAscii(tag.text));
    plan.tag_changes.push_back(std::move(change));
  }
}

}  // namespace

DmarcPlan PlanDmarcPolicy(const DomainName& domain, const std::vector<std::string>& live,
                          const PolicyMove& move) {
  DmarcPlan plan;
  const DmarcSelection selection = SelectDmarc(live);
  if (selection.outcome == DmarcSelection::Outcome::kMultiple) {
    plan.guards.push_back(
        Refuse(guard_code::kDmarcMultiple,
               fmt::format("_dmarc.{} has {} DMARC records; receivers ignore them all, and which "
                           "one is meant is for a person to say",
                           domain.text(), selection.indexes.size()),
               {{"records", std::to_string(selection.indexes.size())}}));
    return plan;
  }
  if (selection.outcome == DmarcSelection::Outcome::kNone) {
    // Where there is none, nothing can be lowered.
    if (move.to == PolicyStage::kObserve || move.direction == PolicyDirection::kDown) return plan;
    plan.guards.push_back(
        Refuse(guard_code::kDmarcPolicyChanged,
               fmt::format("_dmarc.{} has no DMARC record to move; publish p=none with a report "
                           "address first",
                           domain.text())));
    return plan;
  }
  plan.before = plan.after = live[selection.indexes.front()];
  const absl::StatusOr<DmarcRecord> record = ParseDmarc(plan.before);
  const absl::StatusOr<DmarcRecord> edited =
      record.ok() ? WithStage(*record, move.scope, move.to) : record;
  if (!edited.ok()) {
    plan.guards.push_back(
        Refuse(edited.status().code() == absl::StatusCode::kFailedPrecondition
                   ? guard_code::kDmarcPolicyChanged
                   : guard_code::kRecordSyntax,
               fmt::format("the DMARC record of {} cannot be put on {}: {}", domain.text(),
                           Place(move), MessageOf(edited.status()))));
    return plan;
  }
  if (StageOf(*record, move.scope) == move.to) return plan;  // whatever bytes say it
  plan.after = edited->Render();
  DescribeTags(*record, *edited, plan);
  return plan;
}

std::vector<GuardRecord> GuardPolicyMove(const std::vector<std::string>& before,
                                         const std::vector<std::string>& after,
                                         DmarcDirection direction, const PolicyMove& move) {
  const DmarcSelection old_records = SelectDmarc(before);
  const DmarcSelection new_records = SelectDmarc(after);
  if (old_records.outcome != DmarcSelection::Outcome::kOne ||
      new_records.outcome != DmarcSelection::Outcome::kOne) {
    return {Refuse(guard_code::kDmarcMultiple,
                   fmt::format("DMARC records before: {}, after: {}; a policy moves in exactly one",
                               old_records.indexes.size(), new_records.indexes.size()),
                   {{"records", std::to_string(new_records.indexes.size())}})};
  }
  std::vector<GuardRecord> guards = {Pass(guard_code::kDmarcMultiple, "one DMARC record")};
  const std::string& old_text = before[old_records.indexes.front()];
  const std::string& new_text = after[new_records.indexes.front()];
  const bool forward = direction == DmarcDirection::kForward;
  const absl::StatusOr<std::string> moved = Moved(forward ? old_text : new_text, move);
  const absl::StatusOr<DmarcRecord> old_record = ParseDmarc(old_text);
  const absl::StatusOr<DmarcRecord> new_record = ParseDmarc(new_text);
  if (!moved.ok() || !old_record.ok() || !new_record.ok()) {
    guards.push_back(ChangedOtherwise(
        fmt::format("not the step to {}: {}", Place(move),
                    moved.ok() ? "a record does not parse" : MessageOf(moved.status())),
        old_text, new_text));
    return guards;
  }
  if (*moved != (forward ? new_text : old_text)) {
    guards.push_back(ChangedOtherwise(
        fmt::format("more or other tags would change than the step to {} asks for", Place(move)),
        old_text, new_text));
    return guards;
  }
  const PolicyEffect was = EffectOf(*old_record);
  const PolicyEffect is = EffectOf(*new_record);
  // Up to a testing stage raises nothing for anybody yet, and is a step all the same.
  const bool up = StageOf(*new_record, move.scope) > StageOf(*old_record, move.scope);
  if (!forward && (up || Weakens(is, was))) {
    guards.push_back(ChangedOtherwise(
        "a rollback may not raise a policy: that is a step of a rollout, with its gates", old_text,
        new_text));
    return guards;
  }
  if (forward && move.direction == PolicyDirection::kDown && Weakens(is, was)) {
    guards.push_back(
        ChangedOtherwise("a step down may raise a policy for nobody", old_text, new_text));
    return guards;
  }
  guards.push_back(Pass(guard_code::kDmarcPolicyChanged,
                        forward
                            ? fmt::format("exactly the step to {}", Place(move))
                            : fmt::format("exactly what the step to {} replaced", Place(move))));
  guards.push_back(Pass(guard_code::kDmarcTagLoss, "all other tags and addresses stay"));
  guards.push_back(GuardWeaker(was, is,
                               forward && move.direction == PolicyDirection::kUp
                                   ? GuardVerdict::kRefuse
                                   : GuardVerdict::kWarn));
  return guards;
}

}  // namespace dmarcate
