// ingestd/intake/service.h
// dmarcate.v1.IntakeService: the only service of ingestd.

#ifndef DMARCATE_INGESTD_INTAKE_SERVICE_H_
#define DMARCATE_INGESTD_INTAKE_SERVICE_H_

#include <memory>

#include "ingestd/intake/storage_gauge.h"
#include "ingestd/pipeline/byte_budget.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/rpc/call.h"
#include "lib/store/report_store.h"

namespace grpc {
class Service;
}

namespace dmarcate {

struct IntakeParts {  // all outlive the service
  const CallHost& host;
  Pipeline& pipeline;
  ByteBudget& budget;
  StorageGauge& gauge;
  ReportWriter& store;
  int64_t message_limit_bytes = 0;  // of an imported item
};

class IntakeService {
 public:
  explicit IntakeService(const IntakeParts& parts);
  ~IntakeService();
  grpc::Service* service();
  // Import streams end with SHUTTING_DOWN once what they handed in is answered. Before
  // GrpcServer::Drain().
  void EndImports();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SERVICE_H_
