// policyd/service/record_history.h
// The histories of a managed domain's names as messages, page by page.

#ifndef DMARCATE_POLICYD_SERVICE_RECORD_HISTORY_H_
#define DMARCATE_POLICYD_SERVICE_RECORD_HISTORY_H_

#include "absl/status/status.h"

#include "dmarcate/v1/record.pb.h"
#include "lib/store/observation_store.h"
#include "policyd/service/handler.h"

namespace dmarcate {

v1::RecordType ToMessage(RecordKind kind);

// Errors are those of the RPC.
absl::Status ListRecordHistory(const ServiceParts& parts, ObservationStore& observations,
                               const Call& call, const v1::ListRecordHistoryRequest& in,
                               v1::ListRecordHistoryResponse* out);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_RECORD_HISTORY_H_
