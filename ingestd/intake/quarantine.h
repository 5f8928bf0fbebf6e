// ingestd/intake/quarantine.h
// What was received and is no report: looked at, fetched, read again after an upgrade, dropped.
// The methods of IntakeService that are about it.

#ifndef DMARCATE_INGESTD_INTAKE_QUARANTINE_H_
#define DMARCATE_INGESTD_INTAKE_QUARANTINE_H_

#include <optional>
#include <string>
#include <string_view>

#include "grpcpp/support/status.h"

#include "dmarcate/v1/intake.pb.h"
#include "ingestd/intake/storage_gauge.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/rpc/call.h"
#include "lib/rpc/server_stream.h"
#include "lib/store/report_store.h"

namespace dmarcate {

// Thread-safe. What is given outlives it.
class QuarantineDesk {
 public:
  QuarantineDesk(Pipeline& pipeline, ReportWriter& store, StorageGauge& gauge)
      : pipeline_(pipeline), store_(store), gauge_(gauge) {}

  grpc::Status List(const v1::ListQuarantinedMessagesRequest& in,
                    v1::ListQuarantinedMessagesResponse* out);
  grpc::Status Get(const v1::GetQuarantinedMessageRequest& in,
                   v1::GetQuarantinedMessageResponse* out);
  grpc::Status Download(const v1::DownloadQuarantinedMessageRequest& in,
                        StreamWriter<v1::DownloadQuarantinedMessageResponse>& writer);
  grpc::Status Replay(const Call& call, const v1::ReplayQuarantinedMessagesRequest& in,
                      StreamWriter<v1::ReplayQuarantinedMessagesResponse>& writer);
  grpc::Status Drop(const Call& call, const v1::DropQuarantinedMessagesRequest& in,
                    StreamWriter<v1::DropQuarantinedMessagesResponse>& writer);

 private:
  Pipeline& pipeline_;
  ReportWriter& store_;
  StorageGauge& gauge_;
};

// NOT_FOUND.
grpc::Status NotInQuarantine(const std::string& name);
// "quarantinedMessages/00000000000a3f01-0" and back.
std::string QuarantineName(const ReportWriter::ItemPlace& place);
std::optional<ReportWriter::ItemPlace> ParseQuarantineName(std::string_view name);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_QUARANTINE_H_
