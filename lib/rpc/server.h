// lib/rpc/server.h
// A daemon's gRPC server: Unix socket and, with TLS or on loopback when asked for, TCP; health
// service and reflection; size limits; graceful drain.

#ifndef DMARCATE_LIB_RPC_SERVER_H_
#define DMARCATE_LIB_RPC_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/rpc/call.h"
#include "lib/rpc/listen_config.h"

namespace grpc {
class Server;
class Service;
}  // namespace grpc

namespace dmarcate {

inline constexpr int kReceiveLimitBytes = 4 << 20;
inline constexpr int kSendLimitBytes = 8 << 20;
inline constexpr int kMetadataLimitBytes = 16 << 10;

// The directory of the socket, as it is. kNotFound: it is not there; a start makes it.
// kFailedPrecondition: its mode lets in others without a token, where that is all that keeps them
// out.
absl::Status CheckSocketDirectory(const ListenConfig& config);
// kFailedPrecondition: everybody may read the TLS key.
absl::Status CheckTlsKeyMode(const ListenConfig& config);

class GrpcServer {
 public:
  // `services` and `host` outlive the server. Errors:
  //   kAlreadyExists       somebody answers on the socket already
  //   kFailedPrecondition  the socket's directory or the TLS key is open to others
  //   kUnavailable         the address cannot be bound
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(
      const ListenConfig& config, CallHost& host, const std::vector<grpc::Service*>& services);
  ~GrpcServer();  // drains without patience

  // Health turns NOT_SERVING, new calls get UNAVAILABLE, running ones have until `limit` from now.
  // Then waits for handlers that outlived their calls, so that services may be destroyed
  // afterwards.
  void Drain(absl::Duration limit);

  // Health of one part beside that of the whole ("" and the services): "reports". A part that was
  // never named is unknown. Thread-safe.
  enum class Serving : bool { kNo, kYes };
  void SetHealth(const std::string& part, Serving serving);

  int port() const { return port_; }  // of TCP; 0: none

 private:
  GrpcServer(CallHost& host, std::unique_ptr<grpc::Server> server, int port);

  CallHost& host_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_RPC_SERVER_H_
