// lib/mailauth/spf_record.h
// SPF records, RFC 7208 sections 3, 4.5, 5, 6 and 12: parsed strictly, because a receiver reads
// them so (one error anywhere is permerror for the whole record), and kept byte for byte, because
// what somebody else wrote is never rewritten. Pure.

#ifndef DMARCATE_LIB_MAILAUTH_SPF_RECORD_H_
#define DMARCATE_LIB_MAILAUTH_SPF_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/ip_address.h"
#include "lib/mailauth/lint.h"

namespace dmarcate {

inline constexpr int kMaxSpfLookups = 10;       // RFC 7208 section 4.6.4
inline constexpr int kMaxSpfVoidLookups = 2;    // RFC 7208 section 4.6.4
inline constexpr int kSpfLookupMargin = 8;      // from here on there is little room; we warn
inline constexpr size_t kMaxSpfOctets = 65535;  // what a TXT record can hold at all

enum class SpfQualifier : char { kPass = '+', kFail = '-', kSoftFail = '~', kNeutral = '?' };

enum class SpfKind : uint8_t {
  kAll,
  kInclude,
  kA,
  kMx,
  kPtr,
  kIp4,
  kIp6,
  kExists,  // mechanisms
  kRedirect,
  kExp,
  kUnknownModifier,  // modifiers
};
std::string_view ToString(SpfKind kind);  // "include"; "modifier" for unknown ones

// One mechanism or modifier.
struct SpfTerm {
  SpfKind kind = SpfKind::kAll;
  SpfQualifier qualifier = SpfQualifier::kPass;  // mechanisms only
  std::string name;         // lower case: "include"; of an unknown modifier its own name
  std::string domain_spec;  // macro-string as written, empty if absent
  // ip4 and ip6. Absent for an ip6 network inside ::ffff:0:0/96: it can match nothing, since a
  // client with an IPv4-mapped address counts as IPv4 (section 5).
  std::optional<IpNetwork> network;
  int ipv4_prefix_length = 32;      // a, mx
  int ipv6_prefix_length = 128;     // a, mx
  std::string text;                 // exactly as written, qualifier included
  std::string blanks_before = " ";  // exactly as written

  bool is_modifier() const { return kind >= SpfKind::kRedirect; }
  // Counts toward the limit of 10 (section 4.6.4).
  bool costs_lookup() const;
  // The target depends on client or sender.
  bool has_macros() const { return domain_spec.find('%') != std::string::npos; }

  // The same for all terms of the same meaning: "a:example.com/32//128".
  std::string Canonical() const;
  // By meaning: "+A:Example.com." equals "a:example.com/32". Written forms may differ.
  friend bool operator==(const SpfTerm& a, const SpfTerm& b);
};

struct SpfRecord {
  std::string version = "v=spf1";  // as written; case is free
  std::vector<SpfTerm> terms;
  std::string trailing_blanks;

  // The bytes that were parsed, if nothing was changed since.
  std::string Render() const;
  // Of the first `all`, whatever its qualifier.
  std::optional<size_t> IndexOfAll() const;
  // The term that equals `term` by meaning.
  std::optional<size_t> Find(const SpfTerm& term) const;
  const SpfTerm* redirect() const;  // null if none; ignored by receivers when there is an `all`
  // Puts `term` before the first `all`, or before the first modifier, or at the end: where it is
  // reached. The other terms keep their bytes.
  void InsertBeforeAll(SpfTerm term);

  friend bool operator==(const SpfRecord& a, const SpfRecord& b);  // by meaning, in order
};

//   kInvalidArgument  the message names position (octets from 0) and term
absl::StatusOr<SpfRecord> ParseSpf(std::string_view text);
// One term, no blanks around it. kInvalidArgument as above.
absl::StatusOr<SpfTerm> ParseSpfTerm(std::string_view text);

// Section 4.5: which of the TXT records at a name is the SPF record.
struct SpfSelection {
  enum class Outcome : uint8_t { kNone, kOne, kMultiple };  // kMultiple is permerror
  Outcome outcome = Outcome::kNone;
  std::vector<size_t> indexes;  // of all that qualify
};
// `records`: each with its character-strings joined (TxtRecord::Joined).
SpfSelection SelectSpf(const std::vector<std::string>& records);
// "v=spf1", followed by a blank or the end.
bool IsSpfText(std::string_view text);

// The rightmost labels of `domain_spec` after its last macro: "example.com" of
// "%{ir}._spf.example.com"; empty if it ends in a macro. For showing and for watching.
std::string StaticSuffix(std::string_view domain_spec);

// Findings that need no look-up. `path` prefixes each finding's path.
std::vector<LintFinding> LintSpf(const SpfRecord& record, std::string_view path = "spf");

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_SPF_RECORD_H_
