// GuardDmarcText of dmarc_plan.h.

#include <algorithm>
#include <map>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/plan/dmarc_plan.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/policy_move.h"

namespace dmarcate {
namespace {

constexpr std::string_view kPolicyTags[] = {"p", "sp", "np", "t", "pct", "psd"};

bool IsPolicyTag(std::string_view name) {
  return std::ranges::find(kPolicyTags, name) != std::ranges::end(kPolicyTags);
}

// Tags that are neither rua nor, by choice, about policy: their exact bytes, in order.
std::vector<std::string> TagTexts(const DmarcRecord& record, bool policy) {
  std::vector<std::string> texts;
  for (const DmarcTag& tag : record.tags()) {
    if (tag.name != "rua" && IsPolicyTag(tag.name) == policy) {
      texts.emplace_back(TrimAscii(tag.text));
    }
  }
  return texts;
}

std::vector<std::string> RuaTexts(const DmarcRecord& record) {
  const DmarcTag* tag = record.Find("rua");
  std::vector<std::string> texts;
  if (tag == nullptr) return texts;
  for (const std::string_view uri : Split(tag->value, ',')) texts.emplace_back(TrimAscii(uri));
  return texts;
}

std::string TextOf(const std::vector<std::string>& texts, const DmarcSelection& selection) {
  return selection.indexes.empty() ? std::string() : texts[selection.indexes.front()];
}

// A record that comes, or with a rollback goes, may only be the one that PlanDmarcRua creates.
GuardRecord GuardCreated(const DmarcRecord& record) {
  const bool harmless = TagTexts(record, true) == std::vector<std::string>{"p=none"} &&
                        TagTexts(record, false).empty();
  return harmless ? Pass(guard_code::kDmarcPolicyChanged, "p=none: mail is treated as without it")
                  : Refuse(guard_code::kDmarcPolicyChanged,
                           "the record that would come or go says more than p=none and rua");
}

}  // namespace

std::vector<GuardRecord> GuardDmarcText(const std::vector<std::string>& before,
                                        const std::vector<std::string>& after,
                                        DmarcDirection direction,
                                        const std::optional<PolicyMove>& move) {
  if (move.has_value()) return GuardPolicyMove(before, after, direction, *move);
  const DmarcSelection old_records = SelectDmarc(before);
  const DmarcSelection new_records = SelectDmarc(after);
  std::vector<GuardRecord> guards;
  if (old_records.outcome == DmarcSelection::Outcome::kMultiple ||
      new_records.outcome == DmarcSelection::Outcome::kMultiple) {
    guards.push_back(
        Refuse(guard_code::kDmarcMultiple,
               fmt::format("DMARC records before: {}, after: {}; at most one each is right",
                           old_records.indexes.size(), new_records.indexes.size()),
               {{"records", std::to_string(new_records.indexes.size())}}));
    return guards;
  }
  guards.push_back(Pass(guard_code::kDmarcMultiple, "at most one DMARC record"));

  const std::string old_text = TextOf(before, old_records);
  const std::string new_text = TextOf(after, new_records);
  const absl::StatusOr<DmarcRecord> old_record = ParseDmarc(old_text);
  const absl::StatusOr<DmarcRecord> new_record = ParseDmarc(new_text);
  if ((!old_text.empty() && !old_record.ok()) || (!new_text.empty() && !new_record.ok())) {
    guards.push_back(
        Refuse(guard_code::kRecordSyntax, "a DMARC record that does not parse cannot be compared"));
    return guards;
  }
  const bool forward = direction == DmarcDirection::kForward;
  if (old_text.empty() && new_text.empty()) return guards;
  if (old_text.empty() && forward) {
    guards.push_back(GuardCreated(*new_record));
    return guards;
  }
  if (new_text.empty() && !forward) {
    guards.push_back(GuardCreated(*old_record));
    return guards;
  }
  if (old_text.empty() || new_text.empty()) {
    guards.push_back(
        Refuse(guard_code::kDmarcPolicyChanged, "the DMARC record would appear or vanish"));
    return guards;
  }

  guards.push_back(TagTexts(*old_record, true) == TagTexts(*new_record, true)
                       ? Pass(guard_code::kDmarcPolicyChanged, "the policy stays as it is")
                       : Refuse(guard_code::kDmarcPolicyChanged, "the policy would change",
                                {{"before", EscapeForTerminal(old_text)},
                                 {"after", EscapeForTerminal(new_text)}}));
  std::vector<std::string> smaller = RuaTexts(forward ? *old_record : *new_record);
  std::vector<std::string> larger = RuaTexts(forward ? *new_record : *old_record);
  std::ranges::sort(smaller);
  std::ranges::sort(larger);
  const bool kept = TagTexts(*old_record, false) == TagTexts(*new_record, false) &&
                    std::ranges::includes(larger, smaller);
  guards.push_back(kept ? Pass(guard_code::kDmarcTagLoss, "all other tags and addresses stay")
                        : Refuse(guard_code::kDmarcTagLoss,
                                 "a tag or report address of others would vanish or change",
                                 {{"before", EscapeForTerminal(old_text)},
                                  {"after", EscapeForTerminal(new_text)}}));
  return guards;
}

}  // namespace dmarcate
