// The sockets of all sessions, on one thread.

#include "lib/inbound/smtp_probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/inbound/smtp_dialog.h"

namespace dmarcate {
namespace {

constexpr size_t kReadOctets = 16 << 10;
constexpr absl::Duration kStopInterval = absl::Milliseconds(100);

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketAddress ToSocketAddress(const IpAddress& address, uint16_t port) {
  SocketAddress out;
  if (address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out.storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(address.v4());
    out.size = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out.storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::ranges::copy(address.bytes(), v6.sin6_addr.s6_addr);
    out.size = sizeof v6;
  }
  return out;
}

// "[192.0.2.1]", "[IPv6:2001:db8::1]": who has no name in the DNS says that (RFC 5321 section
// 4.1.4), and ours is nobody's business.
std::string OwnName(int fd) {
  SocketAddress own;
  own.size = sizeof own.storage;
  char text[INET6_ADDRSTRLEN] = "";
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&own.storage), &own.size) != 0)
    return "localhost";
  if (own.storage.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(own.storage).sin6_addr, text,
              sizeof text);
    return fmt::format("[IPv6:{}]", text);
  }
  inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(own.storage).sin_addr, text,
            sizeof text);
  return fmt::format("[{}]", text);
}

class Session {
 public:
  explicit Session(const SmtpTarget& target) : host_(target.host) {
    probe_.address = target.address;
  }

  void Connect(const SmtpProbeOptions& options) {
    if (absl::Status refused = options.guard.Check(probe_.address); !refused.ok()) {
      return Fail(SmtpStage::kRefused, std::move(refused));
    }
    const SocketAddress to = ToSocketAddress(probe_.address, options.port);
    fd_ = UniqueFd(
        socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
    if (!fd_.valid()) return Fail(SmtpStage::kConnect, Unreached(errno));
    if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to.storage), to.size) != 0 &&
        errno != EINPROGRESS) {
      Fail(SmtpStage::kConnect, Unreached(errno));
    }
  }

  bool done() const { return done_; }
  pollfd Wanted() const {
    const bool writing = !dialog_.has_value() || !output_.empty();
    return {fd_.get(), static_cast<short>(writing ? POLLOUT | POLLIN : POLLIN), 0};
  }

  void OnReady(short events) {
    if (!dialog_.has_value()) {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) return Fail(SmtpStage::kConnect, Unreached(error));
      dialog_.emplace(host_, OwnName(fd_.get()));
    }
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) Read();
    Write();
    if (dialog_->done()) Finish();
  }

  // Does nothing if the session has ended by itself.
  void EndWith(const absl::Status& error) {
    if (done_) return;
    if (dialog_.has_value()) Finish();
    probe_.error = error;
    done_ = true;
  }
  SmtpProbe Take() { return std::move(probe_); }

 private:
  static absl::Status Unreached(int error) {
    return MakeError(absl::StatusCode::kUnavailable, MessageOf(ErrnoError(error, "connect")));
  }
  void Fail(SmtpStage stage, absl::Status error) {
    probe_.stage = stage;
    probe_.error = std::move(error);
    done_ = true;
    fd_.Reset();
  }
  void Finish() {
    const IpAddress address = probe_.address;
    probe_ = dialog_->probe();
    probe_.address = address;
    done_ = true;
    fd_.Reset();
  }
  void Read() {
    char buffer[kReadOctets];
    const ssize_t got = recv(fd_.get(), buffer, sizeof buffer, 0);
    if (got > 0) {
      dialog_->Receive({buffer, static_cast<size_t>(got)});
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      dialog_->EndOfStream();
    }
  }
  // What does not fit waits; QUIT, the last, is sent if it fits and left out if not.
  void Write() {
    output_ += dialog_->TakeOutput();
    if (output_.empty()) return;
    const ssize_t sent = send(fd_.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      output_.erase(0, static_cast<size_t>(sent));
    } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      dialog_->EndOfStream();
    }
  }

  const DomainName host_;
  SmtpProbe probe_;
  bool done_ = false;
  UniqueFd fd_;
  std::optional<SmtpDialog> dialog_;  // once connected
  std::string output_;
};

}  // namespace

std::vector<SmtpProbe> ProbeMailServers(const std::vector<SmtpTarget>& targets,
                                        const SmtpProbeOptions& options, const Clock& clock) {
  const absl::Duration end = clock.Monotonic() + options.limit;
  std::vector<std::unique_ptr<Session>> sessions;
  for (size_t i = 0; i < std::min(targets.size(), kMaxProbes); ++i) {
    sessions.push_back(std::make_unique<Session>(targets[i]));
    sessions.back()->Connect(options);
  }
  absl::Status end_by = MakeError(absl::StatusCode::kDeadlineExceeded, "no answer in time");
  while (true) {
    std::vector<pollfd> wanted;
    std::vector<Session*> waiting;
    for (const auto& session : sessions) {
      if (session->done()) continue;
      wanted.push_back(session->Wanted());
      waiting.push_back(session.get());
    }
    absl::Duration left = end - clock.Monotonic();
    if (waiting.empty() || left <= absl::ZeroDuration()) break;
    if (options.stop) {
      if (options.stop()) {
        end_by = MakeError(absl::StatusCode::kCancelled, "told to stop");
        break;
      }
      left = std::min(left, kStopInterval);
    }
    const int milliseconds = static_cast<int>(absl::ToInt64Milliseconds(left)) + 1;
    if (poll(wanted.data(), wanted.size(), milliseconds) < 0 && errno != EINTR) break;
    for (size_t i = 0; i < waiting.size(); ++i) {
      if (wanted[i].revents != 0) waiting[i]->OnReady(wanted[i].revents);
    }
  }
  std::vector<SmtpProbe> out;
  for (const auto& session : sessions) {
    session->EndWith(end_by);
    out.push_back(session->Take());
  }
  for (size_t i = sessions.size(); i < targets.size(); ++i) {
    SmtpProbe& over = out.emplace_back();
    over.address = targets[i].address;
    over.stage = SmtpStage::kRefused;
    over.error = MakeError(absl::StatusCode::kResourceExhausted,
                           fmt::format("more than {} addresses", kMaxProbes));
  }
  return out;
}

}  // namespace dmarcate
