// policyd/service/snapshot_publisher.h
// Publishes the snapshot that ingestd works by (docs/snapshot.md): at the start, after every change
// of domains and their report addresses, and again and again, so that what could not be written is
// tried again and what somebody else did to the file is put right.

#ifndef DMARCATE_POLICYD_SERVICE_SNAPSHOT_PUBLISHER_H_
#define DMARCATE_POLICYD_SERVICE_SNAPSHOT_PUBLISHER_H_

#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/store/policy_store.h"
#include "lib/store/removal_store.h"

namespace dmarcate {

// Thread-safe.
class SnapshotPublisher {
 public:
  // The stores outlive this. `file`: an absolute path, whose directory is there; empty: nothing is
  // ever published.
  SnapshotPublisher(PolicyStore& policies, RemovalStore& removals, std::string file);

  // Makes the file say what is stored, if it does not already. An error is logged, once as long as
  // it stays the same: what was decided stands, and the next call tries again.
  //   kFailedPrecondition  the file names what the store has never known: another store wrote it,
  //                        or a newer state of this one. It stays: ingestd goes by it meanwhile
  absl::Status Publish();
  // Called from then on, and at once, when it changes whether the file says what is stored. Not
  // while Publish() runs on another thread.
  void CallOnChange(std::function<void(bool up_to_date)> call);

  // Whether the file is known to say that reports at `address` (in lower case) are taken, or that
  // they are not.
  bool Says(std::string_view address, bool taken) const;
  const std::string& file() const { return file_; }

 private:
  absl::Status Write();
  absl::Status CheckKnown(std::string_view there, const std::vector<DomainRecord>& domains) const;
  absl::Status Replace(const std::vector<DomainRecord>& domains,
                       const absl::StatusOr<std::string>& there);

  PolicyStore& policies_;
  RemovalStore& removals_;
  const std::string file_;

  std::mutex publishing_;  // held before the other
  std::function<void(bool)> on_change_;
  std::string failure_;  // that was logged last
  bool begun_ = false;

  mutable std::mutex mutex_;
  // In the file, as it was seen last; nullopt: not known.
  std::optional<std::set<std::string, std::less<>>> addresses_;
  bool up_to_date_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SNAPSHOT_PUBLISHER_H_
