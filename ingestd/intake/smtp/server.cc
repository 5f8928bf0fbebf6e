#include "ingestd/intake/smtp/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <tuple>
#include <utility>

#include "fmt/format.h"
#include <boost/asio/post.hpp>

#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/thread.h"

namespace dmarcate {
namespace {

constexpr int kBacklog = 512;
constexpr int kAcceptsInARow = 64;
constexpr mode_t kSocketMode = 0660;
// From this share of the connections on, clients that say nothing are given less time.
constexpr int kBusyNumerator = 3, kBusyDenominator = 4;
constexpr std::string_view kTooMany = "421 4.7.0 too many connections; try again later\r\n";

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress AddressOf(const TcpEndpoint& endpoint) {
  SocketAddress out;
  if (endpoint.address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    v4->sin_addr.s_addr = htonl(endpoint.address.v4());
    out.size = sizeof *v4;
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    std::memcpy(&v6->sin6_addr, endpoint.address.bytes().data(), 16);
    out.size = sizeof *v6;
  }
  return out;
}

TcpEndpoint EndpointOf(const SocketAddress& address) {
  TcpEndpoint out;
  if (address.storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
    out.address = IpAddress::FromV4(ntohl(v4->sin_addr.s_addr));
    out.port = ntohs(v4->sin_port);
  } else {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &v6->sin6_addr, 16);
    out.address = IpAddress::FromBytes(bytes);
    out.port = ntohs(v6->sin6_port);
  }
  return out;
}

sockaddr_un UnixAddress(const std::string& path) {
  sockaddr_un out = {};
  out.sun_family = AF_UNIX;
  path.copy(out.sun_path, sizeof out.sun_path - 1);
  return out;
}

// A socket that a crash left behind; kAlreadyExists if somebody answers there or it is no socket.
absl::Status RemoveStale(const std::string& path) {
  struct stat info = {};
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = UnixAddress(path);
  if (!S_ISSOCK(info.st_mode) ||
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return MakeError(absl::StatusCode::kAlreadyExists, fmt::format("{}: in use", path));
  }
  if (unlink(path.c_str()) != 0) return ErrnoError(errno, path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SmtpServer>> SmtpServer::Start(
    const SmtpConfig& config, const SmtpParts& parts,
    std::shared_ptr<const AddressTable> addresses) {
  std::unique_ptr<SmtpServer> out(new SmtpServer(config, parts));
  out->shared_->smtp_recipients.Set(addresses);
  out->shared_->lmtp_recipients.Set(std::move(addresses));
  DMARCATE_RETURN_IF_ERROR(out->Open());
  return out;
}

SmtpServer::SmtpServer(const SmtpConfig& config, const SmtpParts& parts)
    : shared_(std::make_shared<SmtpShared>(config, parts)), watch_(shared_->io) {
  shared_->on_close = [this](const auto& connection) { OnClose(connection); };
}

absl::Status SmtpServer::Open() {
  const SmtpConfig& config = shared_->config;
  if (!config.smtp.listens() && !config.lmtp.listens()) return absl::OkStatus();
  if (config.smtp.listens() && !config.certificate.empty()) {
    auto tls = TlsIdentity::Load(config.certificate, config.key);
    if (!tls.ok()) return Annotate(tls.status(), "smtp");
    shared_->tls = *std::move(tls);
  }
  for (const TcpEndpoint& endpoint : config.smtp.tcp) {
    DMARCATE_RETURN_IF_ERROR(Listen(endpoint, MailProtocol::kSmtp));
  }
  for (const TcpEndpoint& endpoint : config.lmtp.tcp) {
    DMARCATE_RETURN_IF_ERROR(Listen(endpoint, MailProtocol::kLmtp));
  }
  if (!config.lmtp.unix_socket.empty()) {
    DMARCATE_RETURN_IF_ERROR(Listen(config.lmtp.unix_socket));
  }
  work_.emplace(shared_->io.get_executor());
  for (const auto& listener : listeners_) Accept(*listener);
  Watch();
  thread_ = std::thread([shared = shared_] {
    NameThread("smtp");
    // OpenSSL writes to sockets whose peer may have gone.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    shared->io_thread = std::this_thread::get_id();
    shared->io.run();
  });
  return absl::OkStatus();
}

absl::Status SmtpServer::Listen(const TcpEndpoint& endpoint, MailProtocol protocol) {
  const std::string name =
      fmt::format("{} at {} port {}", protocol == MailProtocol::kSmtp ? "smtp" : "lmtp",
                  endpoint.address.ToString(), endpoint.port);
  SocketAddress address = AddressOf(endpoint);
  const int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return ErrnoError(errno, name);
  listeners_.push_back(std::make_unique<Listener>(shared_->io, fd, protocol));
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.storage.ss_family == AF_INET6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (bind(fd, address.get(), address.size) != 0 || listen(fd, kBacklog) != 0) {
    return ErrnoError(errno, name);
  }
  SocketAddress bound;
  bound.size = sizeof bound.storage;
  if (getsockname(fd, bound.get(), &bound.size) != 0) return ErrnoError(errno, name);
  ports_.push_back(EndpointOf(bound).port);
  return absl::OkStatus();
}

absl::Status SmtpServer::Listen(const std::string& unix_socket) {
  DMARCATE_RETURN_IF_ERROR(RemoveStale(unix_socket));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return ErrnoError(errno, unix_socket);
  listeners_.push_back(std::make_unique<Listener>(shared_->io, fd, MailProtocol::kLmtp));
  const sockaddr_un address = UnixAddress(unix_socket);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(unix_socket.c_str(), kSocketMode) != 0 || listen(fd, kBacklog) != 0) {
    return ErrnoError(errno, unix_socket);
  }
  return absl::OkStatus();
}

void SmtpServer::Accept(Listener& listener) {
  listener.socket.async_wait(Descriptor::wait_read, [this, &listener](
                                                        const boost::system::error_code& error) {
    if (error || !listener.socket.is_open()) return;
    for (int taken = 0; taken < kAcceptsInARow; ++taken) {  // then those who talk have their turn
      SocketAddress peer;
      peer.size = sizeof peer.storage;
      const int fd = accept4(listener.socket.native_handle(), peer.get(), &peer.size,
                             SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
      if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
        LogWarn("smtp_accept_failed", {{"error", ErrnoError(errno, "accept")}});
        listener.paused = true;  // Watch() tries again
        return;
      }
      if (fd < 0) break;
      std::optional<IpAddress> client;
      if (peer.storage.ss_family != AF_UNIX) {
        client = EndpointOf(peer).address;
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      }
      Take(listener.protocol, fd, client);
    }
    Accept(listener);
  });
}

void SmtpServer::Take(MailProtocol protocol, int fd, std::optional<IpAddress> client) {
  const bool smtp = protocol == MailProtocol::kSmtp;
  const MailListenerConfig& config = smtp ? shared_->config.smtp : shared_->config.lmtp;
  int& count = smtp ? smtp_connections_ : lmtp_connections_;
  const bool counted = smtp && client.has_value();
  if (count >= config.connections ||
      (counted && by_address_[SenderNetwork(*client)] >= config.connections_per_address)) {
    // Not logged: there can be any number of them.
    send(fd, kTooMany.data(), kTooMany.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
    return;
  }
  ++count;
  if (counted) ++by_address_[SenderNetwork(*client)];
  const auto connection = std::make_shared<MailConnection>(shared_, protocol, fd, client);
  {
    const std::lock_guard lock(mutex_);
    open_.insert(connection);
  }
  connection->Start();
}

void SmtpServer::OnClose(const std::shared_ptr<MailConnection>& connection) {
  const bool smtp = connection->protocol() == MailProtocol::kSmtp;
  --(smtp ? smtp_connections_ : lmtp_connections_);
  if (smtp && connection->client().has_value()) {
    const auto found = by_address_.find(SenderNetwork(*connection->client()));
    if (--found->second == 0) by_address_.erase(found);
  }
  const std::lock_guard lock(mutex_);
  open_.erase(connection);
  if (open_.empty()) changed_.notify_all();
}

// `visit` may close the connection.
template <typename Visit>
void SmtpServer::ForEach(Visit visit) {
  const std::vector<std::shared_ptr<MailConnection>> open(open_.begin(), open_.end());
  for (const auto& connection : open) visit(*connection);
}

void SmtpServer::SetAddresses(std::shared_ptr<const AddressTable> addresses) {
  if (!thread_.joinable()) return;  // nobody listens, and nobody would take it
  boost::asio::post(shared_->io, [shared = shared_, addresses = std::move(addresses)] {
    shared->smtp_recipients.Set(addresses);
    shared->lmtp_recipients.Set(addresses);
  });
}

void SmtpServer::Watch() {
  watch_.expires_after(absl::ToChronoNanoseconds(shared_->config.watch_interval));
  watch_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopping_) return;  // a handler that was on its way is not cancelled
    const bool busy =
        smtp_connections_ * kBusyDenominator >= shared_->config.smtp.connections * kBusyNumerator;
    ForEach([busy](MailConnection& connection) { connection.CheckTime(busy); });
    if (shared_->tls != nullptr) shared_->tls->ReloadIfChanged();
    for (const auto& listener : listeners_) {
      if (std::exchange(listener->paused, false)) Accept(*listener);
    }
    ++shared_->looks;
    Watch();
  });
}

bool SmtpServer::AwaitNone(absl::Duration limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, absl::ToChronoMilliseconds(std::min(limit, absl::Hours(24))),
                           [this] { return open_.empty(); });
}

void SmtpServer::Drain(absl::Duration limit) {
  if (!thread_.joinable()) return;
  boost::asio::post(shared_->io, [this] {
    boost::system::error_code ignored;
    for (const auto& listener : listeners_) std::ignore = listener->socket.close(ignored);
    if (!shared_->config.lmtp.unix_socket.empty()) {
      unlink(shared_->config.lmtp.unix_socket.c_str());
    }
    ForEach([](MailConnection& connection) { connection.Drain(); });
  });
  if (AwaitNone(limit)) return;
  boost::asio::post(shared_->io, [this] {
    ForEach([](MailConnection& connection) { connection.Abort("shutdown"); });
  });
}

void SmtpServer::Stop(absl::Duration limit) {
  if (!thread_.joinable()) return;
  Drain(absl::ZeroDuration());
  AwaitNone(limit);
  boost::asio::post(shared_->io, [this] {
    ForEach([](MailConnection& connection) { connection.Close("shutdown"); });
    stopping_ = true;
    watch_.cancel();
    work_.reset();
  });
  thread_.join();
}

SmtpServer::~SmtpServer() { Stop(absl::ZeroDuration()); }

size_t SmtpServer::connections() const {
  const std::lock_guard lock(mutex_);
  return open_.size();
}

SmtpServer::Counts SmtpServer::counts() const { return {shared_->paused, shared_->looks}; }

}  // namespace dmarcate
