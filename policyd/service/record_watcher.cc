#include "policyd/service/record_watcher.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "policyd/service/handler.h"
#include "policyd/watch/history.h"
#include "policyd/watch/look.h"
#include "policyd/watch/names.h"
#include "policyd/watch/schedule.h"

namespace dmarcate {
namespace {

// How often it is looked for domains that came under management.
constexpr absl::Duration kReadDomains = absl::Seconds(10);
// Between two looks for work, where nothing is due.
constexpr absl::Duration kIdle = absl::Seconds(1);
// Before a domain comes again whose turn ended early: time was up, or the store failed.
constexpr absl::Duration kNextTurn = absl::Minutes(1);

}  // namespace

// One domain's turn.
class RecordWatcher::Round {
 public:
  Round(RecordWatcher& watcher, std::string domain, DomainName name)
      : watcher_(watcher),
        domain_(std::move(domain)),
        name_(std::move(name)),
        end_(watcher.world_.clock.Monotonic() + watcher.options_.time_per_domain) {}

  // The earliest time at which one of the names is due again.
  absl::Time Run() {
    std::vector<ObservedName> own = OwnNames(name_, watcher_.world_.selectors(domain_));
    const size_t limit = watcher_.options_.names_per_domain;
    if (own.size() > limit) own.resize(limit);
    const std::vector<std::string> spf = Visit(own[0]);
    for (size_t i = 1; i < own.size(); ++i) Visit(own[i]);
    IncludedNames(name_, spf, limit - own.size(), [this](const DomainName& included) {
      return Visit({included.text(), RecordKind::kSpf});
    });
    if (!cut_) ForgetOthers();
    const absl::Time now = watcher_.world_.clock.Now();
    if (cut_) return now + kNextTurn;
    return std::max(next_, now + std::min(watcher_.options_.interval, kFirstRetry));
  }

 private:
  // Looks, if it is due. What is live there as far as anybody knows: the newest answer's values.
  std::vector<std::string> Visit(const ObservedName& name) {
    visited_.insert(name);
    auto history = watcher_.world_.observations.GetHistory(domain_, name);
    if (!history.ok()) {
      Fail(history.status());
      return {};
    }
    if (Next(name, *history) <= watcher_.world_.clock.Now()) LookAndKeep(name, *history);
    if (!cut_) next_ = std::min(next_, Next(name, *history));
    const Observation* answer = LatestAnswer(*history);
    return answer == nullptr ? std::vector<std::string>() : answer->values;
  }

  absl::Time Next(const ObservedName& name, const std::vector<Observation>& history) const {
    return NextLook(history, domain_, name, watcher_.options_.interval,
                    watcher_.world_.clock.Now());
  }

  void LookAndKeep(const ObservedName& name, std::vector<Observation>& history) {
    const auto owner = DomainName::Parse(name.owner);
    if (cut_ || !owner.ok() || watcher_.world_.clock.Monotonic() > end_) {
      cut_ = true;
      return;
    }
    const ServerViews servers = owner->IsAtOrBelow(name_) ? ServerViews::kAsk : ServerViews::kSkip;
    const auto view = watcher_.Look(*owner, TypeOf(name.kind), servers);
    if (!view) {
      cut_ = true;
      return;
    }
    const Observation* before = LatestAnswer(history);
    Observation look = ObserveView(*view, before, watcher_.world_.clock.Now());
    if (before != nullptr && IsAnswer(look.outcome) && !FoundTheSame(*before, look)) {
      LogInfo("record_changed", {{"domain", domain_}, {"owner", name.owner}});
    }
    const HistoryUpdate update = Observe(history, std::move(look));
    const absl::Status kept = watcher_.world_.observations.UpdateHistory(domain_, name, update);
    if (!kept.ok()) return Fail(kept);
    history = Apply(std::move(history), update);
  }

  // Names that nobody looks at any more keep their history until it is old.
  void ForgetOthers() {
    const auto names = watcher_.world_.observations.ListObserved(domain_);
    if (!names.ok()) return Fail(names.status());
    for (const ObservedName& name : *names) {
      if (visited_.contains(name)) continue;
      const auto history = watcher_.world_.observations.GetHistory(domain_, name);
      if (!history.ok()) return Fail(history.status());
      const HistoryUpdate update = Expire(*history, watcher_.world_.clock.Now(), Watched::kNo);
      if (update.empty()) continue;
      const absl::Status kept = watcher_.world_.observations.UpdateHistory(domain_, name, update);
      if (!kept.ok()) return Fail(kept);
    }
  }

  void Fail(const absl::Status& status) {
    if (!std::exchange(cut_, true)) {
      LogError("record_history_failed", {{"domain", domain_}, {"error", status}});
    }
  }

  RecordWatcher& watcher_;
  const std::string domain_;
  const DomainName name_;
  const absl::Duration end_;
  std::set<ObservedName> visited_;
  absl::Time next_ = absl::InfiniteFuture();
  bool cut_ = false;  // ended before everything that is due was looked at
};

void RecordWatcher::Start() {
  for (size_t i = 0; i < options_.domains_at_once; ++i) {
    threads_.emplace_back([this] {
      while (RunDue() && world_.pacer.Wait(kIdle)) {
      }
    });
  }
}

void RecordWatcher::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  world_.pacer.Stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool RecordWatcher::RunDue() {
  if (const absl::Status status = ReadDomains(); !status.ok()) {
    LogError("record_watch_failed", {{"error", status}});
  }
  while (const std::optional<std::string> domain = Take()) GiveBack(*domain, LookAt(*domain));
  return !Stopping();
}

bool RecordWatcher::Stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

absl::Status RecordWatcher::ReadDomains() {
  const absl::Time now = world_.clock.Now();
  {
    const std::lock_guard lock(mutex_);
    // A clock that was set back must not keep from looking.
    if (now >= domains_read_ && now - domains_read_ < kReadDomains) return absl::OkStatus();
    domains_read_ = now;
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<DomainRecord> domains, AllDomains(world_.policies));
  const std::lock_guard lock(mutex_);
  for (const DomainRecord& domain : domains) due_.try_emplace(domain.name, absl::InfinitePast());
  return absl::OkStatus();
}

std::optional<std::string> RecordWatcher::Take() {
  const absl::Time now = world_.clock.Now();
  const std::lock_guard lock(mutex_);
  if (stopping_) return std::nullopt;
  // Who has waited longest first, so that a few domains that are always due hold up nobody.
  auto first = due_.end();
  for (auto it = due_.begin(); it != due_.end(); ++it) {
    if (it->second > now || taken_.contains(it->first)) continue;
    if (first == due_.end() || it->second < first->second) first = it;
  }
  if (first == due_.end()) return std::nullopt;
  taken_.insert(first->first);
  return first->first;
}

void RecordWatcher::GiveBack(const std::string& domain, absl::Time next) {
  const std::lock_guard lock(mutex_);
  taken_.erase(domain);
  due_[domain] = next;
}

absl::Time RecordWatcher::LookAt(const std::string& domain) {
  auto name = DomainName::Parse(domain);
  if (!name.ok()) return absl::InfiniteFuture();  // none is stored that is no name
  return Round(*this, domain, *std::move(name)).Run();
}

bool RecordWatcher::AwaitTurn() {
  absl::Duration pause;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    const absl::Duration now = world_.clock.Monotonic();
    next_turn_ = std::max(next_turn_, now);
    pause = next_turn_ - now;
    next_turn_ += absl::Seconds(1) / options_.looks_per_second;
  }
  return pause <= absl::ZeroDuration() || world_.pacer.Wait(pause);
}

std::optional<RecordView> RecordWatcher::Look(const DomainName& owner, RrType type,
                                              ServerViews servers) {
  if (!AwaitTurn()) return std::nullopt;
  RecordView view =
      ViewRecord(owner, type, world_.resolver, world_.authoritative, ServerViews::kSkip);
  if (servers == ServerViews::kAsk) {
    if (Stopping()) return std::nullopt;  // between the questions: each may take its deadline
    view.servers_asked = true;
    view.servers = world_.authoritative.LookupAll(owner, type, /*over_tcp=*/false);
  }
  if (Stopping()) return std::nullopt;
  return view;
}

}  // namespace dmarcate
