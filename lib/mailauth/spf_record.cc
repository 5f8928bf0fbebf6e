#include "lib/mailauth/spf_record.h"

#include <algorithm>
#include <array>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/spf_macro.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr std::string_view kVersion = "v=spf1";

bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
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

// Names compare without case, macro letters with it (upper case means escaping).
std::string CanonicalSpec(std::string_view spec) {
  std::string out;
  for (size_t i = 0; i < spec.size(); ++i) {
    if (spec[i] == '%' && i + 1 < spec.size()) {
      const size_t close = spec[i + 1] == '{' ? spec.find('}', i) : i + 1;
      const size_t end = std::min(close, spec.size() - 1);
      out += spec.substr(i, end - i + 1);
      i = end;
    } else {
      out.push_back(AsciiLower(spec[i]));
    }
  }
  if (out.ends_with('.')) out.pop_back();
  return out;
}

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

bool SpfTerm::costs_lookup() const {
  switch (kind) {
    case SpfKind::kInclude:
    case SpfKind::kA:
    case SpfKind::kMx:
    case SpfKind::kPtr:
    case SpfKind::kExists:
    case SpfKind::kRedirect:
      return true;
    default:
      return false;
  }
}

bool operator==(const SpfTerm& a, const SpfTerm& b) {
  if (a.kind != b.kind || a.name != b.name || a.qualifier != b.qualifier) return false;
  switch (a.kind) {
    case SpfKind::kAll:
      return true;
    case SpfKind::kIp4:
    case SpfKind::kIp6:
      return a.network == b.network && (a.network.has_value() || EqualsIgnoreCase(a.text, b.text));
    case SpfKind::kUnknownModifier:
      return a.domain_spec == b.domain_spec;
    default:
      return a.ipv4_prefix_length == b.ipv4_prefix_length &&
             a.ipv6_prefix_length == b.ipv6_prefix_length &&
             CanonicalSpec(a.domain_spec) == CanonicalSpec(b.domain_spec);
  }
}

std::string SpfRecord::Render() const {
  std::string out = version;
  for (const SpfTerm& term : terms) {
    out += term.blanks_before;
    out += term.text;
  }
  return out + trailing_blanks;
}

std::optional<size_t> SpfRecord::IndexOfAll() const {
  const auto all = std::ranges::find(terms, SpfKind::kAll, &SpfTerm::kind);
  if (all == terms.end()) return std::nullopt;
  return static_cast<size_t>(all - terms.begin());
}

std::optional<size_t> SpfRecord::Find(const SpfTerm& term) const {
  const auto found = std::ranges::find(terms, term);
  if (found == terms.end()) return std::nullopt;
  return static_cast<size_t>(found - terms.begin());
}

const SpfTerm* SpfRecord::redirect() const {
  const auto found = std::ranges::find(terms, SpfKind::kRedirect, &SpfTerm::kind);
  return found == terms.end() ? nullptr : &*found;
}

void SpfRecord::InsertBeforeAll(SpfTerm term) {
  size_t index = 0;
  if (const auto all = IndexOfAll()) {
    index = *all;
  } else {
    for (size_t i = 0; i < terms.size(); ++i) {
      if (!terms[i].is_modifier()) index = i + 1;
    }
  }
  if (term.blanks_before.empty()) term.blanks_before = " ";
  terms.insert(terms.begin() + static_cast<std::ptrdiff_t>(index), std::move(term));
}

bool operator==(const SpfRecord& a, const SpfRecord& b) { return a.terms == b.terms; }

absl::StatusOr<SpfTerm> ParseSpfTerm(std::string_view text) { return TermParser(text, 0).Parse(); }

absl::StatusOr<SpfRecord> ParseSpf(std::string_view text) {
  if (text.size() > kMaxSpfOctets) {
    return SyntaxError(kMaxSpfOctets, "record is longer than a TXT record can be");
  }
  if (!IsSpfText(text)) return SyntaxError(0, "record does not begin with 'v=spf1' and a blank");
  SpfRecord record;
  record.version = std::string(text.substr(0, kVersion.size()));
  bool redirect_seen = false;
  bool exp_seen = false;
  size_t at = kVersion.size();
  while (true) {
    const size_t begin = std::min(text.find_first_not_of(' ', at), text.size());
    const std::string_view blanks = text.substr(at, begin - at);
    if (begin == text.size()) {
      record.trailing_blanks = std::string(blanks);
      return record;
    }
    at = std::min(text.find(' ', begin), text.size());
    DMARCATE_ASSIGN_OR_RETURN(SpfTerm term,
                              TermParser(text.substr(begin, at - begin), begin).Parse());
    term.blanks_before = std::string(blanks);
    bool* const seen = term.kind == SpfKind::kRedirect ? &redirect_seen
                       : term.kind == SpfKind::kExp    ? &exp_seen
                                                       : nullptr;
    if (seen != nullptr && std::exchange(*seen, true)) {
      return SyntaxError(begin, fmt::format("second '{}='", term.name));
    }
    record.terms.push_back(std::move(term));
  }
}

bool IsSpfText(std::string_view text) {
  return StartsWithIgnoreCase(text, kVersion) &&
         (text.size() == kVersion.size() || text[kVersion.size()] == ' ');
}

SpfSelection SelectSpf(const std::vector<std::string>& records) {
  SpfSelection selection;
  for (size_t i = 0; i < records.size(); ++i) {
    if (IsSpfText(records[i])) selection.indexes.push_back(i);
  }
  using Outcome = SpfSelection::Outcome;
  selection.outcome = selection.indexes.empty()       ? Outcome::kNone
                      : selection.indexes.size() == 1 ? Outcome::kOne
                                                      : Outcome::kMultiple;
  return selection;
}

std::string StaticSuffix(std::string_view domain_spec) {
  const auto pieces = ParseMacroString(domain_spec, SpfMacroUse::kDomainSpec);
  if (!pieces.ok() || pieces->empty() || pieces->back().is_macro_expand) return "";
  std::string_view tail = pieces->back().literal;
  if (pieces->size() > 1) {
    // The first label of the tail is glued to the macro before it.
    const size_t dot = tail.find('.');
    tail = dot == std::string_view::npos ? "" : tail.substr(dot + 1);
  }
  if (tail.ends_with('.')) tail.remove_suffix(1);
  return AsciiLower(tail);
}

}  // namespace dmarcate
