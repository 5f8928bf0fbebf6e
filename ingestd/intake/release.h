// ingestd/intake/release.h
// Letting a report that trust had quarantined into the statistics: the method of IntakeService.

#ifndef DMARCATE_INGESTD_INTAKE_RELEASE_H_
#define DMARCATE_INGESTD_INTAKE_RELEASE_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "grpcpp/support/status.h"

#include "dmarcate/v1/intake.pb.h"
#include "ingestd/intake/storage_gauge.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/rpc/call.h"
#include "lib/store/report_store.h"

namespace dmarcate {

// What a release was decided on: moves when the name comes to mean another item (a purge numbers
// them anew), and when the item is judged anew.
std::string QuarantineEtag(const Receipt& receipt, const ReceiptItem& item);
// The resource name of the stored report that trust quarantined as this item; else empty.
std::string QuarantinedReport(ReceiptId receipt, const ReceiptItem& item);

grpc::Status ReleaseQuarantinedMessage(Pipeline& pipeline, ReportWriter& store, StorageGauge& gauge,
                                       const Call& call, absl::Time now,
                                       const v1::ReleaseQuarantinedMessageRequest& in,
                                       v1::ReleaseQuarantinedMessageResponse* out);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_RELEASE_H_
