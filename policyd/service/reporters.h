// policyd/service/reporters.h
// The part of ReportService that is about reporters: the ledger of analysis/reporter_ledger.h,
// counted when it is asked for and kept as long as the stores hold the same.

#ifndef DMARCATE_POLICYD_SERVICE_REPORTERS_H_
#define DMARCATE_POLICYD_SERVICE_REPORTERS_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "dmarcate/v1/reporter.pb.h"
#include "lib/mailauth/alignment.h"
#include "lib/rpc/call.h"
#include "policyd/analysis/reporter_ledger.h"
#include "policyd/service/handler.h"
#include "policyd/service/report_follower.h"

namespace dmarcate {

// All outlive it. Thread-safe. Errors are those of the RPCs.
class Reporters {
 public:
  Reporters(const ServiceParts& parts, const ReportFollower& reports,
            const PublicSuffixList& suffixes)
      : parts_(parts), reports_(reports), suffixes_(suffixes) {}

  absl::Status List(const Call& call, const v1::ListReportersRequest& in,
                    v1::ListReportersResponse* out);
  absl::Status Get(const Call& call, const v1::GetReporterRequest& in,
                   v1::GetReporterResponse* out);

 private:
  using Ledger = std::shared_ptr<const ReporterLedger>;
  // `domain`: a resource name; empty: all managed domains.
  absl::StatusOr<Ledger> Read(const Call& call, const v1::DateRange& range,
                              const std::string& domain);
  absl::StatusOr<Ledger> Count(const Call& call, ReportReader& reader, const DayRange& range,
                               const std::vector<std::string>& domains) const;

  const ServiceParts& parts_;
  const ReportFollower& reports_;
  const PublicSuffixList& suffixes_;

  std::timed_mutex mutex_;  // held while counting, so one counts at a time; guards what follows
  Ledger kept_;             // the last one; what it was counted from:
  std::vector<std::string> domains_;
  uint64_t version_ = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_REPORTERS_H_
