#include "policyd/plan/spf_cleanup.h"

#include <algorithm>
#include <set>
#include <string>

#include "lib/mailauth/spf_record.h"
#include "policyd/plan/txt_image.h"

namespace dmarcate {
namespace {

// The one SPF record among them; empty: none.
std::optional<std::string> SpfIn(const std::vector<std::string>& presentations) {
  const absl::StatusOr<std::vector<TxtRecord>> records = FromPresentations(presentations);
  if (!records.ok()) return std::nullopt;
  const std::vector<std::string> texts = TextsOf(*records);
  const SpfSelection selection = SelectSpf(texts);
  return selection.indexes.empty() ? "" : texts[selection.indexes.front()];
}

bool NeverWrote(ChangeState state) {
  switch (state) {
    case ChangeState::kPlanned:
    case ChangeState::kRefused:
    case ChangeState::kExpired:
    case ChangeState::kCancelled:
    case ChangeState::kFailed:
      return true;
    default:
      return false;
  }
}

// What the change left at the name of `record`.
std::optional<std::string> LeftBy(const ChangeRecord& change, const RecordChangeRecord& record) {
  if (change.state == ChangeState::kSucceeded) return SpfIn(record.after);
  if (change.state == ChangeState::kRolledBack) return SpfIn(record.before);
  return std::nullopt;  // it is under way, or nobody knows
}

// The names that the record's includes lead to, deeper ones among `children` too.
void AddLedTo(std::string_view text, const std::vector<SpfChild>& children,
              std::set<DomainName>& names) {
  const absl::StatusOr<SpfRecord> record = ParseSpf(text);
  if (!record.ok()) return;
  for (const SpfTerm& term : record->terms) {
    if (term.kind != SpfKind::kInclude && term.kind != SpfKind::kRedirect) continue;
    const absl::StatusOr<DomainName> name = DomainName::Parse(term.domain_spec);
    if (!name.ok() || !names.insert(*name).second) continue;
    const auto child = std::ranges::find(children, *name, &SpfChild::owner);
    if (child != children.end()) AddLedTo(child->text, children, names);
  }
}

}  // namespace

std::optional<absl::Time> SpfForgottenAt(const DomainName& domain, std::string_view live,
                                         uint32_t ttl_seconds,
                                         const std::vector<ChangeRecord>& changes) {
  std::optional<absl::Time> forgotten;
  for (const ChangeRecord& change : changes) {
    if (NeverWrote(change.state)) continue;
    const auto record =
        std::ranges::find(change.record_changes, domain.text(), &RecordChangeRecord::owner_name);
    if (record == change.record_changes.end()) continue;
    // Older ones may have ended as they like: what they left was live until the next one at most.
    if (!forgotten.has_value() && LeftBy(change, *record) != live) return std::nullopt;
    if (change.end_time == absl::InfinitePast()) return std::nullopt;
    const uint32_t ttl = std::max({record->ttl_before, record->ttl_after, ttl_seconds});
    forgotten = std::max(forgotten.value_or(absl::InfinitePast()),
                         change.end_time + absl::Seconds(ttl) + kSpfChildRest);
  }
  return forgotten;
}

std::vector<SpfChild> SpfChildrenNotLedTo(const std::vector<SpfChild>& children,
                                          const std::vector<std::string_view>& texts) {
  std::set<DomainName> names;
  for (const std::string_view text : texts) AddLedTo(text, children, names);
  std::vector<SpfChild> out;
  for (const SpfChild& child : children) {
    if (!child.text.empty() && !names.contains(child.owner)) out.push_back(child);
  }
  return out;
}

}  // namespace dmarcate
