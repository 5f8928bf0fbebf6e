// Brings one delivery to one channel. The same delivery may be brought again (a reply was lost,
// policyd was killed): its id is the same each time, and receivers may drop what they have seen.

#ifndef DMARCATE_POLICYD_NOTIFY_NOTIFIER_H_
#define DMARCATE_POLICYD_NOTIFY_NOTIFIER_H_

#include <functional>

#include "absl/status/status.h"

#include "lib/store/alert_store.h"

namespace dmarcate {

// Thread-safe.
class Notifier {
 public:
  virtual ~Notifier() = default;
  // OK: the receiver has taken it. Messages name no secret, neither a webhook's path nor its key.
  // `stop`: asked at least once a second; true: end now.
  //   kInvalidArgument     it cannot be sent as it is, now or later
  //   kFailedPrecondition  something is missing here: a key, a relay, trust in a certificate
  //   kPermissionDenied    the address is one that nothing is sent to, or the receiver refuses us
  //   kUnavailable, kDeadlineExceeded, kUnknown, kCancelled  another time
  virtual absl::Status Send(const AlertChannelRecord& channel, const DeliveryRecord& delivery,
                            const std::function<bool()>& stop) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_NOTIFY_NOTIFIER_H_
