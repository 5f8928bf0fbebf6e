// ingestd/intake/to_proto.h
// The store's words in the API's.

#ifndef DMARCATE_INGESTD_INTAKE_TO_PROTO_H_
#define DMARCATE_INGESTD_INTAKE_TO_PROTO_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

#include "dmarcate/v1/intake.pb.h"
#include "lib/rpc/errors.h"
#include "lib/store/report_store.h"

namespace dmarcate {

v1::ItemOutcome ToProtoOutcome(const ReceiptItem& item);
v1::SubmittedItem ToProto(const ReceiptItem& item);
// An item that was refused before it reached the store.
v1::SubmittedItem RefusedItem(v1::ItemOutcome outcome, std::string_view reason,
                              std::string_view detail);
// What is said of bytes that were kept and cannot be read before the DNS answers.
v1::SubmittedItem WaitingItem(const absl::Status& why);
// Text of a stranger: valid UTF-8, and how it differs from what came.
v1::UntrustedText ToUntrusted(std::string_view text);
v1::ReportRelease ToProto(const Release& release);
// A UUID: "8-4-4-4-12" hex digits.
bool IsRequestId(std::string_view text);
// INVALID_ARGUMENT with "FIELD: DESCRIPTION".
grpc::Status FieldError(Reason reason, const std::string& field, const std::string& description);
// What the pipeline says when it takes nothing.
grpc::Status ToIntakeError(const absl::Status& status);
// At most 255 bytes of valid UTF-8.
std::string CleanFileName(std::string_view name);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_TO_PROTO_H_
