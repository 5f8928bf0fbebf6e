#include "lib/mail/dkim_key_check.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "lib/base/freer.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/dkim_key.h"

namespace dmarcate {
namespace {

using PkeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using PkeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using MdContextPtr = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;

const unsigned char* Octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

PkeyPtr MakeKey(const DkimKey& key) {
  const unsigned char* at = Octets(key.public_key);
  const auto length = static_cast<long>(key.public_key.size());
  switch (key.form) {
    case DkimKeyForm::kSubjectPublicKeyInfo:
      return PkeyPtr(d2i_PUBKEY(nullptr, &at, length));
    case DkimKeyForm::kRsaPublicKey:
      return PkeyPtr(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, length));
    case DkimKeyForm::kRaw:
      return PkeyPtr(
          EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, at, key.public_key.size()));
    case DkimKeyForm::kNone:
      break;
  }
  return nullptr;
}

// Decoded keys, most recent first, of one thread. Decoding takes OpenSSL 3 longer than the use of a
// key, and a reporter's mails come together. Strangers choose the keys, so both numbers are small.
constexpr size_t kKeptKeys = 16;
constexpr size_t kLargestKeptKeyBytes = 1024;  // RSA with 4096 bits: 550

class KeyCache {
 public:
  // Or null. Valid until the next call.
  EVP_PKEY* Get(const DkimKey& key) {
    const auto found = std::ranges::find_if(kept_, [&key](const Kept& kept) {
      return kept.form == key.form && kept.public_key == key.public_key;
    });
    if (found != kept_.end()) {
      std::rotate(kept_.begin(), found, found + 1);
      return kept_.front().made.get();
    }
    PkeyPtr made = MakeKey(key);
    if (made == nullptr || key.public_key.size() > kLargestKeptKeyBytes) {
      large_ = std::move(made);
      return large_.get();
    }
    if (kept_.size() == kKeptKeys) kept_.pop_back();
    return kept_.insert(kept_.begin(), {key.form, key.public_key, std::move(made)})->made.get();
  }

 private:
  struct Kept {
    DkimKeyForm form;
    std::string public_key;
    PkeyPtr made;
  };
  std::vector<Kept> kept_;
  PkeyPtr large_;
};

// RSASSA-PKCS1-v1_5 over the digest.
bool VerifyRsa(EVP_PKEY* key, std::string_view signature, std::string_view digest) {
  const PkeyContextPtr context(EVP_PKEY_CTX_new(key, nullptr));
  return context != nullptr && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
         EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1 &&
         EVP_PKEY_verify(context.get(), Octets(signature), signature.size(), Octets(digest),
                         digest.size()) == 1;
}

// PureEdDSA, with the digest as the message (RFC 8463 section 3).
bool VerifyEd25519(EVP_PKEY* key, std::string_view signature, std::string_view digest) {
  const MdContextPtr context(EVP_MD_CTX_new());
  return context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), Octets(signature), signature.size(), Octets(digest),
                          digest.size()) == 1;
}

bool Verifies(const DkimKey& key, std::string_view signature, std::string_view digest) {
  thread_local KeyCache cache;
  EVP_PKEY* const made = cache.Get(key);
  const bool right =
      made != nullptr && (key.type == DkimKeyType::kRsa ? VerifyRsa(made, signature, digest)
                                                        : VerifyEd25519(made, signature, digest));
  ERR_clear_error();
  return right;
}

bool Allows(const std::vector<std::string>& list, std::string_view item) {
  return list.empty() || std::ranges::find(list, item) != list.end();
}

bool IsForMail(const DkimKey& key) {
  return Allows(key.services, "*") || Allows(key.services, "email");
}

// Why the key is not for this signature; empty if it is.
std::string Mismatch(const DkimKey& key, const DkimSignature& signature, DkimService service) {
  if (key.revoked) return "the key is revoked";
  if (key.type != signature.key_type) {
    return fmt::format("the key is of type {}, the signature {}", ToString(key.type),
                       signature.algorithm);
  }
  if (!Allows(key.hashes, "sha256")) return "the key's h= does not allow sha256";
  const bool for_tls_report =
      service == DkimService::kMailOrTlsReport && Allows(key.services, "tlsrpt");
  if (!IsForMail(key) && !for_tls_report) return "the key's s= does not allow mail";
  if (key.strict_identity && signature.identity_domain != signature.domain) {
    return "the key's t=s does not allow a subdomain in i=";
  }
  return "";
}

}  // namespace

DkimKeyVerdict CheckDkimKey(std::string_view record, const DkimSignature& signature,
                            std::string_view digest, DkimService service) {
  DkimKeyVerdict verdict;
  const auto key = ParseDkimKey(record);
  if (key.status().code() == absl::StatusCode::kNotFound) return verdict;
  verdict.result = DkimResult::kPermError;
  if (!key.ok()) {
    verdict.reason = EscapeForTerminal(MessageOf(key.status()));
    return verdict;
  }
  verdict.bits = key->bits;
  verdict.revoked = key->revoked;
  verdict.tls_reports_only = !IsForMail(*key) && Allows(key->services, "tlsrpt");
  verdict.reason = Mismatch(*key, signature, service);
  if (!verdict.reason.empty()) return verdict;
  if (!Verifies(*key, signature.signature, digest)) {
    verdict.result = DkimResult::kFail;
    verdict.reason = "the signature does not match the header";
  } else if (key->strength() == DkimStrength::kUnusable) {
    verdict.result = DkimResult::kPolicy;
    verdict.reason = fmt::format("an RSA key of {} bits is too short", key->bits);
  } else if (key->testing) {
    verdict.result = DkimResult::kPolicy;
    verdict.reason = "the key says t=y: its domain is testing";
  } else {
    verdict.result = DkimResult::kPass;
  }
  return verdict;
}

}  // namespace dmarcate
