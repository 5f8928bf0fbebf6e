#include "lib/rpc/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>

#include "fmt/format.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr unsigned kTlsRefreshSeconds = 60;
constexpr size_t kPemLimitBytes = 1 << 20;
constexpr int kStreamsPerConnection = 100;
constexpr absl::Duration kGoodbye = absl::Milliseconds(200);  // for last answers to leave

std::string SocketDirectory(const ListenConfig& config) {
  return std::filesystem::path(config.unix_socket).parent_path();
}

// The directory is made (0750) if it is missing. With LocalSocketTrust::kDirectoryMode it is all
// that keeps strangers out.
absl::Status PrepareSocketDirectory(const ListenConfig& config) {
  const std::string directory = SocketDirectory(config);
  if (mkdir(directory.c_str(), 0750) != 0 && errno != EEXIST) return ErrnoError(errno, directory);
  DMARCATE_RETURN_IF_ERROR(CheckSocketDirectory(config));
  struct stat info = {};
  if (stat(directory.c_str(), &info) != 0) return ErrnoError(errno, directory);
  if (config.local_trust != LocalSocketTrust::kDirectoryMode) return absl::OkStatus();
  if (info.st_uid != geteuid() && info.st_uid != 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("socket directory {}: belongs to user {}, who lets in whom he "
                                 "likes; want it owned by user {}, or trust_local_socket = false",
                                 directory, info.st_uid, geteuid()));
  }
  return absl::OkStatus();
}

// gRPC removes whatever socket lies at the path; that must not be a living daemon's.
absl::Status CheckNobodyListens(const std::string& path) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoError(errno, "socket");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());  // length checked by CheckListenConfig
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return MakeError(absl::StatusCode::kAlreadyExists,
                     fmt::format("socket {}: another daemon answers there", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> TcpCredentials(
    const ListenConfig& config) {
  if (config.tcp_security == TcpSecurity::kInsecureLoopback) {
    return grpc::InsecureServerCredentials();
  }
  // The watcher below is silent about files it cannot read, so they are read here once.
  DMARCATE_RETURN_IF_ERROR(ReadFile(config.tls_certificate, kPemLimitBytes).status());
  DMARCATE_RETURN_IF_ERROR(ReadFile(config.tls_key, kPemLimitBytes).status());
  DMARCATE_RETURN_IF_ERROR(CheckTlsKeyMode(config));
  auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      config.tls_key, config.tls_certificate, kTlsRefreshSeconds);
  grpc::experimental::TlsServerCredentialsOptions options(provider);
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(options);
}

void InitPlugins() {  // before the first ServerBuilder
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

}  // namespace

absl::Status CheckSocketDirectory(const ListenConfig& config) {
  const std::string directory = SocketDirectory(config);
  struct stat info = {};
  if (stat(directory.c_str(), &info) != 0) return ErrnoError(errno, directory);
  // Whoever may write to it can put a socket of his own in the place of ours.
  if (config.local_trust == LocalSocketTrust::kDirectoryMode && (info.st_mode & 0027) != 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("socket directory {}: mode {:04o} lets others {} without a token; "
                                 "want 0750 or stricter, or trust_local_socket = false",
                                 directory, info.st_mode & 07777,
                                 (info.st_mode & 0007) != 0 ? "in" : "replace the socket"));
  }
  return absl::OkStatus();
}

absl::Status CheckTlsKeyMode(const ListenConfig& config) {
  struct stat info = {};
  if (stat(config.tls_key.c_str(), &info) != 0) return ErrnoError(errno, config.tls_key);
  if ((info.st_mode & 0007) == 0) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   fmt::format("TLS key {}: mode {:04o} lets everybody read it", config.tls_key,
                               info.st_mode & 07777));
}

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const ListenConfig& config, CallHost& host, const std::vector<grpc::Service*>& services) {
  DMARCATE_RETURN_IF_ERROR(CheckListenConfig(config));
  InitPlugins();
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT,
                             0);  // else two daemons share a port, silently
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataLimitBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnection);
  builder.SetMaxReceiveMessageSize(kReceiveLimitBytes);
  builder.SetMaxSendMessageSize(kSendLimitBytes);
  if (!config.unix_socket.empty()) {
    DMARCATE_RETURN_IF_ERROR(PrepareSocketDirectory(config));
    DMARCATE_RETURN_IF_ERROR(CheckNobodyListens(config.unix_socket));
    builder.AddListeningPort("unix:" + config.unix_socket, grpc::InsecureServerCredentials());
  }
  int port = 0;
  if (!config.tcp.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(auto credentials, TcpCredentials(config));
    builder.AddListeningPort(config.tcp, std::move(credentials), &port);
  }
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    return MakeError(absl::StatusCode::kUnavailable,
                     fmt::format("cannot listen on {}{}{}", config.unix_socket,
                                 config.tcp.empty() ? "" : " ", config.tcp));
  }
  if (!config.unix_socket.empty() && chmod(config.unix_socket.c_str(), 0660) != 0) {
    return ErrnoError(errno, config.unix_socket);
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(host, std::move(server), port));
}

GrpcServer::GrpcServer(CallHost& host, std::unique_ptr<grpc::Server> server, int port)
    : host_(host), server_(std::move(server)), port_(port) {}

GrpcServer::~GrpcServer() { Drain(absl::ZeroDuration()); }

void GrpcServer::SetHealth(const std::string& part, Serving serving) {
  if (auto* health = server_->GetHealthCheckService(); health != nullptr) {
    health->SetServingStatus(part, serving == Serving::kYes);
  }
}

void GrpcServer::Drain(absl::Duration limit) {
  host_.StartDraining();
  if (auto* health = server_->GetHealthCheckService(); health != nullptr) {
    health->SetServingStatus(false);
  }
  // gRPC would wait for idle connections, too, for as long as their owners do not look at them: a
  // dashboard left open would hold up every stop for the whole limit.
  const absl::Time until = absl::Now() + limit;
  host_.AwaitIdle(limit);
  server_->Shutdown(absl::ToChronoTime(std::min(until, absl::Now() + kGoodbye)));
  server_->Wait();
  host_.workers().Stop();
}

}  // namespace dmarcate
