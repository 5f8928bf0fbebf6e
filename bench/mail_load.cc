#include "bench/mail_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

#include "fmt/format.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace dmarcate::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr int kPatienceMs = 30'000;  // for the next reply of any session

// What is awaited, and the code that it has to have.
enum class Step : uint8_t { kGreeting, kHello, kSender, kRecipient, kData, kMail, kQuit };
constexpr std::array<std::string_view, 7> kCodes = {"220", "250", "250", "250",
                                                    "354", "250", "221"};

// What the sessions share.
struct Load {
  const uint16_t port;
  const Reuse reuse;
  const std::vector<std::string>& mails;
  UniqueFd epoll;
  size_t next = 0;  // mail
  LoadResult result;
};

class Session {
 public:
  explicit Session(Load& load) : load_(load) {}

  absl::Status Open() {
    fd_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd_.valid()) return ErrnoError(errno, "socket");
    const int on = 1;
    setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const timeval patience = {.tv_sec = kPatienceMs / 1000, .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(load_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return ErrnoError(errno, "connect");
    }
    epoll_event event = {.events = EPOLLIN, .data = {.ptr = this}};
    if (epoll_ctl(load_.epoll.get(), EPOLL_CTL_ADD, fd_.get(), &event) != 0) {
      return ErrnoError(errno, "epoll_ctl");
    }
    step_ = Step::kGreeting;
    replies_.clear();
    return absl::OkStatus();
  }

  bool done() const { return !fd_.valid(); }

  absl::Status OnReadable() {
    char chunk[1024];
    const ssize_t got = recv(fd_.get(), chunk, sizeof chunk, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return absl::OkStatus();
    if (got < 0) return ErrnoError(errno, "recv");
    if (got == 0) return MakeError(absl::StatusCode::kUnavailable, "the server hung up");
    replies_.append(chunk, static_cast<size_t>(got));
    for (size_t end; !done() && (end = replies_.find("\r\n")) != std::string::npos;) {
      const std::string line = replies_.substr(0, end);
      replies_.erase(0, end + 2);
      if (line.size() > 3 && line[3] == '-') continue;
      if (!line.starts_with(kCodes[static_cast<size_t>(step_)])) {
        return MakeError(absl::StatusCode::kFailedPrecondition, "the server says: " + line);
      }
      DMARCATE_RETURN_IF_ERROR(OnReply());
    }
    return absl::OkStatus();
  }

 private:
  absl::Status OnReply() {
    switch (step_) {
      case Step::kGreeting:
        return Say("EHLO bench.reporter.test\r\n", Step::kHello);
      case Step::kHello:
        return Begin();
      case Step::kSender:
        return Say(fmt::format("RCPT TO:<{}>\r\n", kRecipientAddress), Step::kRecipient);
      case Step::kRecipient:
        return Say("DATA\r\n", Step::kData);
      case Step::kData:
        DMARCATE_RETURN_IF_ERROR(Say(*mail_ + ".\r\n", Step::kMail));
        sent_ = SteadyClock::now();
        return absl::OkStatus();
      case Step::kMail:
        load_.result.last_250 = SteadyClock::now();
        load_.result.waited.push_back(
            std::chrono::duration<double>(load_.result.last_250 - sent_).count());
        if (load_.reuse == Reuse::kConnectionKept) return Begin();
        return Say("QUIT\r\n", Step::kQuit);
      case Step::kQuit:
        fd_.Reset();
        return load_.next < load_.mails.size() ? Open() : absl::OkStatus();
    }
    return absl::OkStatus();
  }

  // The next mail, or the end.
  absl::Status Begin() {
    if (load_.next == load_.mails.size()) return Say("QUIT\r\n", Step::kQuit);
    mail_ = &load_.mails[load_.next++];
    return Say(fmt::format("MAIL FROM:<{}>\r\n", kSenderAddress), Step::kSender);
  }

  absl::Status Say(std::string_view text, Step awaited) {
    step_ = awaited;
    while (!text.empty()) {
      const ssize_t sent = send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0) return ErrnoError(errno, "send");
      text.remove_prefix(static_cast<size_t>(sent));
    }
    return absl::OkStatus();
  }

  Load& load_;
  UniqueFd fd_;
  Step step_ = Step::kGreeting;
  std::string replies_;
  const std::string* mail_ = nullptr;
  SteadyClock::time_point sent_;
};

}  // namespace

absl::StatusOr<LoadResult> SendAll(uint16_t port, int sessions, Reuse reuse,
                                   const std::vector<std::string>& mails) {
  Load load = {port, reuse, mails, UniqueFd(epoll_create1(EPOLL_CLOEXEC)), 0, {}};
  if (!load.epoll.valid()) return ErrnoError(errno, "epoll_create1");
  load.result.waited.reserve(mails.size());
  const auto start = SteadyClock::now();
  std::vector<std::unique_ptr<Session>> open;
  for (int i = 0; i < sessions; ++i) {
    open.push_back(std::make_unique<Session>(load));
    DMARCATE_RETURN_IF_ERROR(open.back()->Open());
  }
  while (!std::ranges::all_of(open, &Session::done)) {
    std::array<epoll_event, 64> events;
    const int ready = epoll_wait(load.epoll.get(), events.data(), events.size(), kPatienceMs);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return ErrnoError(errno, "epoll_wait");
    if (ready == 0) return MakeError(absl::StatusCode::kDeadlineExceeded, "no reply in 30 s");
    for (int i = 0; i < ready; ++i) {
      DMARCATE_RETURN_IF_ERROR(
          static_cast<Session*>(events[static_cast<size_t>(i)].data.ptr)->OnReadable());
    }
  }
  std::ranges::sort(load.result.waited);
  load.result.seconds = std::chrono::duration<double>(load.result.last_250 - start).count();
  return std::move(load.result);
}

}  // namespace dmarcate::bench
