// tests/lib/imap/scripted_server.h
// An IMAP server that says what a test wants, well-behaved where the test does not say.

#ifndef DMARCATE_TESTS_LIB_IMAP_SCRIPTED_SERVER_H_
#define DMARCATE_TESTS_LIB_IMAP_SCRIPTED_SERVER_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "lib/base/file.h"

namespace dmarcate::imap_testing {

// Serves one connection after the other on loopback, without TLS.
class ScriptedServer {
 public:
  // What is said when: GREETING; by command CAPABILITY (the first one), CAPABILITIES (after the
  // log-in), STARTTLS, AUTHENTICATE, LOGIN, SELECT, EXAMINE, SEARCH, DESCRIBE, FETCH, STORE, MOVE,
  // COPY, EXPUNGE, CREATE, LOGOUT. "%T" is the command's tag. "%CLOSE" closes the connection;
  // "%FLOOD" sends what follows it until the client goes; "%DRIP" the same, a byte every 10 ms;
  // "%SILENCE" says nothing. A value with "%NEXT" in it holds the answers to the first command of
  // this kind, the second and so on; the last one stays.
  using Replies = std::map<std::string, std::string>;
  explicit ScriptedServer(Replies replies);
  ~ScriptedServer();

  uint16_t port() const { return port_; }
  std::string received() const;  // all that clients sent

 private:
  void Run();
  void Serve(int fd);
  bool Say(int fd, const std::string& key, std::string_view tag);
  std::string ReplyTo(const std::string& key);
  bool Send(int fd, std::string_view data) const;
  enum class Event { kReady, kTimeout, kStop };
  Event Await(int fd, short what, int timeout_ms = -1) const;

  Replies replies_;
  std::map<std::string, size_t> asked_;
  UniqueFd listener_;
  uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::string received_;
  UniqueFd stop_;  // readable once the server is to end
  std::thread thread_;
};

}  // namespace dmarcate::imap_testing

#endif  // DMARCATE_TESTS_LIB_IMAP_SCRIPTED_SERVER_H_
