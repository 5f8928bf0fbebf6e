#include "policyd/analysis/regroup.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"

namespace dmarcate {

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
  // Follow what may become of `into`, every way.
  std::vector<std::string> ways = {rule.into};
  for (size_t i = 0; i < ways.size(); ++i) {
    for (const SourceGrouping& other : rules) {
      if (other.from != ways[i]) continue;
      if (other.into == rule.from) {
        return error(
            absl::StatusCode::kFailedPrecondition,
            fmt::format("{} counts as {} already, so it would lead back", rule.into, rule.from));
      }
      if (std::ranges::find(ways, other.into) == ways.end()) ways.push_back(other.into);
    }
    if (i >= kMaxSourceHops) {
      return error(absl::StatusCode::kFailedPrecondition,
                   fmt::format("more than {} groupings after one another", kMaxSourceHops));
    }
  }
  return absl::OkStatus();
}

}  // namespace dmarcate
