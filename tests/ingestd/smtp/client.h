// tests/ingestd/smtp/client.h
// A mail client that says exactly what it is told. Every wait has a deadline.

#ifndef DMARCATE_TESTS_INGESTD_SMTP_CLIENT_H_
#define DMARCATE_TESTS_INGESTD_SMTP_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

#include "lib/base/file.h"

namespace dmarcate::ingest_testing {

// Not thread-safe.
class MailClient {
 public:
  // To 127.0.0.1; from `own_address` (in host order, one of 127.0.0.0/8) if there is one.
  static MailClient Connect(uint16_t port, uint32_t own_address = 0);
  static MailClient ConnectUnix(const std::string& path);

  // False once the peer has closed.
  bool Send(std::string_view data);
  // The code of the next reply, of whatever number of lines; empty: the connection ended, or there
  // is none in time.
  std::string Reply();
  // The text of it.
  const std::string& last_reply() const { return last_; }
  // One command, one reply.
  std::string Say(std::string_view command) {
    return Send(std::string(command) + "\r\n") ? Reply() : "";
  }
  // Whether something, or the end, has come.
  bool Readable() const;
  // Behind a STARTTLS that was answered; whether it worked out.
  bool StartTls(int version = 0);
  // The certificate's common name.
  std::string PeerName() const;

 private:
  explicit MailClient(UniqueFd fd) : fd_(std::move(fd)) {}
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  UniqueFd fd_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  std::string buffer_, last_;
};

// A self-signed certificate with `name`; overwrites both files.
void MakeCertificate(const std::string& name, const std::string& certificate,
                     const std::string& key);

}  // namespace dmarcate::ingest_testing

#endif  // DMARCATE_TESTS_INGESTD_SMTP_CLIENT_H_
