// What is sent: the same alerts as a mail, as JSON for a webhook and as lines for syslog. Pure.
// Text that strangers wrote is escaped: one line in, one line out, no control characters.

#ifndef DMARCATE_POLICYD_ALERT_TEXT_H_
#define DMARCATE_POLICYD_ALERT_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/store/alert_store.h"

namespace dmarcate {

// More than that go into another delivery.
inline constexpr size_t kMaxAlertsOfDelivery = 50;

std::string_view ToString(AlertEvent event);  // "fired"
std::string SubjectOf(const std::vector<AlertRecord>& alerts);
std::string TextOf(const std::vector<AlertRecord>& alerts);
// {"id", "time", "version": 1, "kind": "alerts", "subject", "alerts": [{"event", "domain",
// "insight", "code", "severity", "message", "fix_hint", "evidence_command", "since"}]}
// A digest has its text as "text".
std::string JsonOf(std::string_view id, std::string_view kind, std::string_view subject,
                   const std::vector<AlertRecord>& alerts, absl::Time time,
                   std::string_view text = {});

// The deliveries that `alerts` make for one channel; none if it wants none of them. `now`: of their
// making, from which their ids follow, so it must differ from that of earlier ones.
std::vector<DeliveryRecord> Compose(const AlertChannelRecord& channel,
                                    const std::vector<AlertRecord>& alerts, absl::Time now);
// To try whether the channel works.
DeliveryRecord ComposeTest(const AlertChannelRecord& channel, absl::Time now);

// "a-" and 24 hex digits: of a delivery made at `now` for the channel, the `index`th.
std::string DeliveryId(std::string_view channel, absl::Time now, size_t index);

// One line for each alert, or the subject alone; with its syslog severity (RFC 5424 section 6.2.1).
struct SyslogLine {
  int severity = 6;
  std::string text;
};
std::vector<SyslogLine> SyslogLines(const DeliveryRecord& delivery);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ALERT_TEXT_H_
