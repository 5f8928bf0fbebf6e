// A notifier in memory, for tests: keeps what it was given, or fails.

#ifndef DMARCATE_POLICYD_NOTIFY_FAKE_NOTIFIER_H_
#define DMARCATE_POLICYD_NOTIFY_FAKE_NOTIFIER_H_

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "policyd/notify/notifier.h"

namespace dmarcate {

// Thread-safe.
class FakeNotifier final : public Notifier {
 public:
  struct Sent {
    std::string channel;
    DeliveryRecord delivery;
  };
  // From now on all that goes to the channel fails; an OK status lifts it.
  void Fail(const std::string& channel, absl::Status error) {
    const std::lock_guard lock(mutex_);
    errors_[channel] = std::move(error);
  }
  absl::Status Send(const AlertChannelRecord& channel, const DeliveryRecord& delivery,
                    const std::function<bool()>&) override {
    const std::lock_guard lock(mutex_);
    ++attempts_;
    if (const auto error = errors_.find(channel.id);
        error != errors_.end() && !error->second.ok()) {
      return error->second;
    }
    sent_.push_back({channel.id, delivery});
    return absl::OkStatus();
  }
  // What was taken, oldest first.
  std::vector<Sent> sent() const {
    const std::lock_guard lock(mutex_);
    return sent_;
  }
  int attempts() const {
    const std::lock_guard lock(mutex_);
    return attempts_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, absl::Status> errors_;
  std::vector<Sent> sent_;
  int attempts_ = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_NOTIFY_FAKE_NOTIFIER_H_
