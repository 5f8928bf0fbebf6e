// Certificates and their authorities, made in the test.

#ifndef DMARCATE_TESTS_LIB_INBOUND_CERTIFICATES_H_
#define DMARCATE_TESTS_LIB_INBOUND_CERTIFICATES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace dmarcate::inbound_testing {

struct CertificateWish {
  std::string subject = "mx.example.com";  // common name
  std::vector<std::string> names = {"mx.example.com"};
  absl::Time not_before;
  absl::Time not_after;
  bool authority = false;
  int rsa_bits =
      0;  // a public key of RSA that nobody has the private one of, and is signed by none
};

// A certificate with its key (ECDSA P-256 unless the wish says else). A value that shares both.
class Identity {
 public:
  // Signed by itself.
  static Identity SelfSigned(const CertificateWish& wish);
  Identity Sign(const CertificateWish& wish) const;

  std::string Der() const;
  std::string SpkiDer() const;  // from the key, not from the certificate
  std::string CertificatePem() const;
  std::string KeyPem() const;
  X509* certificate() const { return certificate_.get(); }
  EVP_PKEY* key() const { return key_.get(); }

 private:
  static Identity Make(const CertificateWish& wish, const Identity* issuer);
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
};

}  // namespace dmarcate::inbound_testing

#endif  // DMARCATE_TESTS_LIB_INBOUND_CERTIFICATES_H_
