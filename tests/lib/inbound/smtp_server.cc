#include "tests/lib/inbound/smtp_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <utility>

namespace dmarcate::inbound_testing {

ServerSide::~ServerSide() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

bool ServerSide::Wait(short events) {
  pollfd fds[] = {{fd_, events, 0}, {stop_, POLLIN, 0}};
  poll(fds, 2, -1);
  return fds[0].revents != 0 || fds[1].revents == 0;  // what has come is read first
}

bool ServerSide::Send(std::string_view octets) {
  while (!octets.empty()) {
    if (!Wait(POLLOUT)) return false;
    const ssize_t sent = ssl_ != nullptr
                             ? SSL_write(ssl_, octets.data(), static_cast<int>(octets.size()))
                             : send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    octets.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string ServerSide::ReadLine() {
  while (true) {
    if (const size_t end = buffer_.find("\r\n"); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 2);
      return line;
    }
    char chunk[4096];
    if ((ssl_ == nullptr || SSL_pending(ssl_) == 0) && !Wait(POLLIN)) return "";
    const ssize_t got =
        ssl_ != nullptr ? SSL_read(ssl_, chunk, sizeof chunk) : recv(fd_, chunk, sizeof chunk, 0);
    if (got <= 0) return "";
    buffer_.append(chunk, static_cast<size_t>(got));
  }
}

bool ServerSide::StartTls(const std::vector<Identity>& chain, int max_version) {
  context_ = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_security_level(context_, 0);
  SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context_, max_version);
  SSL_CTX_set_cipher_list(context_, "DEFAULT:@SECLEVEL=0");
  SSL_CTX_use_certificate(context_, chain[0].certificate());
  SSL_CTX_use_PrivateKey(context_, chain[0].key());
  for (size_t i = 1; i < chain.size(); ++i) {
    SSL_CTX_add1_chain_cert(context_, chain[i].certificate());
  }
  ssl_ = SSL_new(context_);
  SSL_set_fd(ssl_, fd_);
  return Wait(POLLIN) && SSL_accept(ssl_) == 1;
}

std::string ServerSide::ServerName() const {
  const char* const name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

void ServerSide::Hang() {
  char chunk[4096];
  while (Wait(POLLIN) && recv(fd_, chunk, sizeof chunk, 0) > 0) {
  }
}

SmtpServer::SmtpServer(const std::string& address, uint16_t port, Script script)
    : script_(std::move(script)), stop_(eventfd(0, EFD_CLOEXEC)) {
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_port = htons(port);
  const int on = 1;
  setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (inet_pton(AF_INET, address.c_str(), &local.sin_addr) != 1 ||
      bind(listener_.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0 ||
      listen(listener_.get(), 8) != 0) {
    std::abort();
  }
  thread_ = std::thread([this] { Run(); });
}

SmtpServer::~SmtpServer() {
  const uint64_t one = 1;
  if (write(stop_.get(), &one, sizeof one) != sizeof one) std::abort();
  thread_.join();
}

void SmtpServer::Run() {
  while (true) {
    pollfd fds[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    poll(fds, 2, -1);
    if (fds[1].revents != 0) return;
    const UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ++connections_;
    ServerSide side(client.get(), stop_.get());
    script_(side);
  }
}

SmtpServer::Script GoodServer(std::vector<Identity> chain, std::vector<std::string>* seen,
                              std::string* server_name) {
  return [chain = std::move(chain), seen, server_name](ServerSide& side) {
    const auto read = [&] {
      const std::string line = side.ReadLine();
      if (seen != nullptr) seen->push_back(line);
    };
    side.Send("220 mx.example.com ESMTP\r\n");
    read();
    side.Send("250-mx.example.com\r\n250-SIZE 1000\r\n250-starttls\r\n250 HELP\r\n");
    read();
    side.Send("220 go ahead\r\n");
    if (!side.StartTls(chain)) return;
    if (server_name != nullptr) *server_name = side.ServerName();
    read();
    side.Send("250-mx.example.com\r\n250 SIZE 1000\r\n");
    read();
  };
}

}  // namespace dmarcate::inbound_testing
