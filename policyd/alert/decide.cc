#include "policyd/alert/decide.h"

#include <algorithm>
#include <optional>
#include <set>

#include "fmt/format.h"

namespace dmarcate {
namespace {

AlertRecord Alert(AlertEvent event, std::string_view domain, const InsightRecord& insight,
                  absl::Time since) {
  return {.event = event,
          .domain = std::string(domain),
          .insight = insight.id,
          .code = insight.code,
          .severity = insight.severity,
          .message = insight.message,
          .fix_hint = insight.fix_hint,
          .evidence_command = insight.evidence_command,
          .since = since};
}

// One insight with what was told of it.
class Case {
 public:
  Case(std::string_view domain, const InsightRecord& insight, ToldRecord& told, absl::Time now,
       const AlertRules& rules)
      : domain_(domain), insight_(insight), told_(told), now_(now), rules_(rules) {}

  // Nothing: nothing is to be told.
  std::optional<AlertRecord> Decide() {
    // The clock was set back.
    if (told_.seen != absl::InfiniteFuture()) told_.seen = std::min(told_.seen, now_);
    told_.window = std::min(told_.window, now_);
    switch (insight_.state) {
      case InsightState::kActive:
        if (!told_.open) return Fire();
        return told_.seen == absl::InfiniteFuture() ? Again() : Worse();
      case InsightState::kAccepted:
      case InsightState::kDismissed:
        told_.seen = absl::InfiniteFuture();  // also while it is open: it is in a person's hands
        return std::nullopt;
      case InsightState::kResolved:
        return told_.open ? Clear() : Pass();
    }
    return std::nullopt;
  }

 private:
  bool HeldBack() const {
    return told_.firings >= rules_.most_firings && now_ - told_.window < rules_.window;
  }

  std::optional<AlertRecord> Fire() {
    if (told_.seen == absl::InfiniteFuture()) told_.seen = now_;
    const bool settled =
        insight_.severity == Severity::kError || now_ - told_.seen >= rules_.settle;
    if (!settled || HeldBack()) return std::nullopt;
    CountFiring();
    told_.open = true;
    AlertRecord alert = Alert(AlertEvent::kFired, domain_, insight_, insight_.first_seen);
    if (told_.held_back > 0) {
      alert.message +=
          fmt::format(" (it came and went {} more times, which were not told)", told_.held_back);
      told_.held_back = 0;
    }
    return alert;
  }

  void CountFiring() {
    if (now_ - told_.window >= rules_.window) {
      told_.window = now_;
      told_.firings = 0;
    }
    ++told_.firings;
    told_.severity = insight_.severity;
    told_.told = now_;
  }

  // Told, decided about, and active again.
  std::optional<AlertRecord> Again() {
    if (HeldBack()) return std::nullopt;
    CountFiring();
    told_.seen = now_;
    return Alert(AlertEvent::kWorse, domain_, insight_, insight_.first_seen);
  }

  std::optional<AlertRecord> Worse() {
    if (insight_.severity <= told_.severity) return std::nullopt;
    told_.severity = insight_.severity;
    told_.told = now_;
    return Alert(AlertEvent::kWorse, domain_, insight_, insight_.first_seen);
  }

  std::optional<AlertRecord> Clear() {
    const bool dismissed = insight_.decide_time != absl::InfinitePast() &&
                           insight_.decision == InsightState::kDismissed;
    const absl::Duration gone = now_ - insight_.resolve_time;
    const bool waits = gone < rules_.clear_after && gone > -rules_.clear_after;
    if (!dismissed && waits) return std::nullopt;
    told_.open = false;
    told_.seen = absl::InfiniteFuture();
    if (dismissed) return std::nullopt;
    told_.told = now_;
    AlertRecord alert = Alert(AlertEvent::kCleared, domain_, insight_, insight_.resolve_time);
    alert.severity = told_.severity;  // for those who were told of it
    return alert;
  }

  std::optional<AlertRecord> Pass() {
    if (told_.seen != absl::InfiniteFuture() && HeldBack()) ++told_.held_back;
    told_.seen = absl::InfiniteFuture();
    return std::nullopt;
  }

  const std::string_view domain_;
  const InsightRecord& insight_;
  ToldRecord& told_;
  const absl::Time now_;
  const AlertRules& rules_;
};

// Nothing is remembered that a new record would not say, too.
bool SaysNothing(const ToldRecord& told, absl::Time now, const AlertRules& rules) {
  return !told.open && told.seen == absl::InfiniteFuture() &&
         (told.firings == 0 || now - told.window >= rules.window);
}

}  // namespace

Telling DecideAlerts(std::string_view domain, const std::vector<InsightRecord>& insights,
                     const std::map<std::string, ToldRecord>& told, absl::Time now,
                     const AlertRules& rules) {
  Telling out;
  std::set<std::string> there;
  for (const InsightRecord& insight : insights) {
    there.insert(insight.id);
    const auto known = told.find(insight.id);
    ToldRecord record;
    record.domain = std::string(domain);
    record.insight = insight.id;
    record.severity = insight.severity;
    record.window = now;
    if (known != told.end()) record = known->second;
    const ToldRecord before = record;
    if (auto alert = Case(domain, insight, record, now, rules).Decide()) {
      out.alerts.push_back(*std::move(alert));
    }
    if (SaysNothing(record, now, rules)) {
      if (known != told.end()) out.forget.emplace_back(domain, insight.id);
    } else if (known == told.end() || !(record == before)) {
      out.told.push_back(std::move(record));
    }
  }
  // Forgotten, or pushed out by worse ones: nobody can say whether it is gone.
  for (const auto& [id, record] : told) {
    if (!there.contains(id)) out.forget.emplace_back(domain, id);
  }
  return out;
}

bool Wants(const AlertChannelRecord& channel, const AlertRecord& alert) {
  if (alert.severity < channel.min_severity) return false;
  if (alert.event == AlertEvent::kCleared && !channel.cleared) return false;
  const auto among = [](const std::vector<std::string>& list, const std::string& value) {
    return list.empty() || std::ranges::find(list, value) != list.end();
  };
  return among(channel.domains, alert.domain) && among(channel.codes, alert.code);
}

absl::Duration BackoffAfter(uint32_t attempts) {
  constexpr absl::Duration kFirst = absl::Seconds(30), kLongest = absl::Hours(1);
  absl::Duration pause = kFirst;
  for (uint32_t i = 1; i < attempts && pause < kLongest; ++i) pause *= 2;
  return std::min(pause, kLongest);
}

}  // namespace dmarcate
