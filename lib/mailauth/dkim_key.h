// lib/mailauth/dkim_key.h
// DKIM key records (RFC 6376 section 3.6.1, RFC 8301, RFC 8463): what a verifier makes of the TXT
// record at `<selector>._domainkey.<domain>`. Pure; OpenSSL measures RSA keys.

#ifndef DMARCATE_LIB_MAILAUTH_DKIM_KEY_H_
#define DMARCATE_LIB_MAILAUTH_DKIM_KEY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/lint.h"
#include "lib/mailauth/tag_list.h"

namespace dmarcate {

enum class DkimKeyType : uint8_t { kRsa, kEd25519 };
std::string_view ToString(DkimKeyType type);  // "rsa"

// RFC 8301 section 3.2.
enum class DkimStrength : uint8_t {
  kUnusable,  // RSA under 1024 bits: verifiers must not accept it
  kWeak,      // RSA of 1024 to 2047 bits: replace it
  kGood,
  kTooLarge,  // RSA over 4096 bits: not every verifier supports it
};

enum class DkimKeyForm : uint8_t { kNone, kSubjectPublicKeyInfo, kRsaPublicKey, kRaw };

struct DkimKey {
  DkimKeyType type = DkimKeyType::kRsa;
  DkimKeyForm form = DkimKeyForm::kNone;  // kNone if revoked
  int bits = 0;                           // 0 if revoked; 256 for Ed25519
  bool revoked = false;                   // p= is empty
  bool testing = false;                   // t=y: verifiers treat the mail as unsigned
  bool strict_identity = false;           // t=s: the i= domain must equal d=
  bool version_present = false;
  std::vector<std::string> hashes;    // h=; empty means all
  std::vector<std::string> services;  // s=; empty means all
  std::vector<std::string> flags;     // t=, unknown ones included
  std::string notes;                  // n=, as written
  std::string public_key;             // octets of p=
  bool exponent_is_65537 = true;

  DkimStrength strength() const;
  // A verifier can use it for mail: not revoked, strong enough, sha256 and e-mail allowed.
  bool UsableForMail() const;

  friend bool operator==(const DkimKey&, const DkimKey&) = default;
};

// A key with its text, for who edits it. A verifier does without the copies.
struct DkimKeyRecord {
  DkimKey key;
  std::vector<TagText> tags;          // all of them, unknown ones included, in order
  std::vector<std::string> segments;  // text between semicolons, exactly as written

  // The bytes that were parsed.
  std::string Render() const;

  friend bool operator==(const DkimKeyRecord&, const DkimKeyRecord&) = default;
};

//   kNotFound         this is no DKIM key at all: no p= and no v=DKIM1, or another version
//   kInvalidArgument  a key that every verifier refuses; the message names tag and reason
absl::StatusOr<DkimKey> ParseDkimKey(std::string_view text);
absl::StatusOr<DkimKeyRecord> ParseDkimKeyRecord(std::string_view text);

// Findings that need no look-up. `path` is "dkim/<selector>".
std::vector<LintFinding> LintDkimKey(const DkimKey& key, std::string_view path);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_DKIM_KEY_H_
