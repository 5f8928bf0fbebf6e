#include "lib/mailauth/tlsa_record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

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
constexpr std::string_view kUsageSuffix = "Cert";
constexpr std::string_view kUnknownType = "\\#";  // RFC 3597 section 5

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

// A record's text, which begins at octet `base` of a larger one: that is what positions count in.
class TextParser {
 public:
  TextParser(std::string_view text, size_t base) : text_(text), rest_(text), base_(base) {}

  absl::StatusOr<TlsaRecord> Parse() {
    struct Head {
      std::string_view what;
      const Names& names;
      std::string_view private_suffix;
      uint8_t TlsaRecord::* value;
      int TlsaPositions::* position;
    };
    const std::array<Head, kHeadOctets> kHeads = {{
        {"certificate usage", kUsages, kUsageSuffix, &TlsaRecord::usage, &TlsaPositions::usage},
        {"selector", kSelectors, "Sel", &TlsaRecord::selector, &TlsaPositions::selector},
        {"matching type", kMatchingTypes, "Match", &TlsaRecord::matching_type,
         &TlsaPositions::matching_type},
    }};
    if (text_.size() > kMaxTextOctets) {
      return SyntaxError(base_ + kMaxTextOctets, "text is longer than a record can be");
    }
    TlsaRecord record;
    for (size_t i = 0; i < kHeads.size(); ++i) {
      const Head& head = kHeads[i];
      const std::string_view word = TakeWord(rest_);
      if (i == 0 && word == kUnknownType) return ParseUnknownType();
      const auto octet = ParseOctet(word, head.names, head.private_suffix);
      if (!octet.has_value()) {
        return SyntaxError(Position(word), fmt::format("{} is no {}", Quoted(word), head.what));
      }
      record.*head.value = *octet;
      record.positions.*head.position = static_cast<int>(Position(word));
    }
    DMARCATE_ASSIGN_OR_RETURN(record.data, ParseHex());
    if (record.data.size() + kHeadOctets > kMaxRdataOctets) {
      return SyntaxError(base_ + text_.size(), "data are longer than a record can be");
    }
    record.positions.data = PositionOfOctet(0);
    return record;
  }

 private:
  // Of a part of the text.
  size_t Position(std::string_view part) const {
    return base_ + static_cast<size_t>(part.data() - text_.data());
  }

  // Where octet `n` of the hex digits in `rest_` begins.
  int PositionOfOctet(size_t n) const {
    size_t digits = 0;
    for (size_t i = 0; i < rest_.size(); ++i) {
      if (!IsBlank(rest_[i]) && digits++ == 2 * n) return static_cast<int>(Position(rest_) + i);
    }
    return -1;
  }

  absl::StatusOr<std::string> ParseHex() const {
    const size_t position = Position(rest_);
    std::string digits;
    for (size_t i = 0; i < rest_.size(); ++i) {
      if (IsBlank(rest_[i])) continue;
      if (!IsHexDigit(rest_[i])) return SyntaxError(position + i, "a hex digit is expected");
      digits.push_back(rest_[i]);
    }
    if (digits.empty()) return SyntaxError(position, "there are no data");
    if (digits.size() % 2 != 0) {
      return SyntaxError(position + rest_.size(), "the number of hex digits is odd");
    }
    if (digits.size() / 2 > kMaxRdataOctets) {
      return SyntaxError(position, "data are longer than a record can be");
    }
    return FromHex(digits);
  }

  // RFC 3597 section 5, behind "\#".
  absl::StatusOr<TlsaRecord> ParseUnknownType() {
    const std::string_view count = TakeWord(rest_);
    const auto octets = ParseNumber<uint16_t>(count);
    if (!octets.has_value()) {
      return SyntaxError(Position(count), "a number of octets is expected");
    }
    DMARCATE_ASSIGN_OR_RETURN(const std::string rdata, ParseHex());
    if (rdata.size() != *octets) {
      return SyntaxError(Position(rest_),
                         fmt::format("{} octets follow, not {}", rdata.size(), *octets));
    }
    absl::StatusOr<TlsaRecord> record = ParseTlsaRdata(rdata);
    if (!record.ok()) return SyntaxError(Position(count), MessageOf(record.status()));
    record->positions = {PositionOfOctet(0), PositionOfOctet(1), PositionOfOctet(2),
                         PositionOfOctet(kHeadOctets)};
    return record;
  }

  const std::string_view text_;
  std::string_view rest_;  // what is not read yet
  const size_t base_;
};

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

absl::StatusOr<TlsaRecord> ParseTlsa(std::string_view text) { return TextParser(text, 0).Parse(); }

absl::StatusOr<std::vector<TlsaRecord>> ParseTlsaLines(std::string_view text) {
  std::vector<TlsaRecord> records;
  for (std::string_view line : Split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (TrimBlanks(line).empty()) continue;
    const auto base = static_cast<size_t>(line.data() - text.data());
    DMARCATE_ASSIGN_OR_RETURN(TlsaRecord record, TextParser(line, base).Parse());
    records.push_back(std::move(record));
  }
  return records;
}

bool LooksLikeTlsa(std::string_view text) {
  std::string_view rest = TrimAscii(text);
  const std::string_view word = TakeWord(rest);
  if (word.empty() || rest.empty()) return false;  // a word ends at a blank or with the text
  return word == kUnknownType || std::ranges::all_of(word, IsDigit) ||
         ParseOctet(word, kUsages, kUsageSuffix).has_value();
}

}  // namespace dmarcate
