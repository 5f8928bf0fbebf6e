// policyd/service/source_service.h
// dmarcate.v1.SourceService: source.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_SOURCE_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_SOURCE_SERVICE_H_

#include <memory>

#include "lib/dns/resolver.h"
#include "lib/store/grouping_store.h"
#include "lib/store/insight_store.h"
#include "policyd/service/handler.h"
#include "policyd/service/network_book.h"

namespace grpc {
class Service;
}

namespace dmarcate {

// What the service knows beside the reports; all outlives it.
struct SourceWorld {
  const NetworkBook* network = nullptr;  // about addresses; null: nothing is known
  GroupingStore* groupings = nullptr;    // what people did to sources; null: they cannot
  InsightStore* insights = nullptr;      // what dangles; null: not known, so nothing is suggested
};
// `resolver` shows the live SPF record for previews and approvals.
std::unique_ptr<grpc::Service> MakeSourceService(const ServiceParts& parts, Resolver& resolver,
                                                 const SourceWorld& world = {});

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SOURCE_SERVICE_H_
