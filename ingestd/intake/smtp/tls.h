// ingestd/intake/smtp/tls.h
// The certificate and key that STARTTLS shows, read again when their files change. OpenSSL behind
// owners.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_TLS_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_TLS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <openssl/ssl.h>

#include "lib/base/file_stamp.h"

namespace dmarcate {

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslPtr = std::unique_ptr<SSL, SslFree>;
using SslContextPtr = std::unique_ptr<SSL_CTX, SslFree>;

// Not thread-safe.
class TlsIdentity {
 public:
  // PEM files; the certificate's holds the chain, too. Errors name a file, never what is in it.
  static absl::StatusOr<std::unique_ptr<TlsIdentity>> Load(const std::string& certificate,
                                                           const std::string& key);
  // What cannot be used leaves the old one in place and is logged, once for each change.
  void ReloadIfChanged();
  // A server's side of TLS 1.2 or later over `fd`, which stays the caller's and does not block.
  // Null if there is no memory.
  SslPtr NewServer(int fd) const;

 private:
  struct Stamp {
    FileStamp certificate, key;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  TlsIdentity(std::string certificate, std::string key)
      : certificate_(std::move(certificate)), key_(std::move(key)) {}
  Stamp Look() const;
  absl::Status Read();

  const std::string certificate_, key_;
  Stamp seen_;
  SslContextPtr context_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_TLS_H_
