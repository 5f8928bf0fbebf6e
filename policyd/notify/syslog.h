// Deliveries as lines to the machine's syslog, over its Unix socket.

#ifndef DMARCATE_POLICYD_NOTIFY_SYSLOG_H_
#define DMARCATE_POLICYD_NOTIFY_SYSLOG_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "lib/store/alert_store.h"

namespace dmarcate {

// `socket`: "/dev/log". One datagram a line, facility daemon, in the form that syslog(3) writes.
//   kUnavailable  nobody listens there
absl::Status SendSyslog(const std::string& socket, const DeliveryRecord& delivery, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_NOTIFY_SYSLOG_H_
