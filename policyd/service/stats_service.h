// policyd/service/stats_service.h
// dmarcate.v1.StatsService: stats.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_STATS_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_STATS_SERVICE_H_

#include <memory>

#include "lib/mailauth/alignment.h"
#include "policyd/service/handler.h"
#include "policyd/service/report_follower.h"

namespace grpc {
class Service;
}

namespace dmarcate {

// `reports` and `suffixes` serve SimulatePolicy, which looks at the rows.
std::unique_ptr<grpc::Service> MakeStatsService(const ServiceParts& parts,
                                                const ReportFollower& reports,
                                                const PublicSuffixList& suffixes);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_STATS_SERVICE_H_
