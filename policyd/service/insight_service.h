// policyd/service/insight_service.h
// dmarcate.v1.InsightService: insight.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_INSIGHT_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_INSIGHT_SERVICE_H_

#include <memory>

#include "lib/store/insight_store.h"
#include "policyd/service/handler.h"
#include "policyd/service/insight_book.h"

namespace grpc {
class Service;
}

namespace dmarcate {

// Reads `insights`, and decides through `book`, which is of the same store.
std::unique_ptr<grpc::Service> MakeInsightService(const ServiceParts& parts, InsightStore& insights,
                                                  InsightBook& book);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_INSIGHT_SERVICE_H_
