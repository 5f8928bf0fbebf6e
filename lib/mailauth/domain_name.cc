#include "lib/mailauth/domain_name.h"

#include <algorithm>
#include <memory>

#include <idn2.h>

#include "lib/base/ip_address.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxLabelOctets = 63;    // RFC 1035 section 2.3.4
constexpr size_t kMaxNameOctets = 253;    // of text; 255 on the wire
constexpr size_t kMaxInputOctets = 1024;  // U-labels may be longer than what they become

struct Idn2Freer {
  void operator()(char* p) const { idn2_free(p); }
};

absl::Status Bad(std::string_view text, std::string_view why) {
  constexpr size_t kQuoted = 80;
  const std::string shown = EscapeForTerminal(text.substr(0, kQuoted));
  return MakeError(
      absl::StatusCode::kInvalidArgument,
      fmt::format("domain name '{}{}': {}", shown, text.size() > kQuoted ? "..." : "", why));
}

bool IsAscii(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c < 0x80; });
}

// U-labels become A-labels (RFC 5891, with the mapping of UTS 46 in its non-transitional form, as
// browsers and mail programs do).
absl::StatusOr<std::string> ToALabels(std::string_view text) {
  char* raw = nullptr;
  const std::string input(text);
  if (!IsValidUtf8(input) || input.find('\0') != std::string::npos) {
    return Bad(text, "not valid UTF-8");
  }
  const int rc = idn2_to_ascii_8z(input.c_str(), &raw, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
  const std::unique_ptr<char, Idn2Freer> owner(raw);
  if (rc != IDN2_OK) return Bad(text, idn2_strerror(rc));
  return std::string(raw);
}

absl::Status CheckLabels(std::string_view text, std::string_view name) {
  for (const std::string_view label : Split(name, '.')) {
    if (label.empty()) return Bad(text, "empty label");
    if (label.size() > kMaxLabelOctets) return Bad(text, "label over 63 octets");
    for (const unsigned char c : label) {
      if (c <= ' ' || c == 0x7f) return Bad(text, "blank or control character");
      // An escape of the presentation format: what it stands for cannot be kept in this form.
      if (c == '\\' || c == '"') return Bad(text, "quote or backslash");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DomainName> DomainName::Parse(std::string_view text) {
  if (text.empty()) return Bad(text, "empty");
  if (text.size() > kMaxInputOctets) return Bad(text, "name over 253 octets");
  if (text == ".") return DomainName();
  std::string name;
  if (IsAscii(text)) {
    name = AsciiLower(text);
  } else {
    DMARCATE_ASSIGN_OR_RETURN(name, ToALabels(text));
    name = AsciiLower(name);
  }
  if (name.ends_with('.')) name.pop_back();
  if (name.size() > kMaxNameOctets) return Bad(text, "name over 253 octets");
  DMARCATE_RETURN_IF_ERROR(CheckLabels(text, name));
  if (name.front() == '[' || IpAddress::Parse(name).has_value()) {
    return Bad(text, "an IP address, not a name");
  }
  return DomainName(std::move(name));
}

std::vector<std::string_view> DomainName::labels() const {
  if (IsRoot()) return {};
  return Split(text_, '.');
}

size_t DomainName::label_count() const {
  return IsRoot() ? 0 : 1 + static_cast<size_t>(std::ranges::count(text_, '.'));
}

DomainName DomainName::Parent() const {
  const size_t dot = text_.find('.');
  return dot == std::string::npos ? DomainName() : DomainName(text_.substr(dot + 1));
}

absl::StatusOr<DomainName> DomainName::Child(std::string_view prefix) const {
  if (prefix.ends_with('.')) return Bad(prefix, "a prefix ends without a dot");
  return Parse(IsRoot() ? std::string(prefix) : fmt::format("{}.{}", prefix, text_));
}

bool DomainName::IsAtOrBelow(const DomainName& ancestor) const {
  if (ancestor.IsRoot() || text_ == ancestor.text_) return true;
  return text_.size() > ancestor.text_.size() && text_.ends_with(ancestor.text_) &&
         text_[text_.size() - ancestor.text_.size() - 1] == '.';
}

}  // namespace dmarcate
