// policyd/service/stats_service.h
// dmarcate.v1.StatsService: stats.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_STATS_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_STATS_SERVICE_H_

#include <memory>

#include "policyd/service/handler.h"

namespace grpc {
class Service;
}

namespace dmarcate {

std::unique_ptr<grpc::Service> MakeStatsService(const ServiceParts& parts);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_STATS_SERVICE_H_
