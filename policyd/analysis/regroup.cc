#include "policyd/analysis/regroup.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

using Sources = std::set<std::string>;

// The ids that one rule leads to from one of `from`.
Sources Follow(const std::vector<SourceGrouping>& rules, const Sources& from) {
  Sources out;
  for (const SourceGrouping& rule : rules) {
    if (from.contains(rule.from)) out.insert(rule.into);
  }
  return out;
}
// From which one rule leads to one of `into`.
Sources FollowBack(const std::vector<SourceGrouping>& rules, const Sources& into) {
  Sources out;
  for (const SourceGrouping& rule : rules) {
    if (into.contains(rule.into)) out.insert(rule.from);
  }
  return out;
}

// How many rules follow after one another from `start`, the longest way; more than kMaxSourceHops:
// so many, or in a circle. What is passed on the way is added to `passed`.
template <typename Step>
size_t LongestWay(const std::string& start, Sources* passed, Step&& step) {
  Sources here = {start};
  for (size_t length = 0;; ++length) {
    passed->insert(here.begin(), here.end());
    here = step(here);
    if (here.empty() || length > kMaxSourceHops) return length;
  }
}

}  // namespace

Regrouping::Regrouping(const std::vector<SourceGrouping>& rules) {
  // A multimap keeps equal keys in the order in which they come.
  for (const bool splits : {true, false}) {
    for (const SourceGrouping& rule : rules) {
      if (rule.ranges.empty() == splits) continue;
      Rule out{.into = rule.into, .ranges = {}};
      for (const std::string& text : rule.ranges) {
        if (const auto network = IpNetwork::Parse(text)) out.ranges.push_back(*network);
      }
      if (splits && out.ranges.empty()) continue;
      rules_.emplace(rule.from, std::move(out));
    }
  }
}

std::string Regrouping::SourceOf(std::string_view source_id,
                                 const std::optional<IpAddress>& address) const {
  std::string id(source_id);
  for (size_t hop = 0; hop < kMaxSourceHops; ++hop) {
    const auto [first, last] = rules_.equal_range(id);
    const auto applies = std::find_if(first, last, [&address](const auto& entry) {
      const Rule& rule = entry.second;
      return rule.ranges.empty() ||
             (address && std::ranges::any_of(rule.ranges, [&address](const IpNetwork& network) {
                return network.Contains(*address);
              }));
    });
    if (applies == last) return id;
    id = applies->second.into;
  }
  return id;
}

void Regroup(const AggregateRecord& record, const Catalogue& catalogue,
             const Regrouping* regrouping, Attribution* attribution) {
  if (regrouping == nullptr || regrouping->empty()) return;
  std::string id = regrouping->SourceOf(attribution->source_id, record.source_ip);
  if (id == attribution->source_id) return;
  attribution->source_id = std::move(id);
  attribution->service = catalogue.FindById(attribution->source_id);
}

absl::Status CheckGrouping(const std::vector<SourceGrouping>& rules, const SourceGrouping& rule) {
  const auto error = [](absl::StatusCode code, std::string_view what) {
    return MakeError(code, what);
  };
  if (rule.from.empty() || rule.into.empty() || rule.from == rule.into) {
    return error(absl::StatusCode::kInvalidArgument, "want two different sources");
  }
  if (rules.size() >= kMaxGroupings) {
    return error(absl::StatusCode::kInvalidArgument,
                 fmt::format("the domain has {} groupings, the most there may be", kMaxGroupings));
  }
  if (rule.ranges.size() > kMaxGroupingRanges) {
    return error(absl::StatusCode::kInvalidArgument,
                 fmt::format("{} ranges, limit {}", rule.ranges.size(), kMaxGroupingRanges));
  }
  const bool split = !rule.ranges.empty();
  for (const SourceGrouping& other : rules) {
    if (!split && other.ranges.empty() && other.from == rule.from) {
      return error(absl::StatusCode::kAlreadyExists,
                   fmt::format("{} is merged into {} already", rule.from, other.into));
    }
    if (split && !other.ranges.empty() && other.into == rule.into) {
      return error(absl::StatusCode::kAlreadyExists, fmt::format("{} is there already", rule.into));
    }
  }
  Sources after, before;
  const size_t ways_after = LongestWay(
      rule.into, &after, [&rules](const Sources& sources) { return Follow(rules, sources); });
  const size_t ways_before = LongestWay(
      rule.from, &before, [&rules](const Sources& sources) { return FollowBack(rules, sources); });
  if (after.contains(rule.from)) {
    return error(
        absl::StatusCode::kFailedPrecondition,
        fmt::format("{} counts as {} already, so it would lead back", rule.into, rule.from));
  }
  if (ways_before + 1 + ways_after > kMaxSourceHops) {
    return error(absl::StatusCode::kFailedPrecondition,
                 fmt::format("{} groupings would follow after one another, limit {}; let the "
                             "first one count as the last at once",
                             ways_before + 1 + ways_after, kMaxSourceHops));
  }
  return absl::OkStatus();
}

}  // namespace dmarcate
