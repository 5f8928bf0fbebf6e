#include "policyd/notify/syslog.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "policyd/alert/text.h"

namespace dmarcate {
namespace {

constexpr int kFacilityDaemon = 3;
constexpr size_t kMaxLineOctets = 2'000;  // RFC 5424 section 6.1: 2,048 should be accepted

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status Failed(const std::string& socket) {
  return MakeError(absl::StatusCode::kUnavailable,
                   fmt::format("syslog at {}: {}", socket, std::strerror(errno)));
}

}  // namespace

absl::Status SendSyslog(const std::string& socket, const DeliveryRecord& delivery, absl::Time now) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof(address.sun_path)) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("syslog at {}: the path is too long", socket));
  }
  std::memcpy(address.sun_path, socket.data(), socket.size());
  // A daemon that reads no more must not hold up the other channels.
  const Socket out(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (out.fd() < 0) return Failed(socket);
  if (::connect(out.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Failed(socket);
  }
  const std::string when = absl::FormatTime("%b %e %H:%M:%S", now, absl::LocalTimeZone());
  for (const SyslogLine& line : SyslogLines(delivery)) {
    std::string datagram = fmt::format(
        "<{}>{} policyd[{}]: {}", kFacilityDaemon * 8 + line.severity, when, getpid(), line.text);
    if (datagram.size() > kMaxLineOctets) datagram.resize(kMaxLineOctets);
    if (::send(out.fd(), datagram.data(), datagram.size(), MSG_NOSIGNAL) < 0) return Failed(socket);
  }
  return absl::OkStatus();
}

}  // namespace dmarcate
