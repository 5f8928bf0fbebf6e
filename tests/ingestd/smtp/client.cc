#include "tests/ingestd/smtp/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <csignal>
#include <cstdlib>
#include <utility>

#include <openssl/x509.h>

#include "tests/testing/process.h"

namespace dmarcate::ingest_testing {
namespace {

constexpr int kSeconds = 30;

UniqueFd Opened(int family, const sockaddr* address, socklen_t size, uint32_t own_address = 0) {
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit = {kSeconds, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in own = {};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(own_address);
  if (own_address != 0 &&
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
    fd.Reset();
  }
  if (connect(fd.get(), address, size) != 0) fd.Reset();
  return fd;
}

}  // namespace

MailClient MailClient::Connect(uint16_t port, uint32_t own_address) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  UniqueFd fd =
      Opened(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address, own_address);
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return MailClient(std::move(fd));
}

MailClient MailClient::ConnectUnix(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return MailClient(Opened(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

bool MailClient::Send(std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ssl_ ? SSL_write(ssl_.get(), data.data(), static_cast<int>(data.size()))
                              : send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string MailClient::Reply() {
  last_.clear();
  while (true) {
    for (size_t end; (end = buffer_.find("\r\n")) != std::string::npos;) {
      const std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 2);
      last_ += line + "\n";
      if (line.size() >= 3 && (line.size() == 3 || line[3] == ' ')) return line.substr(0, 3);
    }
    char chunk[4096];
    const ssize_t got =
        ssl_ ? SSL_read(ssl_.get(), chunk, sizeof chunk) : recv(fd_.get(), chunk, sizeof chunk, 0);
    if (got <= 0) return "";
    buffer_.append(chunk, static_cast<size_t>(got));
  }
}

bool MailClient::Readable() const {
  pollfd wanted = {fd_.get(), POLLIN, 0};
  return !buffer_.empty() || poll(&wanted, 1, 0) > 0;
}

bool MailClient::StartTls(int version) {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (version != 0) SSL_CTX_set_max_proto_version(context_.get(), version);
  ssl_.reset(SSL_new(context_.get()));
  SSL_set_fd(ssl_.get(), fd_.get());
  return SSL_connect(ssl_.get()) == 1;
}

std::string MailClient::PeerName() const {
  const std::unique_ptr<X509, decltype(&X509_free)> peer(SSL_get1_peer_certificate(ssl_.get()),
                                                         X509_free);
  char name[256] = "";
  if (peer != nullptr) {
    X509_NAME_get_text_by_NID(X509_get_subject_name(peer.get()), NID_commonName, name, sizeof name);
  }
  return name;
}

void MakeCertificate(const std::string& name, const std::string& certificate,
                     const std::string& key) {
  const auto made = testing_support::RunCommand(
      {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
       "-days", "1", "-subj", "/CN=" + name, "-out", certificate, "-keyout", key});
  if (!made.ok() || made->exit_code != 0) std::abort();
}

}  // namespace dmarcate::ingest_testing
