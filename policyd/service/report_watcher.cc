#include "policyd/service/report_watcher.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/time.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/analysis/reporter_ledger.h"
#include "policyd/service/convert.h"
#include "policyd/service/handler.h"
#include "policyd/watch/report_look.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kIdle = absl::Seconds(5);
// Before a domain comes again whose reports could not be read.
constexpr absl::Duration kRetry = absl::Minutes(1);
// Between two questions what was decided about the sources of a domain.
constexpr absl::Duration kAskDecisions = absl::Seconds(30);
// Nobody waits for it, so it may take longer than a call.
constexpr absl::Duration kLookLimit = absl::Minutes(5);

}  // namespace

void ReportWatcher::Start() {
  thread_ = std::thread([this] {
    while (RunDue() && world_.pacer.Wait(kIdle)) {
    }
  });
}

void ReportWatcher::BeginStop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (reading_ != nullptr) reading_->Cancel();
  }
  world_.pacer.Stop();
}

void ReportWatcher::Stop() {
  BeginStop();
  if (thread_.joinable()) thread_.join();
}

bool ReportWatcher::RunDue() {
  const auto reader = world_.reports.Reader();
  const auto domains = AllDomains(world_.policies);
  if (!domains.ok()) LogError("report_watch_failed", {{"error", domains.status()}});
  if (reader.ok() && domains.ok()) {
    Forget(*domains);
    if (!LearnFirst(*domains)) return false;
    for (const DomainRecord& domain : *domains) {
      if (stopping()) return false;
      const absl::Duration now = world_.clock.Monotonic();
      Seen& seen = seen_[domain.name];
      if (seen.retry > now) continue;
      const uint64_t version = (*reader)->version();
      const DayNumber today = DefaultRange(world_.clock).last;
      const bool others = HasOtherDecisions(domain.name, seen);
      const bool same = seen.version == version && seen.day == today;
      if (!others && (seen.due > now || same)) continue;
      const absl::Status looked = LookAt(domain);
      if (!looked.ok()) {
        LogWarn("reports_not_looked_at", {{"domain", domain.name}, {"error", looked}});
        seen.due = seen.retry = now + kRetry;
        seen.day = 0;  // not seen
        continue;
      }
      seen.due = now + interval_;
      seen.version = version;
      seen.day = today;
    }
    if (world_.network != nullptr) world_.network->PutForwarders(forwarders_.Learn());
  }
  return !stopping();
}

bool ReportWatcher::stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

bool ReportWatcher::LearnFirst(const std::vector<DomainRecord>& managed) {
  if (std::exchange(learned_, true) || world_.network == nullptr) return true;
  if (managed.size() <= kDomainsToLearn) return true;
  for (const DomainRecord& domain : managed) {
    if (stopping()) return false;
    const absl::Status read = Reading([&](const Call& call) -> absl::Status {
      DMARCATE_ASSIGN_OR_RETURN(const auto month, Month(call, domain.name));
      forwarders_.Note(*month);
      return absl::OkStatus();
    });
    // It will be looked at, and fail there again, or be noted.
    if (!read.ok()) LogWarn("forwarders_not_noted", {{"domain", domain.name}, {"error", read}});
  }
  world_.network->PutForwarders(forwarders_.Learn());
  return true;
}

void ReportWatcher::Forget(const std::vector<DomainRecord>& managed) {
  std::set<std::string, std::less<>> names;
  for (const DomainRecord& domain : managed) names.insert(domain.name);
  std::erase_if(seen_, [&names](const auto& entry) { return !names.contains(entry.first); });
  forwarders_.KeepOnly(names);
}

bool ReportWatcher::HasOtherDecisions(const std::string& domain, Seen& seen) {
  const absl::Duration now = world_.clock.Monotonic();
  if (seen.decisions > now) return false;
  const auto decisions = world_.policies.ListDecisions(domain);
  if (!decisions.ok()) return false;
  Decisions decided;
  for (const SourceDecision& one : *decisions) decided.emplace_back(one.source_id, one.revision);
  seen.decisions = now + kAskDecisions;
  return std::exchange(seen.decided, decided) != decided;
}

template <typename Read>
absl::Status ReportWatcher::Reading(Read&& read) {
  Call call({.name = "watch"}, world_.clock.Now() + kLookLimit);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) call.Cancel();
    reading_ = &call;
  }
  const absl::Status status = read(call);
  const std::lock_guard lock(mutex_);
  reading_ = nullptr;
  return status;
}

absl::StatusOr<std::shared_ptr<const DomainStatistics>> ReportWatcher::Month(
    const Call& call, const std::string& domain) {
  return world_.analysis.Get(call, domain, DefaultRange(world_.clock), {}, KeepResult::kNo);
}

absl::Status ReportWatcher::LookAt(const DomainRecord& domain) {
  return Reading([&](const Call& call) -> absl::Status {
    DMARCATE_ASSIGN_OR_RETURN(const auto month, Month(call, domain.name));
    if (world_.gatherer != nullptr) world_.gatherer->Want(*month);
    if (world_.network != nullptr) forwarders_.Note(*month);
    return world_.insights == nullptr ? absl::OkStatus() : TellInsights(call, domain.name);
  });
}

absl::Status ReportWatcher::TellInsights(const Call& call, const std::string& domain) {
  const DayNumber today = DefaultRange(world_.clock).last;
  const DayRange recent{today - kRecentDays, today};
  const DayRange before{recent.first - kBeforeDays, recent.first - 1};
  DMARCATE_ASSIGN_OR_RETURN(const auto now,
                            world_.analysis.Get(call, domain, recent, {}, KeepResult::kNo));
  DMARCATE_ASSIGN_OR_RETURN(const auto then,
                            world_.analysis.Get(call, domain, before, {}, KeepResult::kNo));
  const DayRange habit{today - kRhythmDays + 1, today};
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, world_.reports.Reader());
  ReporterLedgerBuilder builder(habit, world_.suffixes);
  DMARCATE_RETURN_IF_ERROR(
      reader->ForEachReport(domain, habit.first, habit.last, [&](const StoredReport& report) {
        if (!call.cancelled()) builder.Add(report);
        return !call.cancelled();
      }));
  if (call.cancelled()) return Cancelled();
  const ReporterLedger reporters = builder.Finish();
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(domain));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<SourceDecision> decisions,
                            world_.policies.ListDecisions(domain));
  DMARCATE_ASSIGN_OR_RETURN(const std::set<std::string> open, world_.insights->OpenIds(domain));
  return world_.insights->Fold(domain, LookAtReports(name, {.recent = *now,
                                                            .before = *then,
                                                            .decisions = decisions,
                                                            .reporters = reporters,
                                                            .open = open,
                                                            .now = world_.clock.Now()}));
}

}  // namespace dmarcate
