#include "policyd/service/record_watcher.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "policyd/service/handler.h"
#include "policyd/service/insight_book.h"
#include "policyd/service/record_drift.h"
#include "policyd/watch/history.h"
#include "policyd/watch/insight_look.h"
#include "policyd/watch/look.h"
#include "policyd/watch/names.h"
#include "policyd/watch/schedule.h"

namespace dmarcate {
namespace {

// How often it is looked for domains that came under management.
constexpr absl::Duration kReadDomains = absl::Seconds(10);
// How often it is looked for changes that have ended, among the newest of each domain.
constexpr absl::Duration kReadChanges = absl::Seconds(5);
constexpr size_t kNewest = 2;
// Between two looks for work, where nothing is due.
constexpr absl::Duration kIdle = absl::Seconds(1);
// Before a domain comes again whose turn ended early: time was up, or the store failed.
constexpr absl::Duration kNextTurn = absl::Minutes(1);
// Between two lines that say that looks are late.
constexpr absl::Duration kTellBehind = absl::Hours(1);

}  // namespace

// One domain's turn.
class RecordWatcher::Round {
 public:
  Round(RecordWatcher& watcher, std::string domain, DomainName name)
      : watcher_(watcher),
        domain_(std::move(domain)),
        name_(std::move(name)),
        written_(watcher.WrittenIn(domain_)),
        end_(watcher.world_.clock.Monotonic() + watcher.options_.time_per_domain) {}

  // How long until one of the names is due again.
  absl::Duration Run() {
    if (watcher_.world_.insights != nullptr) BeginSight();
    const Selectors selectors = watcher_.world_.selectors(domain_);
    std::vector<ObservedName> own = OwnNames(name_, selectors.names);
    const size_t limit = watcher_.options_.names_per_domain;
    const bool all = own.size() <= limit;
    if (!all) own.resize(limit);
    if (sight_) sight_->SetSelectors(selectors.names, selectors.all && all);
    const std::vector<std::string> spf = Visit(own[0]);
    for (size_t i = 1; i < own.size(); ++i) Visit(own[i]);
    IncludedNames(name_, spf, limit - own.size(), [this](const DomainName& included) {
      return Visit({included.text(), RecordKind::kSpf});
    });
    if (sight_ && !cut_) TellInsights();
    if (!cut_) ForgetOthers();
    if (cut_) return kNextTurn;
    return std::max(next_ - watcher_.world_.clock.Now(),
                    std::min(watcher_.options_.interval, kFirstRetry));
  }

 private:
  // Looks, if it is due. What is live there as far as anybody knows: the newest answer's values.
  std::vector<std::string> Visit(const ObservedName& name) {
    visited_.insert(name);
    auto history = watcher_.world_.observations.GetHistory(domain_, name);
    if (!history.ok()) {
      FailAt(name, history.status());
      return {};
    }
    const bool due = Next(name, *history) <= watcher_.world_.clock.Now();
    if (due) LookAndKeep(name, *history);
    if (!cut_) {
      const absl::Time now = watcher_.world_.clock.Now();
      const absl::Time next = Next(name, *history);
      // Still due: the clock was set back, and the times in the history lie ahead.
      next_ = std::min(next_, due && next <= now ? now + watcher_.options_.interval : next);
    }
    if (sight_) sight_->Add(name, *history);
    const Observation* answer = LatestAnswer(*history);
    return answer == nullptr ? std::vector<std::string>() : answer->values;
  }

  void BeginSight() {
    auto record = watcher_.world_.policies.GetDomain(domain_);
    const auto changes = NewestChanges(watcher_.world_.policies, domain_);
    if (!record.ok() || !changes.ok()) {  // the watch goes on without
      LogError("insights_not_judged",
               {{"domain", domain_}, {"error", record.ok() ? changes.status() : record.status()}});
      return;
    }
    sight_.emplace(*std::move(record), name_, *changes, watcher_.world_.clock.Now());
  }

  // What applies and who gets reports depends on names that are known only once others are: the
  // DMARC records above the domain, and those by which report hosts agree.
  void TellInsights() {
    const size_t limit = watcher_.options_.names_per_domain;
    InsightLook look = sight_->Judge();
    for (bool more = true; more;) {
      more = false;
      for (const ObservedName& name : look.missing) {
        if (visited_.size() >= limit || visited_.contains(name)) continue;
        Visit(name);
        more = true;
      }
      if (cut_) return;
      if (more) look = sight_->Judge();
    }
    const absl::Status kept = watcher_.world_.insights->Fold(domain_, look);
    if (!kept.ok()) LogError("insights_not_kept", {{"domain", domain_}, {"error", kept}});
  }

  absl::Time Next(const ObservedName& name, const std::vector<Observation>& history) const {
    const Observation* last = LastLook(history);
    if (last != nullptr && last->last_seen < written_.time &&
        written_.owners.contains(name.owner)) {
      return absl::InfinitePast();
    }
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
    const absl::Time began = watcher_.world_.clock.Now();
    const auto view = watcher_.Look(*owner, TypeOf(name.kind), servers);
    if (!view) {
      cut_ = true;
      return;
    }
    const Observation* before = LatestAnswer(history);
    Observation look = ObserveView(*view, before, began);
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
      if (!history.ok()) {
        FailAt(name, history.status());
        continue;
      }
      const HistoryUpdate update = Expire(*history, watcher_.world_.clock.Now(), Watched::kNo);
      if (update.empty()) continue;
      const absl::Status kept = watcher_.world_.observations.UpdateHistory(domain_, name, update);
      if (!kept.ok()) return Fail(kept);
    }
  }

  // A history that does not decode costs its own name only.
  void FailAt(const ObservedName& name, const absl::Status& status) {
    if (!absl::IsDataLoss(status)) return Fail(status);
    LogError("record_history_unreadable",
             {{"domain", domain_}, {"owner", name.owner}, {"error", status}});
  }

  void Fail(const absl::Status& status) {
    if (!std::exchange(cut_, true)) {
      LogError("record_history_failed", {{"domain", domain_}, {"error", status}});
    }
  }

  RecordWatcher& watcher_;
  const std::string domain_;
  const DomainName name_;
  const Written written_;
  const absl::Duration end_;
  std::set<ObservedName> visited_;
  std::optional<DomainSight> sight_;
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

void RecordWatcher::BeginStop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  world_.pacer.Stop();
}

void RecordWatcher::Stop() {
  BeginStop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool RecordWatcher::RunDue() {
  for (;;) {
    // Each time, since where there are many domains one of them is always due.
    absl::Status status = ReadDomains();
    status.Update(ReadChanges());
    if (!status.ok()) LogError("record_watch_failed", {{"error", status}});
    const std::optional<std::string> domain = Take();
    if (!domain) return !Stopping();
    const absl::Time seen = WrittenIn(*domain).time;
    GiveBack(*domain, LookAt(*domain), seen);
  }
}

bool RecordWatcher::Stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

absl::Status RecordWatcher::ReadDomains() {
  {
    const std::lock_guard lock(mutex_);
    const absl::Duration now = world_.clock.Monotonic();
    if (now - domains_read_ < kReadDomains) return absl::OkStatus();
    domains_read_ = now;
    TellIfBehind(now);
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<DomainRecord> domains, AllDomains(world_.policies));
  std::set<std::string> managed;
  for (const DomainRecord& domain : domains) managed.insert(domain.name);
  const std::lock_guard lock(mutex_);
  for (const std::string& domain : managed) {
    due_.try_emplace(domain, -absl::InfiniteDuration());
  }
  // What was removed is asked about no more: the store would refuse what is seen.
  const auto removed = [&managed](const auto& one) { return !managed.contains(one.first); };
  std::erase_if(due_, removed);
  std::erase_if(written_, removed);
  return absl::OkStatus();
}

absl::Status RecordWatcher::ReadChanges() {
  std::vector<std::string> domains;
  {
    const std::lock_guard lock(mutex_);
    const absl::Duration now = world_.clock.Monotonic();
    if (now - changes_read_ < kReadChanges) return absl::OkStatus();
    changes_read_ = now;
    for (const auto& [domain, due] : due_) domains.push_back(domain);
  }
  for (const std::string& domain : domains) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<ChangeRecord> changes,
                              world_.policies.ListChanges(domain, "", kNewest));
    const std::lock_guard lock(mutex_);
    const auto due = due_.find(domain);
    if (due == due_.end()) continue;  // removed meanwhile
    Written& written = written_[domain];
    const absl::Time known = written.time;
    for (const ChangeRecord& change : changes) {
      if (change.record_changes.empty() || change.apply_time == absl::InfinitePast() ||
          change.end_time <= known) {
        continue;
      }
      written.time = std::max(written.time, change.end_time);
      for (const RecordChangeRecord& one : change.record_changes) {
        written.owners.insert(one.owner_name);
      }
      due->second = std::min(due->second, world_.clock.Monotonic());
    }
  }
  return absl::OkStatus();
}

RecordWatcher::Written RecordWatcher::WrittenIn(const std::string& domain) {
  const std::lock_guard lock(mutex_);
  const auto found = written_.find(domain);
  return found == written_.end() ? Written() : found->second;
}

void RecordWatcher::TellIfBehind(absl::Duration now) {
  if (now - told_behind_ < kTellBehind) return;
  size_t late = 0;
  for (const auto& [domain, due] : due_) {
    // After a start all of them are due at once, and none is late.
    if (due > -absl::InfiniteDuration() && now - due > options_.interval) ++late;
  }
  if (late == 0) return;
  told_behind_ = now;
  LogWarn("record_watch_behind", {{"domains", late},
                                  {"interval", absl::FormatDuration(options_.interval)},
                                  {"looks_per_second", options_.looks_per_second}});
}

std::optional<std::string> RecordWatcher::Take() {
  const std::lock_guard lock(mutex_);
  if (stopping_) return std::nullopt;
  const absl::Duration now = world_.clock.Monotonic();
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

void RecordWatcher::GiveBack(const std::string& domain, absl::Duration next, absl::Time seen) {
  const std::lock_guard lock(mutex_);
  taken_.erase(domain);
  const auto due = due_.find(domain);
  if (due == due_.end()) return;  // removed meanwhile
  const auto written = written_.find(domain);
  const bool again = written != written_.end() && written->second.time > seen;
  due->second = again ? world_.clock.Monotonic() : next;
}

absl::Duration RecordWatcher::LookAt(const std::string& domain) {
  auto name = DomainName::Parse(domain);
  if (!name.ok()) return absl::InfiniteDuration();  // none is stored that is no name
  const absl::Duration pause = Round(*this, domain, *std::move(name)).Run();
  return world_.clock.Monotonic() + pause;
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
