// ingestd/intake/purge.h
// IntakeService.PurgeReports: removing what is stored about a domain or a source address.

#ifndef DMARCATE_INGESTD_INTAKE_PURGE_H_
#define DMARCATE_INGESTD_INTAKE_PURGE_H_

#include "grpcpp/support/status.h"

#include "dmarcate/v1/intake.pb.h"
#include "ingestd/intake/storage_gauge.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/rpc/call.h"
#include "lib/rpc/server_stream.h"

namespace dmarcate {

grpc::Status PurgeReports(Pipeline& pipeline, StorageGauge& gauge, const Call& call,
                          const v1::PurgeReportsRequest& in,
                          StreamWriter<v1::PurgeReportsResponse>& writer);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_PURGE_H_
