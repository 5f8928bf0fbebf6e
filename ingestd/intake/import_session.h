// ingestd/intake/import_session.h
// One ImportReports stream. Items are received one after the other and handed to the pipeline
// without waiting for the result; results go back as they come. Memory: the bytes of an item are
// reserved before its first chunk is read, so a full queue stops the stream's flow; results that
// the client does not fetch do so too.

#ifndef DMARCATE_INGESTD_INTAKE_IMPORT_SESSION_H_
#define DMARCATE_INGESTD_INTAKE_IMPORT_SESSION_H_

#include <memory>
#include <mutex>
#include <set>

#include "grpcpp/support/server_callback.h"

#include "dmarcate/v1/intake.pb.h"
#include "ingestd/intake/service.h"

namespace dmarcate {

inline constexpr size_t kImportSessions = 32;
inline constexpr size_t kChunkLimitBytes = 256 << 10;

class ImportSession;

// The open streams of a service.
class ImportSessions {
 public:
  // All end with SHUTTING_DOWN once they are answered.
  void EndAll();

 private:
  friend class ImportSession;
  friend grpc::ServerBidiReactor<v1::ImportReportsRequest, v1::ImportReportsResponse>*
  StartImportSession(const IntakeParts& parts, ImportSessions& sessions,
                     grpc::CallbackServerContext& context);
  bool Add(const std::shared_ptr<ImportSession>& session);  // false: there are kImportSessions
  void Remove(const std::shared_ptr<ImportSession>& session);

  std::mutex mutex_;
  std::set<std::shared_ptr<ImportSession>> open_;
};

// `parts` and `sessions` outlive the stream.
grpc::ServerBidiReactor<v1::ImportReportsRequest, v1::ImportReportsResponse>* StartImportSession(
    const IntakeParts& parts, ImportSessions& sessions, grpc::CallbackServerContext& context);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_IMPORT_SESSION_H_
