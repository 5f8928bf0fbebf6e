// policyd/reconcile/sts_file_source.h
// Where the MTA-STS policy of a domain is looked at as senders do. The implementation that asks its
// web server is sts_files.h.

#ifndef DMARCATE_POLICYD_RECONCILE_STS_FILE_SOURCE_H_
#define DMARCATE_POLICYD_RECONCILE_STS_FILE_SOURCE_H_

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

#include "lib/base/status_macros.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/mta_sts/served_file.h"

namespace dmarcate {

// Thread-safe.
class StsFileSource {
 public:
  virtual ~StsFileSource() = default;
  // What is served now. Blocks for some seconds at most.
  //   kNotFound  no address, or not status 200; the message says which
  //   others     nothing was learned
  virtual absl::StatusOr<ServedStsFile> Fetch(const DomainName& domain) = 0;
};

// What a test puts there; a domain without is kNotFound.
class FakeStsFileSource : public StsFileSource {
 public:
  void Serve(const DomainName& domain, absl::StatusOr<ServedStsFile> file) {
    const std::lock_guard lock(mutex_);
    files_.insert_or_assign(domain, std::move(file));
  }
  absl::StatusOr<ServedStsFile> Fetch(const DomainName& domain) override {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(domain);
    if (found != files_.end()) return found->second;
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("mta-sts.{} has no address", domain.text()));
  }

 private:
  std::mutex mutex_;
  std::map<DomainName, absl::StatusOr<ServedStsFile>> files_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_STS_FILE_SOURCE_H_
