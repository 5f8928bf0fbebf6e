#include "lib/report/domain_text.h"

#include <algorithm>

#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {
namespace {

constexpr std::string_view kListSeparators = ", ;\t\r\n";

bool IsAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<signed char>(c) >= 0; });
}

// "joe@x, ann@y" becomes "*@x, *@y".
std::string WithoutLocalParts(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '@') {
      const size_t begin = out.find_last_of(kListSeparators);
      out.resize(begin == std::string::npos ? 0 : begin + 1);
      out += '*';
    }
    out += c;
  }
  return out;
}

std::string_view Without(std::string_view text, char open, char close) {
  if (text.size() >= 2 && text.front() == open && text.back() == close) {
    return TrimAscii(text.substr(1, text.size() - 2));
  }
  return text;
}

}  // namespace

bool IsHostName(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  size_t label = 0;
  for (const char c : text) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') {
      if (++label > 63) return false;
    } else {
      return false;
    }
  }
  return label > 0;
}

bool IsAtOrBelowText(std::string_view domain, std::string_view ancestor) {
  if (!domain.ends_with(ancestor)) return false;
  return domain.size() == ancestor.size() || ancestor.empty() ||
         domain[domain.size() - ancestor.size() - 1] == '.';
}

DomainText ReadDomainText(std::string_view raw, OddDomain odd) {
  DomainText domain;
  if (IsHostName(raw)) {  // nearly always
    domain.text = raw;
    return domain;
  }
  std::string_view text = Without(raw, '<', '>');
  domain.from_address = text.size() != raw.size();
  const size_t cut = text.find_first_of(kListSeparators);
  if (odd == OddDomain::kRead && cut != std::string_view::npos) {
    domain.several = true;
    text = Without(text.substr(0, cut), '<', '>');
  }
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
    domain.from_address = true;
    if (cut != std::string_view::npos && odd == OddDomain::kKeep) {
      domain.text = WithoutLocalParts(AsciiLower(text));
      domain.invalid = true;
      return domain;
    }
    text.remove_prefix(at + 1);
  }
  if (text.size() > 1 && text.ends_with('.')) text.remove_suffix(1);
  domain.text = AsciiLower(text);
  if (!IsAscii(text)) {
    if (const auto name = DomainName::Parse(text); name.ok() && !name->IsRoot()) {
      domain.text = name->text();
      domain.idna = true;
    }
  }
  domain.invalid = !IsHostName(domain.text);
  return domain;
}

}  // namespace dmarcate
