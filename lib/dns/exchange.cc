#include "lib/dns/exchange.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxMessageBytes = 65'535;  // RFC 1035 section 4.2.2
constexpr int kMaxTcpReplies = 16;           // wrong ones that are read before giving up

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress ToSocketAddress(const ServerAddress& server) {
  SocketAddress out;
  const auto& bytes = server.address.bytes();
  if (server.address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(server.port);
    v4.sin_addr.s_addr = htonl(server.address.v4());
    std::memcpy(&out.storage, &v4, sizeof v4);
    out.size = sizeof v4;
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(server.port);
    std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&out.storage, &v6, sizeof v6);
    out.size = sizeof v6;
  }
  return out;
}

UniqueFd OpenSocket(const ServerAddress& server, int type) {
  return UniqueFd(
      socket(server.address.is_v4() ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// The only place where an errno of a socket becomes a status: nothing here is a reason never to
// retry.
absl::Status SocketError(int error_number, std::string_view what) {
  return MakeError(absl::StatusCode::kUnavailable,
                   fmt::format("{}: {}", what, std::strerror(error_number)));
}

absl::Status WaitFor(int fd, short events, NetDeadline deadline) {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return absl::DeadlineExceededError("no answer in time");
    pollfd waiting{fd, events, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left.count(), 60'000)));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return SocketError(errno, "poll");
  }
}

bool WouldBlock(int error_number) { return error_number == EAGAIN || error_number == EWOULDBLOCK; }

}  // namespace

NetDeadline NetDeadlineAfter(absl::Duration duration) {
  return std::chrono::steady_clock::now() +
         absl::ToChronoMilliseconds(std::min(duration, absl::Hours(24)));
}

NetDeadline NetDeadlineWithin(NetDeadline deadline, absl::Duration duration) {
  return std::min(deadline, NetDeadlineAfter(duration));
}

bool IsOver(NetDeadline deadline) { return std::chrono::steady_clock::now() >= deadline; }

absl::StatusOr<std::string> ExchangeUdp(const ServerAddress& server, std::string_view message,
                                        const AcceptReply& accept, NetDeadline deadline) {
  const UniqueFd fd = OpenSocket(server, SOCK_DGRAM);
  if (!fd.valid()) return SocketError(errno, "socket");
  const SocketAddress address = ToSocketAddress(server);
  if (connect(fd.get(), address.get(), address.size) != 0) return SocketError(errno, "connect");
  if (send(fd.get(), message.data(), message.size(), MSG_NOSIGNAL) < 0) {
    return SocketError(errno, "send");
  }
  std::string buffer(kMaxMessageBytes, '\0');
  while (true) {
    DMARCATE_RETURN_IF_ERROR(WaitFor(fd.get(), POLLIN, deadline));
    const ssize_t got = recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) {
      if (errno == EINTR || WouldBlock(errno)) continue;
      return SocketError(errno, "receive");  // ECONNREFUSED: the port is closed
    }
    const std::string_view reply(buffer.data(), static_cast<size_t>(got));
    if (accept(reply)) return std::string(reply);
  }
}

absl::StatusOr<TcpConnection> TcpConnection::Open(const ServerAddress& server,
                                                  NetDeadline deadline) {
  UniqueFd fd = OpenSocket(server, SOCK_STREAM);
  if (!fd.valid()) return SocketError(errno, "socket");
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const SocketAddress address = ToSocketAddress(server);
  if (connect(fd.get(), address.get(), address.size) != 0) {
    if (errno != EINPROGRESS) return SocketError(errno, "connect");
    DMARCATE_RETURN_IF_ERROR(Annotate(WaitFor(fd.get(), POLLOUT, deadline), "connect"));
    int error_number = 0;
    socklen_t size = sizeof error_number;
    if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error_number, &size) != 0) {
      error_number = errno;
    }
    if (error_number != 0) return SocketError(error_number, "connect");
  }
  return TcpConnection(std::move(fd));
}

absl::Status TcpConnection::Send(std::string_view message, NetDeadline deadline) {
  if (message.size() > kMaxMessageBytes) {
    return MakeError(absl::StatusCode::kInvalidArgument, "message over 65535 octets");
  }
  std::string framed;  // in one piece: some servers want the length and the message in one segment
  framed += static_cast<char>(message.size() >> 8);
  framed += static_cast<char>(message.size() & 0xFF);
  framed += message;
  for (std::string_view rest = framed; !rest.empty();) {
    const ssize_t sent = send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<size_t>(sent));
    } else if (WouldBlock(errno)) {
      DMARCATE_RETURN_IF_ERROR(WaitFor(fd_.get(), POLLOUT, deadline));
    } else if (errno != EINTR) {
      return SocketError(errno, "send");
    }
  }
  return absl::OkStatus();
}

absl::Status TcpConnection::ReceiveExactly(char* out, size_t size, NetDeadline deadline) {
  while (size > 0) {
    DMARCATE_RETURN_IF_ERROR(WaitFor(fd_.get(), POLLIN, deadline));
    const ssize_t got = recv(fd_.get(), out, size, 0);
    if (got == 0) return absl::UnavailableError("the server closed the connection");
    if (got < 0) {
      if (errno == EINTR || WouldBlock(errno)) continue;
      return SocketError(errno, "receive");
    }
    out += got;
    size -= static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TcpConnection::Receive(NetDeadline deadline) {
  std::array<char, 2> length{};
  DMARCATE_RETURN_IF_ERROR(ReceiveExactly(length.data(), length.size(), deadline));
  const size_t size =
      size_t{static_cast<unsigned char>(length[0])} << 8 | static_cast<unsigned char>(length[1]);
  std::string message(size, '\0');
  DMARCATE_RETURN_IF_ERROR(ReceiveExactly(message.data(), size, deadline));
  return message;
}

absl::StatusOr<std::string> ExchangeTcp(const ServerAddress& server, std::string_view message,
                                        const AcceptReply& accept, NetDeadline deadline) {
  DMARCATE_ASSIGN_OR_RETURN(TcpConnection connection, TcpConnection::Open(server, deadline));
  DMARCATE_RETURN_IF_ERROR(connection.Send(message, deadline));
  for (int i = 0; i < kMaxTcpReplies; ++i) {
    DMARCATE_ASSIGN_OR_RETURN(std::string reply, connection.Receive(deadline));
    if (accept(reply)) return reply;
  }
  return absl::UnavailableError("the server answers other questions only");
}

bool HasRoute(const ServerAddress& server) {
  const UniqueFd fd = OpenSocket(server, SOCK_DGRAM);
  const SocketAddress address = ToSocketAddress(server);
  return fd.valid() && connect(fd.get(), address.get(), address.size) == 0;
}

}  // namespace dmarcate
