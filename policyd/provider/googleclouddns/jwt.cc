#include "policyd/provider/googleclouddns/jwt.h"

#include <algorithm>
#include <memory>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "lib/base/digest.h"
#include "lib/base/freer.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr int kMinBits = 2048;

using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;

// Instead of a passphrase prompt on the daemon's terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

absl::Status BadKey(std::string_view why) {
  ERR_clear_error();
  return MakeError(absl::StatusCode::kInvalidArgument, fmt::format("private key: {}", why));
}

}  // namespace

std::string Base64UrlEncode(std::string_view data) {
  std::string text = Base64Encode(data);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

absl::StatusOr<std::string> SignJwtRs256(std::string_view header, std::string_view claims,
                                         const Secret& pem) {
  const Bio bio(BIO_new_mem_buf(pem.Reveal().data(), static_cast<int>(pem.Reveal().size())));
  if (!bio) return BadKey("no memory");
  const PrivateKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassphrase, nullptr));
  if (!key) return BadKey("no PEM text of one, or one with a passphrase");
  if (EVP_PKEY_base_id(key.get()) != EVP_PKEY_RSA || EVP_PKEY_bits(key.get()) < kMinBits) {
    return BadKey("an RSA key of at least 2048 bits is wanted");
  }
  const std::string text = fmt::format("{}.{}", Base64UrlEncode(header), Base64UrlEncode(claims));
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  const DigestContext context(EVP_MD_CTX_new());
  size_t size = 0;
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) != 1) {
    return BadKey("it does not sign");
  }
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     bytes, text.size()) != 1) {
    return BadKey("it does not sign");
  }
  signature.resize(size);
  return fmt::format("{}.{}", text, Base64UrlEncode(signature));
}

}  // namespace dmarcate
