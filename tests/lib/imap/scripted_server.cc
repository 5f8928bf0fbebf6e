#include "tests/lib/imap/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <utility>

namespace dmarcate::imap_testing {
namespace {

constexpr int kDripMillis = 10;  // %DRIP

ScriptedServer::Replies Defaults() {
  return {
      {"GREETING", "* OK ready\r\n"},
      {"CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n%T OK done\r\n"},
      {"CAPABILITIES", "* CAPABILITY IMAP4rev1 UIDPLUS MOVE\r\n%T OK done\r\n"},
      {"AUTHENTICATE", "%T OK in\r\n"},
      {"LOGIN", "%T OK in\r\n"},
      {"STARTTLS", "%T OK go\r\n"},
      {"SELECT",
       "* FLAGS (\\Seen)\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 17] v\r\n* OK [UIDNEXT 9] n\r\n"
       "%T OK [READ-WRITE] open\r\n"},
      {"EXAMINE",
       "* 3 EXISTS\r\n* OK [UIDVALIDITY 17] v\r\n* OK [UIDNEXT 9] n\r\n%T OK [READ-ONLY] open\r\n"},
      {"SEARCH", "* SEARCH 3 5 8\r\n%T OK done\r\n"},
      {"DESCRIBE",
       "* 1 FETCH (UID 3 RFC822.SIZE 5 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")\r\n"
       "* 2 FETCH (UID 5 RFC822.SIZE 5 INTERNALDATE \" 7-Jul-1996 02:44:25 +0000\")\r\n"
       "* 3 FETCH (RFC822.SIZE 5 UID 8 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")\r\n"
       "%T OK done\r\n"},
      {"FETCH", "* 1 FETCH (UID 3 BODY[] {5}\r\nhello)\r\n%T OK done\r\n"},
      {"STORE", "%T OK done\r\n"},
      {"MOVE", "%T OK done\r\n"},
      {"COPY", "%T OK done\r\n"},
      {"EXPUNGE", "%T OK done\r\n"},
      {"CREATE", "%T OK done\r\n"},
      {"LOGOUT", "* BYE\r\n%T OK bye\r\n%CLOSE"},
  };
}

std::string KeyOf(std::string_view line, std::string_view tag) {
  const auto has = [line](std::string_view word) { return line.find(word) != line.npos; };
  if (has(" CAPABILITY")) return tag.starts_with("D") ? "CAPABILITIES" : "CAPABILITY";
  if (has("BODY.PEEK")) return "FETCH";
  if (has("RFC822.SIZE")) return "DESCRIBE";
  for (const char* word : {"AUTHENTICATE", "STARTTLS", "LOGIN", "SELECT", "EXAMINE", "SEARCH",
                           "STORE", "MOVE", "COPY", "EXPUNGE", "CREATE", "LOGOUT"}) {
    if (has(std::string(" ") + word)) return word;
  }
  return "";
}

void ReplaceAll(std::string* text, std::string_view from, std::string_view to) {
  for (size_t at = text->find(from); at != std::string::npos; at = text->find(from, at)) {
    text->replace(at, from.size(), to);
    at += to.size();
  }
}

}  // namespace

ScriptedServer::ScriptedServer(Replies replies) : replies_(Defaults()) {
  for (auto& [key, reply] : replies) replies_[key] = std::move(reply);
  listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_.get(), generic, size) != 0 || listen(listener_.get(), 8) != 0 ||
      getsockname(listener_.get(), generic, &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
  if (!stop_.valid()) std::abort();
  thread_ = std::thread([this] { Run(); });
}

ScriptedServer::~ScriptedServer() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

std::string ScriptedServer::received() const {
  const std::lock_guard lock(mutex_);
  return received_;
}

void ScriptedServer::Run() {
  while (Await(listener_.get(), POLLIN) == Event::kReady) {
    const UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (fd.valid()) Serve(fd.get());
  }
}

void ScriptedServer::Serve(int fd) {
  if (!Say(fd, "GREETING", "*")) return;
  std::string input;
  while (Await(fd, POLLIN) == Event::kReady) {
    char buffer[4096];
    const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) return;
    input.append(buffer, static_cast<size_t>(got));
    {
      const std::lock_guard lock(mutex_);
      received_.append(buffer, static_cast<size_t>(got));
    }
    for (size_t end = input.find("\r\n"); end != std::string::npos; end = input.find("\r\n")) {
      const std::string line = input.substr(0, end);
      input.erase(0, end + 2);
      const std::string tag = line.substr(0, line.find(' '));
      if (!Say(fd, KeyOf(line, tag), tag)) return;
    }
  }
}

std::string ScriptedServer::ReplyTo(const std::string& key) {
  std::string_view replies = replies_[key];
  constexpr std::string_view kNext = "%NEXT";
  for (size_t skip = asked_[key]++; skip > 0; --skip) {
    const size_t next = replies.find(kNext);
    if (next == std::string_view::npos) break;
    replies.remove_prefix(next + kNext.size());
  }
  return std::string(replies.substr(0, replies.find(kNext)));
}

// False: the connection is over.
bool ScriptedServer::Say(int fd, const std::string& key, std::string_view tag) {
  std::string reply = ReplyTo(key);
  ReplaceAll(&reply, "%T", tag);
  ReplaceAll(&reply, "%SILENCE", "");
  for (const std::string_view word : {"%CLOSE", "%FLOOD", "%DRIP"}) {
    const size_t at = reply.find(word);
    if (at == std::string::npos) continue;
    if (!Send(fd, std::string_view(reply).substr(0, at)) || word == "%CLOSE") return false;
    const std::string rest = reply.substr(at + word.size());
    if (word == "%FLOOD") {
      while (Send(fd, rest)) {
      }
      return false;
    }
    for (size_t i = 0; Send(fd, std::string_view(rest).substr(i % rest.size(), 1)); ++i) {
      if (Await(-1, 0, kDripMillis) == Event::kStop) break;
    }
    return false;
  }
  return Send(fd, reply);
}

// False: the client has gone, or the server is to end.
bool ScriptedServer::Send(int fd, std::string_view data) const {
  if (Await(-1, 0, 0) == Event::kStop) return false;
  while (!data.empty()) {
    const ssize_t sent = send(fd, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      data.remove_prefix(static_cast<size_t>(sent));
    } else if ((errno != EAGAIN && errno != EINTR) || Await(fd, POLLOUT) == Event::kStop) {
      return false;
    }
  }
  return true;
}

// `fd` -1: none. Without a timeout until one of the others.
ScriptedServer::Event ScriptedServer::Await(int fd, short what, int timeout_ms) const {
  pollfd waiting[] = {{stop_.get(), POLLIN, 0}, {fd, what, 0}};
  int ready = 0;
  while ((ready = poll(waiting, std::size(waiting), timeout_ms)) < 0 && errno == EINTR) {
  }
  if (waiting[0].revents != 0) return Event::kStop;
  return ready > 0 ? Event::kReady : Event::kTimeout;
}

}  // namespace dmarcate::imap_testing
