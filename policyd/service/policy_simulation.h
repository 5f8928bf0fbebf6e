// policyd/service/policy_simulation.h
// StatsService.SimulatePolicy: reads the request, counts the rows (analysis/what_if.h), writes the
// answer.

#ifndef DMARCATE_POLICYD_SERVICE_POLICY_SIMULATION_H_
#define DMARCATE_POLICYD_SERVICE_POLICY_SIMULATION_H_

#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "dmarcate/v1/stats.pb.h"
#include "lib/mailauth/alignment.h"
#include "lib/rpc/call.h"
#include "policyd/analysis/row_sums.h"
#include "policyd/analysis/what_if.h"
#include "policyd/service/handler.h"
#include "policyd/service/report_follower.h"

namespace dmarcate {

inline constexpr int kMaxTreatments = 1000;
inline constexpr int kMaxMissingNames = 1000;
inline constexpr int kDefaultSimulationRows = 50;
inline constexpr int kMaxSimulationRows = 1000;

// The supposition of a request. kInvalidArgument with the field: a policy is missing or unknown, a
// source occurs twice, a name is none or does not lie below `domain`, too many of either.
absl::StatusOr<WhatIf> ReadWhatIf(const v1::SimulatePolicyRequest& in, std::string_view domain);

// All outlive it. Thread-safe; where the reports themselves have to be read it counts for one
// caller at a time.
class PolicySimulation {
 public:
  PolicySimulation(const ServiceParts& parts, const ReportFollower& reports,
                   const PublicSuffixList& suffixes)
      : parts_(parts), reports_(reports), suffixes_(suffixes) {}

  // Errors are those of the RPC.
  absl::Status Run(const Call& call, const v1::SimulatePolicyRequest& in,
                   v1::SimulatePolicyResponse* out);

 private:
  // From the reports.
  absl::StatusOr<WhatIfPage> CountRows(const Call& call, const std::string& domain,
                                       const DayRange& range, const WhatIf& what_if);

  const ServiceParts& parts_;
  const ReportFollower& reports_;
  const PublicSuffixList& suffixes_;
  std::timed_mutex mutex_;  // held while reading them
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_POLICY_SIMULATION_H_
