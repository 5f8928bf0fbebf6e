// ingestd/intake/imap/intake.h
// Polls all accounts, each on a thread of its own, and slower while something is wrong.

#ifndef DMARCATE_INGESTD_INTAKE_IMAP_INTAKE_H_
#define DMARCATE_INGESTD_INTAKE_IMAP_INTAKE_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "ingestd/intake/imap/account.h"
#include "ingestd/intake/imap/poller.h"

namespace dmarcate {

// How long to wait after `failures` polls in a row that ended with `error`: the interval, if there
// is none; else from 10 s on twice as long each time, up to ten minutes or the interval, whichever
// is longer. A refused password waits that long at once: servers lock accounts. Pure.
absl::Duration NextPollDelay(absl::Duration interval, const absl::Status& error, int failures);

class ImapIntake {
 public:
  // Makes parts.bookmark_directory if it is not there.
  static absl::StatusOr<std::unique_ptr<ImapIntake>> Start(const std::vector<ImapAccount>& accounts,
                                                           ImapPollerParts parts);
  // Ends within about a second, or when the pipeline lets go. What was stored and not flagged yet
  // is recognised after the next start.
  void Stop();
  ~ImapIntake() { Stop(); }

 private:
  ImapIntake() = default;
  void Run(ImapPoller& poller);
  bool stopping() const;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<ImapPoller>> pollers_;
  std::vector<std::thread> threads_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_IMAP_INTAKE_H_
