#include "policyd/evidence/spf_breakage.h"

#include <algorithm>

#include "lib/base/text.h"
#include "lib/mailauth/spf_record.h"

namespace dmarcate {
namespace {

std::optional<SpfRecord> RecordOf(const Observation& observation) {
  const SpfSelection selection = SelectSpf(observation.values);
  if (selection.outcome != SpfSelection::Outcome::kOne) return std::nullopt;
  absl::StatusOr<SpfRecord> record = ParseSpf(observation.values[selection.indexes.front()]);
  if (!record.ok()) return std::nullopt;
  return *std::move(record);
}

// A name that had one good record, and has none in each look since.
bool IsBroken(const std::vector<Observation>& history, absl::Duration interval, absl::Time now) {
  if (history.empty() || interval <= absl::ZeroDuration()) return false;
  const Observation& last = history.front();
  // An old look says nothing of now, and one that learned nothing says nothing at all.
  if (!last.from_servers || !IsAnswer(last.outcome) || now - last.last_seen > 3 * interval) {
    return false;
  }
  if (RecordOf(last).has_value()) return false;
  return std::ranges::any_of(history.begin() + 1, history.end(), [](const Observation& before) {
    return IsAnswer(before.outcome) && RecordOf(before).has_value();
  });
}

}  // namespace

std::vector<std::string> SpfTargetsOf(const std::vector<Observation>& history) {
  std::vector<std::string> out;
  if (history.empty()) return out;
  const std::optional<SpfRecord> record = RecordOf(history.front());
  if (!record.has_value()) return out;
  for (const SpfTerm& term : record->terms) {
    const bool leads = term.kind == SpfKind::kInclude || term.kind == SpfKind::kRedirect;
    if (leads && !term.has_macros()) out.push_back(AsciiLower(term.domain_spec));
  }
  return out;
}

std::optional<Breakage> FindSpfBreakage(
    const std::string& domain, const std::vector<SourceSelectors>& sources,
    const std::map<std::string, std::vector<Observation>>& histories, absl::Duration interval,
    absl::Time now) {
  const auto own = histories.find(domain);
  if (own == histories.end()) return std::nullopt;
  const bool carried = std::ranges::none_of(sources, &SourceSelectors::needs_spf);
  const auto broken = [&](BreakageKind kind, const std::string& name,
                          const Observation& last) -> Breakage {
    // The watch looks once in each interval, and a look that learned nothing is another entry.
    return {kind,
            "",
            name,
            last.first_seen,
            1 + static_cast<int32_t>((last.last_seen - last.first_seen) / interval),
            carried};
  };
  if (IsBroken(own->second, interval, now)) {
    return broken(BreakageKind::kSpfPermerror, domain, own->second.front());
  }
  for (const std::string& target : SpfTargetsOf(own->second)) {
    const auto history = histories.find(target);
    if (history == histories.end() || !IsBroken(history->second, interval, now)) continue;
    return broken(BreakageKind::kIncludeBroken, target, history->second.front());
  }
  return std::nullopt;
}

}  // namespace dmarcate
