// ingestd/intake/verify_totals.h
// IntakeService.VerifyTotals: the daily totals against the rows.

#ifndef DMARCATE_INGESTD_INTAKE_VERIFY_TOTALS_H_
#define DMARCATE_INGESTD_INTAKE_VERIFY_TOTALS_H_

#include "grpcpp/support/status.h"

#include "dmarcate/v1/intake.pb.h"
#include "lib/rpc/call.h"
#include "lib/rpc/server_stream.h"
#include "lib/store/report_store.h"

namespace dmarcate {

grpc::Status VerifyTotals(ReportWriter& store, const Call& call, const v1::VerifyTotalsRequest& in,
                          StreamWriter<v1::VerifyTotalsResponse>& writer);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_VERIFY_TOTALS_H_
