#include "lib/mailauth/tlsa_record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <memory>
#include <optional>

#include "fmt/format.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "lib/base/freer.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxRdataOctets = 65535;  // RFC 1035 section 3.2.1
constexpr size_t kHeadOctets = 3;
// Twice the octets, with a blank after each.
constexpr size_t kMaxTextOctets = 4 * kMaxRdataOctets;
constexpr size_t kSha256Octets = 32;
constexpr size_t kSha512Octets = 64;

// RFC 7218.
using Names = std::array<std::string_view, 4>;
constexpr Names kUsages = {"PKIX-TA", "PKIX-EE", "DANE-TA", "DANE-EE"};
constexpr Names kSelectors = {"Cert", "SPKI", "", ""};
constexpr Names kMatchingTypes = {"Full", "SHA2-256", "SHA2-512", ""};
constexpr std::string_view kPrivate = "Priv";  // 255: PrivCert, PrivSel, PrivMatch

using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using PkeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

// The whole of `der` must be it.
bool IsCertificate(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = at + der.size();
  const X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  return certificate != nullptr && at == end;
}
bool IsPublicKey(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = at + der.size();
  const PkeyPtr key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  return key != nullptr && at == end;
}

// Cuts off the next word and the blanks before it. `rest` stays a view into the whole text.
std::string_view TakeWord(std::string_view& rest) {
  while (!rest.empty() && IsBlank(rest.front())) rest.remove_prefix(1);
  const size_t length = std::min(rest.find_first_of(" \t"), rest.size());
  const std::string_view word = rest.substr(0, length);
  rest.remove_prefix(length);
  return word;
}

template <typename T>
std::optional<T> ParseNumber(std::string_view word) {
  T value = 0;
  if (word.empty() || !std::ranges::all_of(word, IsDigit)) return std::nullopt;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<uint8_t> ParseOctet(std::string_view word, const Names& names,
                                  std::string_view private_suffix) {
  if (const auto number = ParseNumber<uint8_t>(word)) return number;
  for (size_t i = 0; i < names.size(); ++i) {
    if (!names[i].empty() && EqualsIgnoreCase(word, names[i])) return static_cast<uint8_t>(i);
  }
  if (EqualsIgnoreCase(word, fmt::format("{}{}", kPrivate, private_suffix))) return UINT8_MAX;
  return std::nullopt;
}

absl::StatusOr<std::string> ParseHex(std::string_view text, size_t position) {
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    if (IsBlank(text[i])) continue;
    if (!IsHexDigit(text[i])) return SyntaxError(position + i, "a hex digit is expected");
    digits.push_back(text[i]);
  }
  if (digits.empty()) return SyntaxError(position, "there are no data");
  if (digits.size() % 2 != 0) {
    return SyntaxError(position + text.size(), "the number of hex digits is odd");
  }
  if (digits.size() / 2 > kMaxRdataOctets) {
    return SyntaxError(position, "data are longer than a record can be");
  }
  return FromHex(digits);
}

// RFC 3597 section 5, behind "\#".
absl::StatusOr<TlsaRecord> ParseUnknownType(std::string_view text, std::string_view rest) {
  const std::string_view count = TakeWord(rest);
  const auto octets = ParseNumber<uint16_t>(count);
  const auto position = [text](std::string_view at) { return text.size() - at.size(); };
  if (!octets.has_value()) {
    return SyntaxError(position(rest) - count.size(), "a number of octets is expected");
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::string rdata, ParseHex(rest, position(rest)));
  if (rdata.size() != *octets) {
    return SyntaxError(position(rest),
                       fmt::format("{} octets follow, not {}", rdata.size(), *octets));
  }
  return ParseTlsaRdata(rdata);
}

}  // namespace

std::string_view ToString(TlsaUsability usability) {
  switch (usability) {
    case TlsaUsability::kUsable:
      return "usable";
    case TlsaUsability::kPkixUsage:
      return "pkix-usage";
    case TlsaUsability::kUnknownUsage:
      return "unknown-usage";
    case TlsaUsability::kUnknownSelector:
      return "unknown-selector";
    case TlsaUsability::kUnknownMatchingType:
      return "unknown-matching-type";
    case TlsaUsability::kDigestLength:
      return "digest-length";
    case TlsaUsability::kNoCertificate:
      return "no-certificate";
    case TlsaUsability::kNoPublicKey:
      return "no-public-key";
  }
  return "unknown-usage";
}

TlsaUsability TlsaRecord::Usability() const {
  if (usage == tlsa::kPkixTa || usage == tlsa::kPkixEe) return TlsaUsability::kPkixUsage;
  if (usage != tlsa::kDaneTa && usage != tlsa::kDaneEe) return TlsaUsability::kUnknownUsage;
  if (selector != tlsa::kCert && selector != tlsa::kSpki) return TlsaUsability::kUnknownSelector;
  switch (matching_type) {
    case tlsa::kFull:
      if (selector == tlsa::kCert) {
        return IsCertificate(data) ? TlsaUsability::kUsable : TlsaUsability::kNoCertificate;
      }
      return IsPublicKey(data) ? TlsaUsability::kUsable : TlsaUsability::kNoPublicKey;
    case tlsa::kSha256:
      return data.size() == kSha256Octets ? TlsaUsability::kUsable : TlsaUsability::kDigestLength;
    case tlsa::kSha512:
      return data.size() == kSha512Octets ? TlsaUsability::kUsable : TlsaUsability::kDigestLength;
    default:
      return TlsaUsability::kUnknownMatchingType;
  }
}

std::string TlsaRecord::ToPresentation() const {
  return fmt::format("{} {} {} {}", usage, selector, matching_type, ToHex(data));
}

std::string TlsaRecord::ToRdata() const {
  std::string out;
  for (const uint8_t octet : {usage, selector, matching_type}) {
    out.push_back(static_cast<char>(octet));
  }
  return out + data;
}

absl::StatusOr<TlsaRecord> ParseTlsaRdata(std::string_view rdata) {
  if (rdata.size() > kMaxRdataOctets) {
    return MakeError(absl::StatusCode::kInvalidArgument, "tlsa: longer than a record can be");
  }
  if (rdata.size() <= kHeadOctets) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("tlsa: {} octets, at least 4 are needed", rdata.size()));
  }
  TlsaRecord record;
  record.usage = static_cast<uint8_t>(rdata[0]);
  record.selector = static_cast<uint8_t>(rdata[1]);
  record.matching_type = static_cast<uint8_t>(rdata[2]);
  record.data = std::string(rdata.substr(kHeadOctets));
  return record;
}

absl::StatusOr<TlsaRecord> ParseTlsa(std::string_view text) {
  if (text.size() > kMaxTextOctets) {
    return SyntaxError(kMaxTextOctets, "text is longer than a record can be");
  }
  std::string_view rest = text;
  struct Head {
    std::string_view what;
    const Names& names;
    std::string_view private_suffix;
  };
  const std::array<Head, kHeadOctets> kHeads = {{{"certificate usage", kUsages, "Cert"},
                                                 {"selector", kSelectors, "Sel"},
                                                 {"matching type", kMatchingTypes, "Match"}}};
  std::array<uint8_t, kHeadOctets> octets{};
  for (size_t i = 0; i < kHeads.size(); ++i) {
    const std::string_view word = TakeWord(rest);
    if (i == 0 && word == "\\#") return ParseUnknownType(text, rest);
    const auto octet = ParseOctet(word, kHeads[i].names, kHeads[i].private_suffix);
    if (!octet.has_value()) {
      return SyntaxError(text.size() - rest.size() - word.size(),
                         fmt::format("{} is no {}", Quoted(word), kHeads[i].what));
    }
    octets[i] = *octet;
  }
  TlsaRecord record;
  record.usage = octets[0];
  record.selector = octets[1];
  record.matching_type = octets[2];
  DMARCATE_ASSIGN_OR_RETURN(record.data, ParseHex(rest, text.size() - rest.size()));
  if (record.data.size() + kHeadOctets > kMaxRdataOctets) {
    return SyntaxError(text.size(), "data are longer than a record can be");
  }
  return record;
}

}  // namespace dmarcate
