#include "lib/mailauth/spf_term_parser.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/spf_macro.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

bool IsNameChar(char c) { return IsAlpha(c) || IsDigit(c) || c == '-' || c == '_' || c == '.'; }

struct NamedKind {
  std::string_view name;
  SpfKind kind;
};
constexpr std::array<NamedKind, 8> kMechanisms = {{{"all", SpfKind::kAll},
                                                   {"include", SpfKind::kInclude},
                                                   {"a", SpfKind::kA},
                                                   {"mx", SpfKind::kMx},
                                                   {"ptr", SpfKind::kPtr},
                                                   {"ip4", SpfKind::kIp4},
                                                   {"ip6", SpfKind::kIp6},
                                                   {"exists", SpfKind::kExists}}};

// toplabel of section 12: letters and digits with at least one letter, or with an inner hyphen.
bool IsTopLabel(std::string_view label) {
  if (label.empty() || label.front() == '-' || label.back() == '-') return false;
  bool letter = false;
  bool hyphen = false;
  for (const char c : label) {
    if (!IsAlpha(c) && !IsDigit(c) && c != '-') return false;
    letter |= IsAlpha(c);
    hyphen |= c == '-';
  }
  return letter || hyphen;
}

// domain-spec: a macro-string that ends in ".toplabel", ".toplabel." or a macro.
absl::Status CheckDomainSpec(std::string_view spec, size_t position) {
  if (spec.empty()) return SyntaxError(position, "domain is missing");
  DMARCATE_ASSIGN_OR_RETURN(const auto pieces,
                            ParseMacroString(spec, SpfMacroUse::kDomainSpec, position));
  if (pieces.back().is_macro_expand) return absl::OkStatus();
  std::string_view tail = pieces.back().literal;
  if (tail.ends_with('.')) tail.remove_suffix(1);
  const size_t dot = tail.rfind('.');
  if (dot == std::string_view::npos) {
    return SyntaxError(position,
                       fmt::format("{} is not a domain of two labels or more", Quoted(spec)));
  }
  if (!IsTopLabel(tail.substr(dot + 1))) {
    return SyntaxError(
        position,
        fmt::format("{} ends in no top-level label{}", Quoted(spec),
                    IpAddress::Parse(spec) ? "; an address is written ip4: or ip6:" : ""));
  }
  return absl::OkStatus();
}

// A prefix length without leading zeros, at most `limit`.
absl::StatusOr<int> ParsePrefix(std::string_view digits, int limit, size_t position) {
  const bool plain = !digits.empty() && digits.size() <= 3 &&
                     std::ranges::all_of(digits, IsDigit) &&
                     (digits.size() == 1 || digits[0] != '0');
  int value = 0;
  if (plain) {
    for (const char c : digits) value = value * 10 + (c - '0');
  }
  if (!plain || value > limit) {
    return SyntaxError(position, fmt::format("{} is no prefix length of 0 to {}",
                                             Quoted(fmt::format("/{}", digits)), limit));
  }
  return value;
}

// The IPv6 network of `length` (under 96) bits around an IPv4-mapped address.
IpNetwork MappedNetwork(const IpAddress& address, int length) {
  std::array<uint8_t, 16> bytes = address.bytes();
  for (int bit = length; bit < 128; ++bit) {
    bytes[static_cast<size_t>(bit / 8)] &= static_cast<uint8_t>(~(0x80 >> (bit % 8)));
  }
  return {IpAddress::FromBytes(bytes), length};
}

// Reads one term; `begin_` is where it stands in the record, for messages.
class TermParser {
 public:
  TermParser(std::string_view text, size_t begin) : text_(text), begin_(begin) {}

  absl::StatusOr<SpfTerm> Parse() {
    term_.text = std::string(text_);
    const bool qualified =
        !text_.empty() && std::string_view("+-~?").find(text_[0]) != std::string_view::npos;
    if (qualified) {
      term_.qualifier = static_cast<SpfQualifier>(text_[0]);
      at_ = 1;
    }
    const size_t name_begin = at_;
    while (at_ < text_.size() && IsNameChar(text_[at_])) ++at_;
    const std::string_view name = text_.substr(name_begin, at_ - name_begin);
    if (name.empty() || !IsAlpha(name[0])) return Error(name_begin, "is no term");
    term_.name = AsciiLower(name);
    const bool modifier = at_ < text_.size() && text_[at_] == '=';
    if (modifier && qualified) return Error(0, "has a qualifier, which a modifier cannot have");
    if (modifier) {
      DMARCATE_RETURN_IF_ERROR(ParseModifier());
    } else {
      DMARCATE_RETURN_IF_ERROR(ParseMechanism());
    }
    return std::move(term_);
  }

 private:
  absl::Status Error(size_t at, std::string_view what) const {
    return SyntaxError(begin_ + at, fmt::format("{} {}", Quoted(text_), what));
  }
  std::string_view Rest() const { return text_.substr(at_); }

  absl::Status ParseModifier() {
    ++at_;
    term_.domain_spec = std::string(Rest());
    if (term_.name == "redirect" || term_.name == "exp") {
      term_.kind = term_.name == "exp" ? SpfKind::kExp : SpfKind::kRedirect;
      return CheckDomainSpec(Rest(), begin_ + at_);
    }
    term_.kind = SpfKind::kUnknownModifier;
    return ParseMacroString(Rest(), SpfMacroUse::kExplanation, begin_ + at_).status();
  }

  absl::Status ParseMechanism() {
    const auto* known = std::ranges::find(kMechanisms, term_.name, &NamedKind::name);
    if (known == kMechanisms.end()) return UnknownMechanism();
    term_.kind = known->kind;
    switch (term_.kind) {
      case SpfKind::kAll:
        return Rest().empty() ? absl::OkStatus() : Error(at_, "has something behind 'all'");
      case SpfKind::kIp4:
      case SpfKind::kIp6:
        return ParseIp();
      case SpfKind::kA:
      case SpfKind::kMx:
        DMARCATE_RETURN_IF_ERROR(TakePrefixes());
        return ParseDomain(/*mandatory=*/false);
      case SpfKind::kPtr:
        return ParseDomain(/*mandatory=*/false);
      default:
        return ParseDomain(/*mandatory=*/true);
    }
  }

  absl::Status UnknownMechanism() const {
    std::vector<std::string> names = {"redirect", "exp"};
    for (const NamedKind& known : kMechanisms) names.emplace_back(known.name);
    const std::string near = Nearest(term_.name, names);
    return Error(0, near.empty() ? "is no mechanism"
                                 : fmt::format("is no mechanism; did you mean '{}'?", near));
  }

  // Cuts "/24", "//64" or "/24//64" off the end. Only digits behind a slash count: a slash may also
  // stand inside a domain-spec.
  absl::Status TakePrefixes() {
    size_t end = text_.size();
    size_t digits = DigitsBefore(end);
    if (digits < end && digits >= at_ + 2 && text_[digits - 1] == '/' && text_[digits - 2] == '/') {
      DMARCATE_ASSIGN_OR_RETURN(
          term_.ipv6_prefix_length,
          ParsePrefix(text_.substr(digits, end - digits), 128, begin_ + digits));
      end = digits - 2;
      digits = DigitsBefore(end);
    }
    if (digits < end && digits >= at_ + 1 && text_[digits - 1] == '/') {
      DMARCATE_ASSIGN_OR_RETURN(
          term_.ipv4_prefix_length,
          ParsePrefix(text_.substr(digits, end - digits), 32, begin_ + digits));
      end = digits - 1;
    }
    text_ = text_.substr(0, end);
    return absl::OkStatus();
  }
  size_t DigitsBefore(size_t end) const {
    size_t i = end;
    while (i > at_ && IsDigit(text_[i - 1])) --i;
    return i;
  }

  absl::Status ParseDomain(bool mandatory) {
    if (Rest().empty() && !mandatory) return absl::OkStatus();
    if (Rest().empty()) return Error(at_, "needs ':' and a domain");
    if (Rest()[0] != ':') return Error(at_, "has something unexpected behind its name");
    ++at_;
    term_.domain_spec = std::string(Rest());
    return CheckDomainSpec(Rest(), begin_ + at_);
  }

  absl::Status ParseIp() {
    if (Rest().empty() || Rest()[0] != ':') return Error(at_, "needs ':' and an address");
    ++at_;
    const bool v6 = term_.kind == SpfKind::kIp6;
    const size_t slash = Rest().find('/');
    const std::string_view address_text = Rest().substr(0, slash);
    const auto address = IpAddress::Parse(address_text);
    const bool right_family =
        address.has_value() && (address_text.find(':') != std::string_view::npos) == v6;
    if (!right_family) {
      return SyntaxError(begin_ + at_,
                         fmt::format("{} is no IPv{} address", Quoted(address_text), v6 ? 6 : 4));
    }
    const int limit = v6 ? 128 : 32;
    int length = limit;
    if (slash != std::string_view::npos) {
      DMARCATE_ASSIGN_OR_RETURN(
          length, ParsePrefix(Rest().substr(slash + 1), limit, begin_ + at_ + slash + 1));
    }
    if (v6 && address->is_v4()) {
      // ::ffff:a.b.c.d and its length count the whole 128 bits here.
      if (length < 96) term_.network = MappedNetwork(*address, length);
      return absl::OkStatus();
    }
    term_.network = IpNetwork{address->Masked(length), length};
    return absl::OkStatus();
  }

  std::string_view text_;
  size_t begin_;
  size_t at_ = 0;
  SpfTerm term_;
};

}  // namespace

std::string_view ToString(SpfKind kind) {
  switch (kind) {
    case SpfKind::kRedirect:
      return "redirect";
    case SpfKind::kExp:
      return "exp";
    case SpfKind::kUnknownModifier:
      return "modifier";
    default:
      return std::ranges::find(kMechanisms, kind, &NamedKind::kind)->name;
  }
}

absl::StatusOr<SpfTerm> ParseSpfTermAt(std::string_view text, size_t begin) {
  return TermParser(text, begin).Parse();
}

absl::StatusOr<SpfTerm> ParseSpfTerm(std::string_view text) { return ParseSpfTermAt(text, 0); }

}  // namespace dmarcate
