// tests/testing/dkim_signer.h
// Signs mail as RFC 6376 says, by plain string work that shares nothing with lib/mail: what it
// signs, the verifier must accept, and what it calls different, the verifier must refuse.

#ifndef DMARCATE_TESTS_TESTING_DKIM_SIGNER_H_
#define DMARCATE_TESTS_TESTING_DKIM_SIGNER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarcate::testing_support {

// A private key. Copies share it.
class DkimTestKey {
 public:
  // Generated; one for each size in a process, since that is slow.
  static DkimTestKey Rsa(int bits = 2048);
  // The same seed gives the same key and the same signatures; shorter ones are filled up.
  static DkimTestKey Ed25519(std::string_view seed = "dmarcate");

  // The TXT record: "v=DKIM1; k=rsa; " + `more_tags` ("t=y; ") + "p=...".
  std::string Record(std::string_view more_tags = "") const;
  std::string algorithm() const;   // "rsa-sha256"
  std::string PrivateKey() const;  // RSA: PEM; Ed25519: the seed in base64
  std::string Sign(const std::string& digest) const;

 private:
  struct Impl;
  explicit DkimTestKey(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

struct DkimSigning {
  std::string domain = "example.com";
  std::string selector = "s";
  std::string header = "relaxed";  // "simple" or "relaxed"
  std::string body = "relaxed";
  // h=, in this order; a name that is not in the mail keeps it from being added.
  std::vector<std::string> fields = {
      "from", "to", "subject", "date", "mime-version", "content-type", "content-transfer-encoding"};
  std::optional<size_t> body_length;  // l=
  std::string more_tags;              // "x=1700000000; i=@a.example.com; "
};

// `mail` with a DKIM-Signature field before its first.
std::string DkimSign(const std::string& mail, const DkimTestKey& key, const DkimSigning& signing);

// Everything the `index`th DKIM-Signature of `mail`, from the top, covers if it says what `signing`
// says: canonical header, canonical body. Nothing if there is no such field.
std::optional<std::string> DkimSignedText(const std::string& mail, size_t index,
                                          const DkimSigning& signing);

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_TESTING_DKIM_SIGNER_H_
