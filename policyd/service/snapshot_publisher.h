// policyd/service/snapshot_publisher.h
// Publishes the snapshot that ingestd works by (docs/snapshot.md): at the start, after every change
// of domains and their report addresses, and again and again, so that what could not be written is
// tried again and what somebody else did to the file is put right.

#ifndef DMARCATE_POLICYD_SERVICE_SNAPSHOT_PUBLISHER_H_
#define DMARCATE_POLICYD_SERVICE_SNAPSHOT_PUBLISHER_H_

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "lib/store/policy_store.h"

namespace dmarcate {

// Thread-safe.
class SnapshotPublisher {
 public:
  // `policies` outlives this. `file`: an absolute path, whose directory is there; empty: nothing is
  // ever published.
  SnapshotPublisher(PolicyStore& policies, std::string file);

  // Makes the file say what is stored, if it does not already. An error is logged, once as long as
  // it stays the same: what was decided stands, and the next call tries again.
  absl::Status Publish();
  // Called from then on, and at once, when it changes whether the file says what is stored. Not
  // while Publish() runs on another thread.
  void CallOnChange(std::function<void(bool up_to_date)> call);

  // Whether the file that was written last takes reports at `address` (in lower case).
  bool Takes(std::string_view address) const;
  const std::string& file() const { return file_; }

 private:
  absl::Status Write();

  PolicyStore& policies_;
  const std::string file_;

  std::mutex publishing_;  // held before the other
  std::function<void(bool)> on_change_;
  std::string failure_;  // that was logged last
  bool begun_ = false;

  mutable std::mutex mutex_;
  std::set<std::string, std::less<>> addresses_;  // in the file
  bool up_to_date_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SNAPSHOT_PUBLISHER_H_
