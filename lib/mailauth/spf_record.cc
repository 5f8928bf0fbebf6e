#include "lib/mailauth/spf_record.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/spf_macro.h"
#include "lib/mailauth/spf_term_parser.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr std::string_view kVersion = "v=spf1";

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

// Terms are large, so they are not moved while a record grows.
size_t CountTerms(std::string_view text) {
  size_t count = 0;
  for (size_t i = 1; i < text.size(); ++i) count += text[i] != ' ' && text[i - 1] == ' ' ? 1 : 0;
  return count;
}

}  // namespace

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

std::string SpfTerm::Canonical() const {
  std::string head = is_modifier() ? name : std::string(1, static_cast<char>(qualifier)) + name;
  switch (kind) {
    case SpfKind::kAll:
      return head;
    case SpfKind::kIp4:
    case SpfKind::kIp6:
      // Without a network the text is all there is to tell them apart.
      return fmt::format("{}:{}", head, network ? network->ToString() : AsciiLower(text));
    case SpfKind::kUnknownModifier:
      return fmt::format("{}={}", head, domain_spec);
    default:
      return fmt::format("{}:{}/{}//{}", head, CanonicalSpec(domain_spec), ipv4_prefix_length,
                         ipv6_prefix_length);
  }
}

bool operator==(const SpfTerm& a, const SpfTerm& b) {
  return a.kind == b.kind && a.Canonical() == b.Canonical();
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

absl::StatusOr<SpfRecord> ParseSpf(std::string_view text) {
  if (text.size() > kMaxSpfOctets) {
    return SyntaxError(kMaxSpfOctets, "record is longer than a TXT record can be");
  }
  if (!IsSpfText(text)) return SyntaxError(0, "record does not begin with 'v=spf1' and a blank");
  SpfRecord record;
  record.version = std::string(text.substr(0, kVersion.size()));
  record.terms.reserve(CountTerms(text.substr(kVersion.size())));
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
    auto parsed = ParseSpfTermAt(text.substr(begin, at - begin), begin);
    if (!parsed.ok()) return parsed.status();
    SpfTerm& term = record.terms.emplace_back(*std::move(parsed));
    term.blanks_before = std::string(blanks);
    bool* const seen = term.kind == SpfKind::kRedirect ? &redirect_seen
                       : term.kind == SpfKind::kExp    ? &exp_seen
                                                       : nullptr;
    if (seen != nullptr && std::exchange(*seen, true)) {
      return SyntaxError(begin, fmt::format("second '{}='", term.name));
    }
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
