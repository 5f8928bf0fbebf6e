#include "tests/simulation/sim_watch.h"

#include <algorithm>
#include <utility>

#include "policyd/evidence/spf_breakage.h"
#include "policyd/watch/drift.h"
#include "policyd/watch/history.h"
#include "policyd/watch/look.h"

namespace dmarcate::simulation {
namespace {

constexpr size_t kChangesLookedAt = 50;

absl::Time HourOf(absl::Time time) {
  return absl::FromUnixSeconds(absl::ToUnixSeconds(time) / 3600 * 3600);
}

}  // namespace

SimWatch::SimWatch(std::string domain, SimDns& dns, PolicyStore& policies, const Clock& clock)
    : domain_(std::move(domain)),
      dns_(dns),
      policies_(policies),
      clock_(clock),
      names_({{"_dmarc." + domain_, RecordKind::kDmarc}, {domain_, RecordKind::kSpf}}) {}

void SimWatch::AddSelector(const std::string& selector) {
  names_.insert({selector + "._domainkey." + domain_, RecordKind::kDkim});
  changed_ = true;
}

void SimWatch::CatchUp() {
  const absl::Time due = HourOf(clock_.Now());
  if (due == last_look_) return;
  const bool back = due < last_look_;  // the clock was set back
  const bool fresh = changed_ || back || seen_ != dns_.generation() || !dns_.Settled();
  if (fresh) {
    const absl::Time first =
        back || last_look_ == absl::InfinitePast() ? due : last_look_ + kInterval;
    changed_ = !dns_.Settled();
    seen_ = dns_.generation();
    for (const ObservedName& name : names_) LookAt(name, first);
    for (const std::string& target : SpfTargetsOf(histories_[{domain_, RecordKind::kSpf}])) {
      const ObservedName name{target, RecordKind::kSpf};
      if (names_.insert(name).second) LookAt(name, first);
    }
    LookForDrift(first);
  }
  for (auto& [name, history] : histories_) {
    if (!history.empty()) history.front().last_seen = std::max(history.front().last_seen, due);
  }
  for (auto& [key, insight] : insights_) {
    if (insight.state == InsightState::kActive)
      insight.last_seen = std::max(insight.last_seen, due);
  }
  last_look_ = due;
}

void SimWatch::LookAt(const ObservedName& name, absl::Time when) {
  std::vector<Observation>& history = histories_[name];
  RecordView view;
  view.owner = DomainName::Parse(name.owner).value();
  view.resolver = dns_.Lookup(view.owner, RrType::kTxt);
  view.servers = dns_.LookupAll(view.owner, RrType::kTxt, false);
  view.servers_asked = true;
  view.consistent = view.servers.ok() && view.servers->consistent();
  const Observation look = ObserveView(view, LatestAnswer(history), when);
  history = Apply(std::move(history), Observe(history, look));
}

void SimWatch::LookForDrift(absl::Time when) {
  const absl::StatusOr<DomainRecord> domain = policies_.GetDomain(domain_);
  const absl::StatusOr<std::vector<ChangeRecord>> changes =
      policies_.ListChanges(domain_, "", kChangesLookedAt);
  if (!domain.ok() || !changes.ok()) return;
  std::set<std::string> found;
  for (const AppliedRecord& applied : LastApplied(*changes)) {
    const RecordKind kind =
        applied.record.owner_name == domain_ ? RecordKind::kSpf : RecordKind::kDmarc;
    const auto history = histories_.find({applied.record.owner_name, kind});
    if (history == histories_.end()) continue;
    for (const Drift& drift : FindDrift(*domain, applied, history->second, when)) {
      const std::string key = drift.code + " " + drift.name.owner;
      found.insert(key);
      InsightRecord& insight = insights_[key];
      if (insight.code.empty()) insight.first_seen = when;
      insight.code = drift.code;
      insight.subject = drift.name.owner;
      insight.state = InsightState::kActive;
      insight.last_seen = when;
    }
  }
  for (auto& [key, insight] : insights_) {
    if (found.contains(key) || insight.state == InsightState::kResolved) continue;
    insight.state = InsightState::kResolved;
    insight.resolve_time = when;
  }
}

const std::vector<Observation>& SimWatch::History(const std::string& owner, RecordKind kind) const {
  static const std::vector<Observation> kNone;
  const auto found = histories_.find({owner, kind});
  return found == histories_.end() ? kNone : found->second;
}

std::map<std::string, std::vector<Observation>> SimWatch::HistoriesOf(RecordKind kind) const {
  std::map<std::string, std::vector<Observation>> out;
  for (const auto& [name, history] : histories_) {
    if (name.kind == kind) out[name.owner] = history;
  }
  return out;
}

std::map<std::string, std::vector<Observation>> SimWatch::KeyHistories() const {
  return HistoriesOf(RecordKind::kDkim);
}

std::map<std::string, std::vector<Observation>> SimWatch::SpfHistories() const {
  return HistoriesOf(RecordKind::kSpf);
}

std::vector<InsightRecord> SimWatch::Insights() const {
  std::vector<InsightRecord> out;
  for (const auto& [key, insight] : insights_) out.push_back(insight);
  return out;
}

}  // namespace dmarcate::simulation
