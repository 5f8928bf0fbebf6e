// policyd/service/ticker.h
// Does something again and again, on a thread of its own.

#ifndef DMARCATE_POLICYD_SERVICE_TICKER_H_
#define DMARCATE_POLICYD_SERVICE_TICKER_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/time/time.h"

namespace dmarcate {

class Ticker {
 public:
  // The first time at once, then `interval` after each time it has ended.
  Ticker(absl::Duration interval, std::function<void()> tick);
  ~Ticker() { Stop(); }
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  // Returns when a tick that runs has ended. May be called again, from one thread.
  void Stop();

 private:
  const absl::Duration interval_;
  const std::function<void()> tick_;
  std::mutex mutex_;
  std::condition_variable stop_changed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_TICKER_H_
