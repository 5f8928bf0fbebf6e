#include "policyd/service/alert_desk.h"

#include <algorithm>
#include <iterator>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/alert/text.h"
#include "policyd/service/convert.h"
#include "policyd/service/handler.h"

namespace dmarcate {
namespace {

constexpr size_t kJournalPage = 1000;
constexpr absl::Duration kPruneInterval = absl::Hours(1);
constexpr absl::Duration kDigestLimit = absl::Minutes(10);
constexpr absl::Duration kWeek = absl::Hours(7 * 24);
constexpr int32_t kDaysOfDigest = 7;
// While a digest is made.
constexpr absl::Duration kTellBetween = absl::Seconds(10);
// Before something is sent again where the journal cannot be written.
constexpr absl::Duration kUnwritable = absl::Hours(1);

void LogTrouble(std::string_view event, const absl::Status& status) {
  if (!status.ok()) LogError(event, {{"error", status}});
}

}  // namespace

void AlertDesk::Tick() {
  if (!journal_read_) {
    if (const absl::Status read = ReadJournal(); !read.ok()) {
      LogError("alerts_not_read", {{"error", read}});
      return;
    }
    journal_read_ = true;
  }
  Tell();
  LogTrouble("digest_not_made", MakeDigests());
  Deliver();
  LogTrouble("alerts_not_pruned", Prune());
}

void AlertDesk::Tell() {
  LogTrouble("alerts_not_decided", Decide());
  Deliver();
  told_ = world_.clock.Monotonic();
}

absl::Time AlertDesk::NextTime() {
  const std::lock_guard lock(mutex_);
  // The clock may stand still or go back; the store keeps microseconds.
  last_time_ = std::max(absl::FromUnixMicros(absl::ToUnixMicros(world_.clock.Now())),
                        last_time_ + absl::Microseconds(1));
  return last_time_;
}

absl::Status AlertDesk::ReadJournal() {
  pending_.clear();
  std::optional<Place> before;
  for (;;) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<DeliveryRecord> page,
                              world_.alerts.ListDeliveries(before, kJournalPage));
    for (const DeliveryRecord& delivery : page) {
      if (delivery.state == DeliveryState::kPending) {
        pending_[{delivery.create_time, delivery.id}] = delivery;
      }
      const std::lock_guard lock(mutex_);
      last_time_ = std::max(last_time_, delivery.create_time);
    }
    if (page.size() < kJournalPage) return absl::OkStatus();
    before = Place(page.back().create_time, page.back().id);
  }
}

absl::Status AlertDesk::Decide() {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<AlertChannelRecord> channels,
                            world_.alerts.ListAlertChannels());
  DMARCATE_ASSIGN_OR_RETURN(std::vector<ToldRecord> all_told, world_.alerts.ListTold());
  std::map<std::string, std::map<std::string, ToldRecord>> told;
  for (ToldRecord& record : all_told) {
    std::string insight = record.insight;
    told[record.domain][std::move(insight)] = std::move(record);
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<DomainRecord> domains, AllDomains(world_.policies));
  const absl::Time now = world_.clock.Now();
  std::vector<AlertRecord> alerts;
  AlertUpdate update;
  for (const DomainRecord& domain : domains) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<InsightRecord> insights,
                              world_.insights.ListInsights(domain.name));
    const auto known = told.extract(domain.name);
    Telling telling = DecideAlerts(domain.name, insights,
                                   known ? known.mapped() : std::map<std::string, ToldRecord>(),
                                   now, options_.rules);
    std::ranges::move(telling.alerts, std::back_inserter(alerts));
    std::ranges::move(telling.told, std::back_inserter(update.told));
    std::ranges::move(telling.forget, std::back_inserter(update.forget_told));
  }
  // Of domains that are no longer managed.
  for (const auto& [domain, records] : told) {
    for (const auto& [insight, record] : records) update.forget_told.emplace_back(domain, insight);
  }
  if (!alerts.empty()) {
    const absl::Time time = NextTime();
    for (const AlertChannelRecord& channel : channels) {
      std::ranges::move(Compose(channel, alerts, time), std::back_inserter(update.put));
    }
  }
  if (update.empty()) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(world_.alerts.UpdateAlerts(update));
  for (DeliveryRecord& delivery : update.put) {
    pending_[{delivery.create_time, delivery.id}] = std::move(delivery);
  }
  for (const AlertRecord& alert : alerts) {
    LogInfo("alert", {{"event", ToString(alert.event)},
                      {"domain", alert.domain},
                      {"code", alert.code},
                      {"insight", alert.insight}});
  }
  return absl::OkStatus();
}

absl::StatusOr<Digest> AlertDesk::DigestNow(const Call& call, std::vector<std::string> domains) {
  return MakeDigestOf(call, std::move(domains), [] {});
}

absl::StatusOr<Digest> AlertDesk::MakeDigestOf(const Call& call, std::vector<std::string> domains,
                                               const std::function<void()>& between) {
  if (domains.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<DomainRecord> all, AllDomains(world_.policies));
    for (const DomainRecord& domain : all) domains.push_back(domain.name);
  }
  const DayNumber today = DefaultRange(world_.clock).last;
  const DayRange week{today - kDaysOfDigest, today - 1};
  const DayRange before{week.first - kDaysOfDigest, week.first - 1};
  std::vector<DigestDomain> summaries;
  for (const std::string& domain : domains) {
    between();
    if (call.cancelled() || stopping()) return Cancelled();
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<InsightRecord> insights,
                              world_.insights.ListInsights(domain));
    const auto now = world_.analysis.Get(call, domain, week, {}, KeepResult::kNo);
    const auto then =
        now.ok() ? world_.analysis.Get(call, domain, before, {}, KeepResult::kNo) : now.status();
    const bool known = now.ok() && then.ok();
    DigestDomain summary =
        known ? SummarizeDomain(domain, **now, **then, insights)
              : SummarizeDomain(domain, DomainStatistics(), DomainStatistics(), insights);
    summary.known = known;
    summaries.push_back(std::move(summary));
  }
  return MakeDigest(week, std::move(summaries));
}

absl::Status AlertDesk::MakeDigests() {
  if (!options_.digest) return absl::OkStatus();
  const absl::Time slot = LastDigestSlot(*options_.digest, world_.clock.Now());
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<absl::Time> last, world_.alerts.LastDigest());
  // Further ahead than a week it was made by a clock that was, and nobody has waited since then.
  const bool ahead = last && *last - slot > kWeek;
  if (last && *last >= slot && !ahead) return absl::OkStatus();
  AlertUpdate update;
  update.digest = slot;
  DMARCATE_ASSIGN_OR_RETURN(std::vector<AlertChannelRecord> channels,
                            world_.alerts.ListAlertChannels());
  std::erase_if(channels, [](const AlertChannelRecord& channel) { return !channel.digest; });
  // At the first start nobody has waited for one.
  if (last && !ahead) {
    std::map<std::vector<std::string>, Digest> made;  // by domains: for most channels they are all
    for (const AlertChannelRecord& channel : channels) {
      auto digest = made.find(channel.domains);
      if (digest == made.end()) {
        Call call({.name = "alerts"}, world_.clock.Now() + kDigestLimit);
        // Many domains with much mail take minutes; what is urgent does not wait for them.
        DMARCATE_ASSIGN_OR_RETURN(Digest of, MakeDigestOf(call, channel.domains, [this] {
                                    if (world_.clock.Monotonic() - told_ >= kTellBetween) Tell();
                                  }));
        digest = made.emplace(channel.domains, std::move(of)).first;
      }
      update.put.push_back(ComposeDigest(channel, digest->second, NextTime()));
    }
  }
  DMARCATE_RETURN_IF_ERROR(world_.alerts.UpdateAlerts(update));
  for (DeliveryRecord& delivery : update.put) {
    pending_[{delivery.create_time, delivery.id}] = std::move(delivery);
  }
  return absl::OkStatus();
}

void AlertDesk::Deliver() {
  std::vector<Place> due;
  for (const auto& [place, delivery] : pending_) {
    // What nobody has tried is due, whatever the clock says meanwhile; and nothing waits for longer
    // than the longest pause, as it would if the clock was set back.
    const absl::Duration left = delivery.next_attempt - world_.clock.Now();
    if (delivery.attempts == 0 || left <= absl::ZeroDuration() ||
        left > BackoffAfter(delivery.attempts)) {
      due.push_back(place);
    }
  }
  for (const Place& place : due) {
    if (stopping()) return;
    DeliveryRecord& delivery = pending_[place];
    const absl::Time now = world_.clock.Now();
    const auto channel = world_.alerts.GetAlertChannel(delivery.channel);
    absl::Status status;
    if (absl::IsNotFound(channel.status())) {
      status = GiveUp(delivery, "the channel was removed");
    } else if (!channel.ok()) {
      LogTrouble("alert_channel_unreadable", channel.status());
      continue;
    } else {
      const auto not_before = not_before_.find(delivery.channel);
      const bool blocked =
          not_before != not_before_.end() && not_before->second > world_.clock.Monotonic();
      const bool given_up = now - delivery.create_time > kGiveUpAfter;
      if (blocked && !given_up) continue;
      // Each attempt may take half a minute, in which nobody else is told.
      status = blocked ? GiveUp(delivery, delivery.last_error.empty()
                                              ? "the channel took nothing that was sent before"
                                              : delivery.last_error)
                       : Attempt(*channel, delivery);
    }
    if (!status.ok()) {
      // What was sent is not written down: it is sent again, but not every few seconds.
      LogError("alert_not_journaled", {{"delivery", delivery.id}, {"error", status}});
      not_before_[delivery.channel] = world_.clock.Monotonic() + kUnwritable;
      return;
    }
    if (delivery.state != DeliveryState::kPending) pending_.erase(place);
  }
}

absl::Status AlertDesk::GiveUp(DeliveryRecord& delivery, const std::string& why) {
  DeliveryRecord after = delivery;
  after.state = DeliveryState::kFailed;
  after.end_time = world_.clock.Now();
  after.last_error = why;
  DMARCATE_RETURN_IF_ERROR(world_.alerts.UpdateAlerts({.put = {after}}));
  LogError("alert_given_up",
           {{"channel", after.channel}, {"delivery", after.id}, {"error", after.last_error}});
  delivery = std::move(after);
  return absl::OkStatus();
}

absl::Status AlertDesk::Attempt(const AlertChannelRecord& channel, DeliveryRecord& delivery) {
  const absl::Status sent = world_.notifier.Send(channel, delivery, [this] { return stopping(); });
  if (absl::IsCancelled(sent) && stopping()) return absl::OkStatus();
  DeliveryRecord after = delivery;
  const absl::Time now = world_.clock.Now();
  ++after.attempts;
  after.last_error = sent.ok() ? "" : std::string(MessageOf(sent));
  const bool give_up = absl::IsInvalidArgument(sent) || now - after.create_time >= kGiveUpAfter;
  if (sent.ok()) {
    after.state = DeliveryState::kDelivered;
    after.end_time = now;
    not_before_.erase(channel.id);
  } else {
    after.next_attempt = now + BackoffAfter(after.attempts);
    not_before_[channel.id] = world_.clock.Monotonic() + BackoffAfter(after.attempts);
    if (give_up) {
      after.state = DeliveryState::kFailed;
      after.end_time = now;
    }
    Log(give_up ? LogLevel::kError : LogLevel::kWarn,
        give_up ? "alert_given_up" : "alert_not_delivered",
        {{"channel", channel.id},
         {"delivery", after.id},
         {"attempts", after.attempts},
         {"error", sent}});
  }
  DMARCATE_RETURN_IF_ERROR(world_.alerts.UpdateAlerts({.put = {after}}));
  delivery = std::move(after);
  return absl::OkStatus();
}

absl::StatusOr<DeliveryRecord> AlertDesk::Test(const AlertChannelRecord& channel) {
  DeliveryRecord delivery = ComposeTest(channel, NextTime());
  const absl::Status sent = world_.notifier.Send(channel, delivery, [this] { return stopping(); });
  delivery.attempts = 1;
  delivery.state = sent.ok() ? DeliveryState::kDelivered : DeliveryState::kFailed;
  delivery.last_error = sent.ok() ? "" : std::string(MessageOf(sent));
  delivery.end_time = world_.clock.Now();
  DMARCATE_RETURN_IF_ERROR(world_.alerts.UpdateAlerts({.put = {delivery}}));
  return delivery;
}

absl::Status AlertDesk::Prune() {
  if (world_.clock.Monotonic() - pruned_ < kPruneInterval) return absl::OkStatus();
  AlertUpdate update;
  std::optional<Place> before;
  size_t kept = 0;
  for (;;) {
    DMARCATE_ASSIGN_OR_RETURN(std::vector<DeliveryRecord> page,
                              world_.alerts.ListDeliveries(before, kJournalPage));
    const bool last = page.size() < kJournalPage;
    if (!page.empty()) before = Place(page.back().create_time, page.back().id);
    for (DeliveryRecord& delivery : page) {
      const bool old = world_.clock.Now() - delivery.create_time > options_.keep;
      if (delivery.state == DeliveryState::kPending || (!old && kept < options_.keep_most)) {
        ++kept;
      } else {
        update.forget.push_back(std::move(delivery));
      }
    }
    if (last) break;
  }
  DMARCATE_RETURN_IF_ERROR(world_.alerts.UpdateAlerts(update));
  pruned_ = world_.clock.Monotonic();
  return absl::OkStatus();
}

}  // namespace dmarcate
