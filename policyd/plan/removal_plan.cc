#include "policyd/plan/removal_plan.h"

#include <algorithm>
#include <map>
#include <ranges>
#include <set>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/plan/spf_children.h"
#include "policyd/plan/txt_image.h"

namespace dmarcate {
namespace {

using Place = std::pair<std::string, std::string>;  // owner name, type

bool HasWritten(const ChangeRecord& change) {
  switch (change.state) {
    case ChangeState::kSucceeded:
    case ChangeState::kNeedsAttention:
      return true;
    case ChangeState::kRolledBack:  // by itself: nothing is left; by another change: both count
      return !change.rolled_back_by.empty();
    default:
      return false;
  }
}

std::vector<std::string> Sorted(std::vector<std::string> values) {
  std::ranges::sort(values);
  return values;
}

// One RRset, from the first change that wrote it to the last.
struct Written {
  LeftRecord record;
  bool certain = true;
  std::string alias;  // the name in the domain's own zone that leads to it
};

std::map<Place, Written> Accumulate(const std::vector<ChangeRecord>& changes) {
  std::map<Place, Written> out;
  for (const ChangeRecord& change : std::views::reverse(changes)) {  // oldest first
    if (!HasWritten(change)) continue;
    for (const RecordChangeRecord& record : change.record_changes) {
      const auto [at, is_new] = out.try_emplace({record.owner_name, record.type});
      Written& written = at->second;
      if (is_new) written.record.values_before = record.before;
      written.record.owner_name = record.owner_name;
      written.record.type = record.type;
      written.record.zone = record.zone;
      written.record.values = record.after;
      written.record.dns_provider = change.dns_provider;
      written.certain = change.state != ChangeState::kNeedsAttention;
      written.alias = record.alias.name;
    }
  }
  std::erase_if(out, [](const auto& entry) {
    const LeftRecord& record = entry.second.record;
    return entry.second.certain && Sorted(record.values) == Sorted(record.values_before);
  });
  return out;
}

// What nobody does any more for the record, or what it does from now on.
std::string ConsequenceOf(const DomainRecord& domain, const Written& written) {
  std::vector<std::string> out;
  const LeftRecord& record = written.record;
  if (!written.certain) out.emplace_back("the change that wrote it needs attention: look at it");
  if (record.values.empty()) out.emplace_back("it stays away");
  const auto txt = FromPresentations(record.values);
  const std::vector<std::string> texts = txt.ok() ? TextsOf(*txt) : record.values;
  for (const ReportAddressRecord& address : domain.report_addresses) {
    if (address.revoked()) continue;
    const bool named = std::ranges::any_of(texts, [&address](const std::string& text) {
      return text.find(address.address) != std::string::npos;
    });
    if (named) {
      out.push_back(
          fmt::format("sends reports to {}, which refuses them from then on", address.address));
    }
  }
  const auto owner = DomainName::Parse(record.owner_name);
  const auto name = DomainName::Parse(domain.name);
  if (owner.ok() && name.ok() && IsSpfChildOf(*owner, *name)) {
    out.emplace_back("holds addresses of services, which nobody follows any more when they change");
  }
  if (record.owner_name.find("._report._dmarc.") != std::string::npos) {
    out.push_back(fmt::format("lets reports about {} be sent there", domain.name));
  }
  if (!written.alias.empty()) {
    out.push_back(fmt::format("{} in the domain's own zone leads to it: take that away first",
                              written.alias));
  }
  return Join(out, "; ");
}

}  // namespace

RemovalPlan PlanRemoval(const DomainRecord& domain, const std::vector<ChangeRecord>& changes) {
  const std::map<Place, Written> written = Accumulate(changes);
  RemovalPlan plan;
  for (const auto& [place, one] : written) {
    plan.left.push_back(one.record);
    plan.left.back().consequence = ConsequenceOf(domain, one);
  }
  // What a repair replaced is an error of two records, to which no rollback goes back; so nothing
  // that lies before it can be undone either.
  std::set<Place> stuck;
  for (const ChangeRecord& change : changes) {
    const bool undone = !change.rolled_back_by.empty() || !change.intent.rollback_of.empty();
    if (!HasWritten(change) || undone) continue;
    bool left = false, blocked = change.intent.repair != RepairKind::kNone;
    for (const RecordChangeRecord& record : change.record_changes) {
      const Place place{record.owner_name, record.type};
      left = left || written.contains(place);
      blocked = blocked || stuck.contains(place);
    }
    if (blocked) {
      for (const RecordChangeRecord& record : change.record_changes) {
        stuck.insert({record.owner_name, record.type});
      }
    } else if (left) {
      plan.undo.push_back(change.id);
    }
  }
  return plan;
}

}  // namespace dmarcate
