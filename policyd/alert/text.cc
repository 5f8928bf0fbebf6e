#include "policyd/alert/text.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fmt/format.h"
#include <nlohmann/json.hpp>

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "policyd/alert/decide.h"

namespace dmarcate {
namespace {

constexpr size_t kDomainsInSubject = 3;
constexpr size_t kIdDigits = 24;

std::string Utc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

std::string Head(const AlertRecord& alert) {
  const std::string_view event = alert.event == AlertEvent::kCleared ? "cleared"
                                 : alert.event == AlertEvent::kWorse ? "worse"
                                                                     : "";
  return fmt::format("{}{}{}: {} of {}", event, event.empty() ? "" : ", ", ToString(alert.severity),
                     EscapeForTerminal(alert.code), EscapeForTerminal(alert.domain));
}

std::string InsightResource(const AlertRecord& alert) {
  return fmt::format("domains/{}/insights/{}", alert.domain, alert.insight);
}

}  // namespace

std::string_view ToString(AlertEvent event) {
  switch (event) {
    case AlertEvent::kFired:
      return "fired";
    case AlertEvent::kWorse:
      return "worse";
    case AlertEvent::kCleared:
      return "cleared";
  }
  return "";
}

std::string SubjectOf(const std::vector<AlertRecord>& alerts) {
  if (alerts.size() == 1) return fmt::format("[dmarcate] {}", Head(alerts.front()));
  std::set<std::string> domains;
  for (const AlertRecord& alert : alerts) domains.insert(EscapeForTerminal(alert.domain));
  std::string names;
  size_t shown = 0;
  for (const std::string& domain : domains) {
    if (shown == kDomainsInSubject) break;
    names += (shown++ == 0 ? "" : ", ") + domain;
  }
  if (domains.size() > shown) names += fmt::format(" and {} more", domains.size() - shown);
  return fmt::format("[dmarcate] {} alerts: {}", alerts.size(), names);
}

std::string TextOf(const std::vector<AlertRecord>& alerts) {
  std::string out;
  for (const AlertRecord& alert : alerts) {
    if (!out.empty()) out += "\n";
    out += Head(alert) + "\n";
    out += fmt::format("  {}\n", EscapeForTerminal(alert.message));
    if (alert.event == AlertEvent::kCleared) {
      out += fmt::format("  This is no longer so, since {}.\n", Utc(alert.since));
      continue;
    }
    out += fmt::format("  So since {}.\n", Utc(alert.since));
    if (!alert.fix_hint.empty()) {
      out += fmt::format("  What to do: {}\n", EscapeForTerminal(alert.fix_hint));
    }
    if (!alert.evidence_command.empty()) {
      out += fmt::format("  Evidence: {}\n", EscapeForTerminal(alert.evidence_command));
    }
    out += fmt::format("  To accept it: dmarcate insights accept {} --domain {}\n",
                       EscapeForTerminal(alert.insight), EscapeForTerminal(alert.domain));
  }
  return out;
}

std::string JsonOf(std::string_view id, std::string_view kind, std::string_view subject,
                   const std::vector<AlertRecord>& alerts, absl::Time time, std::string_view text) {
  nlohmann::json list = nlohmann::json::array();
  for (const AlertRecord& alert : alerts) {
    list.push_back({{"event", ToString(alert.event)},
                    {"domain", ToValidUtf8(alert.domain)},
                    {"insight", ToValidUtf8(InsightResource(alert))},
                    {"code", ToValidUtf8(alert.code)},
                    {"severity", ToString(alert.severity)},
                    {"message", ToValidUtf8(alert.message)},
                    {"fix_hint", ToValidUtf8(alert.fix_hint)},
                    {"evidence_command", ToValidUtf8(alert.evidence_command)},
                    {"since", Utc(alert.since)}});
  }
  nlohmann::json out = {{"id", id},
                        {"time", Utc(time)},
                        {"version", 1},
                        {"kind", kind},
                        {"subject", ToValidUtf8(subject)},
                        {"alerts", std::move(list)}};
  if (!text.empty()) out["text"] = ToValidUtf8(text);
  return out.dump();
}

std::string DeliveryId(std::string_view channel, absl::Time now, size_t index) {
  const std::string what = fmt::format("{} {} {}", channel, absl::ToUnixMicros(now), index);
  return "a-" + Sha256Hex(what).substr(0, kIdDigits);
}

std::vector<DeliveryRecord> Compose(const AlertChannelRecord& channel,
                                    const std::vector<AlertRecord>& alerts, absl::Time now) {
  std::vector<AlertRecord> wanted;
  for (const AlertRecord& alert : alerts) {
    if (Wants(channel, alert)) wanted.push_back(alert);
  }
  std::vector<DeliveryRecord> out;
  for (size_t first = 0; first < wanted.size(); first += kMaxAlertsOfDelivery) {
    const size_t end = std::min(wanted.size(), first + kMaxAlertsOfDelivery);
    DeliveryRecord& delivery = out.emplace_back();
    delivery.create_time = delivery.next_attempt = now;
    delivery.id = DeliveryId(channel.id, now, out.size() - 1);
    delivery.channel = channel.id;
    delivery.alerts = {wanted.begin() + static_cast<std::ptrdiff_t>(first),
                       wanted.begin() + static_cast<std::ptrdiff_t>(end)};
    delivery.subject = SubjectOf(delivery.alerts);
    delivery.text = TextOf(delivery.alerts);
    delivery.json = JsonOf(delivery.id, "alerts", delivery.subject, delivery.alerts, now);
  }
  return out;
}

DeliveryRecord ComposeTest(const AlertChannelRecord& channel, absl::Time now) {
  DeliveryRecord out;
  out.create_time = out.next_attempt = now;
  out.id = DeliveryId(channel.id, now, 0);
  out.channel = channel.id;
  out.subject = fmt::format("[dmarcate] test of the channel {}", channel.id);
  out.text =
      "Somebody asked whether alerts of Dmarcate arrive here. They do; nothing else is the "
      "matter.\n";
  out.json = JsonOf(out.id, "test", out.subject, {}, now);
  return out;
}

std::vector<SyslogLine> SyslogLines(const DeliveryRecord& delivery) {
  constexpr int kError = 3, kWarning = 4, kNotice = 5, kInfo = 6;
  std::vector<SyslogLine> out;
  for (const AlertRecord& alert : delivery.alerts) {
    const int severity = alert.event == AlertEvent::kCleared    ? kNotice
                         : alert.severity == Severity::kError   ? kError
                         : alert.severity == Severity::kWarning ? kWarning
                                                                : kInfo;
    out.push_back({severity, fmt::format("{} id={} insight={}: {}", Head(alert), delivery.id,
                                         EscapeForTerminal(alert.insight),
                                         EscapeForTerminal(alert.message))});
  }
  if (out.empty()) out.push_back({kInfo, EscapeForTerminal(delivery.subject)});
  return out;
}

}  // namespace dmarcate
