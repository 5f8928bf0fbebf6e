// A mail server on loopback that does what a script says, over real sockets and TLS.

#ifndef DMARCATE_TESTS_LIB_INBOUND_SMTP_SERVER_H_
#define DMARCATE_TESTS_LIB_INBOUND_SMTP_SERVER_H_

#include <poll.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <openssl/ssl.h>

#include "lib/base/file.h"
#include "tests/lib/inbound/certificates.h"

namespace dmarcate::inbound_testing {

// One client, from the server's side. Everything ends once the server stops.
class ServerSide {
 public:
  ServerSide(int fd, int stop) : fd_(fd), stop_(stop) {}
  ~ServerSide();
  ServerSide(const ServerSide&) = delete;
  ServerSide& operator=(const ServerSide&) = delete;

  bool Send(std::string_view octets);
  // Without line end; empty once the client has gone.
  std::string ReadLine();
  // The server's half of the handshake; false if it fails.
  bool StartTls(const std::vector<Identity>& chain, int max_version = 0);
  // What the client said in SNI; empty for nothing.
  std::string ServerName() const;
  // Until the client has said something more, which stays unread; false: it has gone.
  bool AwaitClient() { return Wait(POLLIN); }
  // Says nothing until the client goes or the server stops.
  void Hang();

 private:
  bool Wait(short events);
  int fd_;
  int stop_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  std::string buffer_;
};

class SmtpServer {
 public:
  using Script = std::function<void(ServerSide&)>;
  // At `address` ("127.0.0.1"), one client after the other.
  SmtpServer(const std::string& address, uint16_t port, Script script);
  ~SmtpServer();
  int connections() const { return connections_; }

 private:
  void Run();
  const Script script_;
  UniqueFd stop_;
  UniqueFd listener_;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

// What a server that is in order says; `seen` gets each line of the client, `server_name` its SNI.
SmtpServer::Script GoodServer(std::vector<Identity> chain, std::vector<std::string>* seen = nullptr,
                              std::string* server_name = nullptr);

}  // namespace dmarcate::inbound_testing

#endif  // DMARCATE_TESTS_LIB_INBOUND_SMTP_SERVER_H_
