// lib/mailauth/tlsa_record.h
// TLSA records (RFC 6698 section 2, RFC 7671) as DANE for SMTP uses them (RFC 7672): at
// `_25._tcp.<mail server>`. A record with values that nobody knows is kept as it is; whether a
// client can use it is a question of its own. Whether a certificate matches is not here. Pure;
// OpenSSL reads certificates and keys that are given in full.

#ifndef DMARCATE_LIB_MAILAUTH_TLSA_RECORD_H_
#define DMARCATE_LIB_MAILAUTH_TLSA_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/lint.h"

namespace dmarcate {

// The values that RFC 6698 section 2.1 and RFC 7218 name; each field is an octet and may hold
// others.
namespace tlsa {
inline constexpr uint8_t kPkixTa = 0;
inline constexpr uint8_t kPkixEe = 1;
inline constexpr uint8_t kDaneTa = 2;
inline constexpr uint8_t kDaneEe = 3;
inline constexpr uint8_t kCert = 0;  // selectors
inline constexpr uint8_t kSpki = 1;
inline constexpr uint8_t kFull = 0;  // matching types
inline constexpr uint8_t kSha256 = 1;
inline constexpr uint8_t kSha512 = 2;
}  // namespace tlsa

// Whether a client that does DANE for SMTP can use a record, and why not. A set of records none of
// which is usable asks for TLS without authentication (RFC 7672 section 2.2).
enum class TlsaUsability : uint8_t {
  kUsable,
  kPkixUsage,     // 0 and 1: undefined for SMTP (RFC 7672 section 3.1.3)
  kUnknownUsage,  // 4 to 255
  kUnknownSelector,
  kUnknownMatchingType,
  kDigestLength,   // not 32 octets for SHA-256, not 64 for SHA-512
  kNoCertificate,  // Cert in full, and the data are none
  kNoPublicKey,    // SPKI in full, and the data are none
};
std::string_view ToString(TlsaUsability usability);  // "digest-length"

// Where the fields begin in the text that was parsed, in octets from 0; -1 without a text.
struct TlsaPositions {
  int usage = -1;
  int selector = -1;
  int matching_type = -1;
  int data = -1;
};

struct TlsaRecord {
  uint8_t usage = 0;
  uint8_t selector = 0;
  uint8_t matching_type = 0;
  std::string data;         // certificate association data: octets
  TlsaPositions positions;  // no part of what the record is

  TlsaUsability Usability() const;
  // "3 1 1 0b9f..." (RFC 6698 section 2.2).
  std::string ToPresentation() const;
  std::string ToRdata() const;

  friend bool operator==(const TlsaRecord& a, const TlsaRecord& b) {
    return a.ToRdata() == b.ToRdata();
  }
};

// RDATA as on the wire. What is refused is a record to a client nonetheless: one it cannot use.
//   kInvalidArgument  under 4 octets, so without data, or more than RDATA can be
absl::StatusOr<TlsaRecord> ParseTlsaRdata(std::string_view rdata);

// The presentation format: three numbers, or the names of RFC 7218 ("DANE-EE SPKI SHA2-256"), then
// hex digits, in which blanks may stand. Or that of unknown types (RFC 3597): "\# 35 0301...".
//   kInvalidArgument  with the position (syntax_error.h)
absl::StatusOr<TlsaRecord> ParseTlsa(std::string_view text);
// Records of one server, one on each line; lines with nothing in them are read over. Positions are
// in `text`.
absl::StatusOr<std::vector<TlsaRecord>> ParseTlsaLines(std::string_view text);
// A text that is meant as such a record begins with a number and a blank, with the name of a
// certificate usage, or with "\#". White space in front does not count.
bool LooksLikeTlsa(std::string_view text);

// Findings about all TLSA records of one mail server together. One of record N has the path
// "<path>/N", from 0.
std::vector<LintFinding> LintTlsa(const std::vector<TlsaRecord>& records,
                                  std::string_view path = "tlsa");

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_TLSA_RECORD_H_
