// Certificates as mail servers send them: what they say, and whether public authorities vouch for
// them. OpenSSL stays in the .cc files of this directory.

#ifndef DMARCATE_LIB_INBOUND_CERTIFICATE_H_
#define DMARCATE_LIB_INBOUND_CERTIFICATE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/mailauth/domain_name.h"

struct stack_st_X509;  // OpenSSL's STACK_OF(X509)

namespace dmarcate {

// Of a key that signatures are verified with. More is no harder to forge, and takes a time that
// grows with the third power; no authority has one.
inline constexpr int kMaxRsaKeyBits = 8192;
inline constexpr int kMaxOtherKeyBits = 4096;

// Names are strangers' text: cut to 256 octets, not escaped.
struct Certificate {
  std::string subject;             // "CN=mx.example.com"
  std::string issuer;              //
  std::vector<std::string> names;  // dNSName entries of subjectAltName; at most 100
  absl::Time not_before;
  absl::Time not_after;
  std::string sha256;       // of the DER, in hex
  std::string spki_sha256;  // of the SubjectPublicKeyInfo, in hex
};

// The certificates of one chain, parsed once.
class CertificateChain {
 public:
  // `der`: as a server sent them, its own first.
  explicit CertificateChain(const std::vector<std::string>& der);
  ~CertificateChain();
  CertificateChain(const CertificateChain&) = delete;
  CertificateChain& operator=(const CertificateChain&) = delete;

  // Those that can be read.
  std::vector<Certificate> Describe() const;
  // Null unless there is one, and each is exactly one certificate.
  stack_st_X509* whole() const;
  // kResourceExhausted: a key of an issuer is over the limits above; the chain is not to be
  // verified.
  absl::Status CheckKeys() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

inline constexpr std::string_view kNoAuthorities = "no list of public authorities";
inline constexpr std::string_view kInstallAuthorities =
    "Install the list on the machine that looks (ca-certificates).";

// The authorities that are trusted. Thread-safe.
class TrustStore {
 public:
  // `ca_file`: PEM; empty: the system's. kInvalidArgument if a file that is named has none.
  static absl::StatusOr<std::unique_ptr<TrustStore>> Load(const std::string& ca_file = "");
  ~TrustStore();
  // False on a machine that has no list of authorities. Nothing is to be said then of what
  // authorities vouch for. The system's file is read by Load(), its directory looked at anew.
  bool HasAuthorities() const;
  TrustStore(const TrustStore&) = delete;
  TrustStore& operator=(const TrustStore&) = delete;

 private:
  friend class ChainVerifier;
  struct Impl;
  explicit TrustStore(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

// What is wrong with a chain, each apart: a sender may care for one and not for another.
struct ChainProblems {
  bool untrusted = false;          // self-signed, issuer not known, not for servers, bad signature
  bool wrong_name = false;         // not for the host (RFC 6125)
  bool outside_validity = false;   // expired, or not yet valid; the server's own or an issuer's
  std::vector<std::string> words;  // OpenSSL's, each once: "certificate has expired"
  // Why the chain was not verified, or not to its end; then what is not said above is not known.
  std::string not_verified;

  bool none() const {
    return !untrusted && !wrong_name && !outside_validity && not_verified.empty();
  }
};
// Pure for a given store. Without authorities it is not verified, but names and times are compared.
ChainProblems VerifyChain(const CertificateChain& chain, const DomainName& host,
                          const TrustStore& store, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INBOUND_CERTIFICATE_H_
