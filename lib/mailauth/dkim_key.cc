#include "lib/mailauth/dkim_key.h"

#include <algorithm>
#include <memory>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "lib/base/digest.h"
#include "lib/base/freer.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxOctets = 65535;      // what a TXT record can hold
constexpr int kUnusableBelowBits = 1024;  // RFC 8301 section 3.2
constexpr int kWeakBelowBits = 2048;
constexpr int kTooLargeAboveBits = 4096;
constexpr size_t kEd25519Octets = 32;  // RFC 8463 section 4

using PkeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, Freer<BN_free>>;

absl::Status Invalid(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, fmt::format("dkim key: {}", message));
}
absl::Status NotDkim(std::string_view message) {
  return MakeError(absl::StatusCode::kNotFound, fmt::format("no dkim key: {}", message));
}

bool Contains(const std::vector<std::string>& items, std::string_view wanted) {
  return std::ranges::find(items, wanted) != items.end();
}

// Reads `der` as SubjectPublicKeyInfo, what everybody publishes, or as RSAPublicKey, what RFC 6376
// section 3.6.1 says. The whole of it must be the key.
PkeyPtr ReadRsa(const std::string& der, DkimKeyForm& form) {
  const auto* const begin = reinterpret_cast<const unsigned char*>(der.data());
  const auto length = static_cast<long>(der.size());
  const unsigned char* at = begin;
  PkeyPtr key(d2i_PUBKEY(nullptr, &at, length));
  form = DkimKeyForm::kSubjectPublicKeyInfo;
  if (key == nullptr || at != begin + length) {
    at = begin;
    key.reset(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, length));
    form = DkimKeyForm::kRsaPublicKey;
  }
  if (key != nullptr && (at != begin + length || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA)) {
    key.reset();
  }
  ERR_clear_error();
  return key;
}

absl::Status ReadKey(DkimKey& key) {
  if (key.type == DkimKeyType::kEd25519) {
    if (key.public_key.size() != kEd25519Octets) {
      return Invalid(
          fmt::format("tag p holds {} octets, an ed25519 key has 32", key.public_key.size()));
    }
    key.bits = 256;
    key.form = DkimKeyForm::kRaw;
    return absl::OkStatus();
  }
  const PkeyPtr rsa = ReadRsa(key.public_key, key.form);
  if (rsa == nullptr) {
    const bool looks_ed25519 = key.public_key.size() == kEd25519Octets;
    return Invalid(
        fmt::format("tag p is no RSA key{}", looks_ed25519 ? "; 32 octets need k=ed25519" : ""));
  }
  key.bits = EVP_PKEY_get_bits(rsa.get());
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(rsa.get(), OSSL_PKEY_PARAM_RSA_E, &raw) == 1) {
    const BignumPtr exponent(raw);
    key.exponent_is_65537 = BN_is_word(exponent.get(), 65537) == 1;
  }
  return absl::OkStatus();
}

absl::Status ReadPublicKey(std::string_view value, DkimKey& key) {
  const std::string base64 = WithoutFoldingBlanks(value);
  if (base64.empty()) {
    key.revoked = true;
    return absl::OkStatus();
  }
  auto decoded = Base64Decode(base64);
  if (!decoded.ok()) return Invalid("tag p is not base64");
  key.public_key = *std::move(decoded);
  return ReadKey(key);
}

}  // namespace

std::string_view ToString(DkimKeyType type) {
  return type == DkimKeyType::kRsa ? "rsa" : "ed25519";
}

DkimStrength DkimKey::strength() const {
  if (revoked || type == DkimKeyType::kEd25519) return DkimStrength::kGood;
  if (bits < kUnusableBelowBits) return DkimStrength::kUnusable;
  if (bits < kWeakBelowBits) return DkimStrength::kWeak;
  return bits > kTooLargeAboveBits ? DkimStrength::kTooLarge : DkimStrength::kGood;
}

bool DkimKey::UsableForMail() const {
  const bool for_mail = services.empty() || Contains(services, "*") || Contains(services, "email");
  const bool sha256 = hashes.empty() || Contains(hashes, "sha256");
  return !revoked && strength() != DkimStrength::kUnusable && for_mail && sha256;
}

std::string DkimKeyRecord::Render() const { return Join(segments, ";"); }

absl::StatusOr<DkimKeyRecord> ParseDkimKeyRecord(std::string_view text) {
  DkimKeyRecord record;
  DMARCATE_ASSIGN_OR_RETURN(record.key, ParseDkimKey(text));
  DMARCATE_ASSIGN_OR_RETURN(const TagList tags, ParseTagList(text, "dkim key"));
  record.tags = TagTexts(tags, text);
  record.segments = SegmentTexts(tags);
  return record;
}

absl::StatusOr<DkimKey> ParseDkimKey(std::string_view text) {
  if (text.size() > kMaxOctets) return Invalid("longer than a TXT record can be");
  auto parsed = ParseTagList(text, "dkim key");
  if (!parsed.ok()) {
    // Text without a tag list (a wildcard TXT record, say) is no key; a damaged key is one.
    const bool meant_as_key =
        TrimAscii(text).starts_with("v=DKIM1") || text.find("p=") != std::string_view::npos;
    return meant_as_key ? parsed.status() : NotDkim("the text is no tag list");
  }
  const TagList& tags = *parsed;
  const auto version = tags.Find("v");
  const auto public_key = tags.Find("p");
  if (version.has_value() && *version != "DKIM1") return NotDkim("the version is not DKIM1");
  if (!version.has_value() && !public_key.has_value()) return NotDkim("there is no tag p");
  if (version.has_value() && tags.first != "v") return Invalid("tag v must be first");
  if (!public_key.has_value()) return Invalid("tag p is missing");
  DkimKey key;
  key.version_present = version.has_value();
  const std::string_view type = tags.Find("k").value_or("rsa");
  if (type == "ed25519") {
    key.type = DkimKeyType::kEd25519;
  } else if (type != "rsa") {
    return Invalid(fmt::format("unknown key type {}", Quoted(type)));
  }
  if (const auto hashes = tags.Find("h")) key.hashes = ParseColonList(*hashes);
  if (const auto services = tags.Find("s")) key.services = ParseColonList(*services);
  if (const auto flags = tags.Find("t")) key.flags = ParseColonList(*flags);
  key.testing = Contains(key.flags, "y");
  key.strict_identity = Contains(key.flags, "s");
  key.notes = std::string(tags.Find("n").value_or(""));
  DMARCATE_RETURN_IF_ERROR(ReadPublicKey(*public_key, key));
  return key;
}

std::vector<LintFinding> LintDkimKey(const DkimKey& key, std::string_view path) {
  std::vector<LintFinding> findings;
  const auto add = [&](std::string_view code, Severity severity, std::string message,
                       std::string fix, std::string section) {
    LintFinding finding;
    finding.code = std::string(code);
    finding.severity = severity;
    finding.path = std::string(path);
    finding.message = std::move(message);
    finding.fix_hint = std::move(fix);
    finding.rfc_section = std::move(section);
    if (key.bits > 0) finding.metadata["bits"] = std::to_string(key.bits);
    findings.push_back(std::move(finding));
  };
  if (key.revoked) {
    add(lint_code::kDkimKeyRevokedInUse, Severity::kWarning,
        "the key is revoked: mail that is signed with it fails",
        "Sign with another selector, or remove this one from what you watch.",
        "RFC 6376 section 3.6.1");
    return findings;
  }
  switch (key.strength()) {
    case DkimStrength::kUnusable:
      add(lint_code::kDkimKeyShort, Severity::kError,
          fmt::format("an RSA key of {} bits is never accepted", key.bits),
          "Publish a new selector with a 2048-bit key and sign with it.", "RFC 8301 section 3.2");
      break;
    case DkimStrength::kWeak:
      add(lint_code::kDkimKeyShort, Severity::kWarning,
          fmt::format("an RSA key of {} bits is weak", key.bits),
          "Publish a new selector with a 2048-bit key and sign with it.", "RFC 8301 section 3.2");
      break;
    case DkimStrength::kTooLarge:
      add(lint_code::kDkimKeyLarge, Severity::kWarning,
          fmt::format("not every verifier supports an RSA key of {} bits", key.bits),
          "Use 2048 to 4096 bits.", "RFC 8301 section 3.2");
      break;
    case DkimStrength::kGood:
      break;
  }
  if (key.testing) {
    add(lint_code::kDkimTestMode, Severity::kWarning,
        "the key says t=y: verifiers may treat the mail as unsigned", "Remove y from t=.",
        "RFC 6376 section 3.6.1");
  }
  if (!key.UsableForMail() && key.strength() != DkimStrength::kUnusable) {
    add(lint_code::kDkimSyntax, Severity::kError,
        "the key is for other hashes or services than mail uses", "Remove h= and s=.",
        "RFC 8301 section 3.1");
  }
  return findings;
}

}  // namespace dmarcate
