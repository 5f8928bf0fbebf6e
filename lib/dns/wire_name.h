// lib/dns/wire_name.h
// Names between octets on the wire (RFC 1035 section 3.1, without compression) and DomainName.
// Never through text with escapes: what cannot be a DomainName is no name for us.

#ifndef DMARCATE_LIB_DNS_WIRE_NAME_H_
#define DMARCATE_LIB_DNS_WIRE_NAME_H_

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "lib/mailauth/domain_name.h"

namespace dmarcate {

inline std::string EncodeWireName(const DomainName& name) {
  std::string out;
  for (const std::string_view label : name.labels()) {
    out += static_cast<char>(label.size());
    out += label;
  }
  out += '\0';
  return out;
}

// Nothing if a label holds a dot, a non-ASCII octet, or what DomainName refuses.
inline std::optional<DomainName> DecodeWireName(std::string_view wire) {
  std::string text;
  while (!wire.empty() && wire.front() != '\0') {
    const size_t size = static_cast<unsigned char>(wire.front());
    if (size + 1 >= wire.size()) return std::nullopt;
    const std::string_view label = wire.substr(1, size);
    if (std::ranges::any_of(label, [](unsigned char c) { return c == '.' || c >= 0x7F; })) {
      return std::nullopt;
    }
    text += label;
    text += '.';
    wire.remove_prefix(1 + size);
  }
  if (wire.size() != 1) return std::nullopt;
  if (text.empty()) return DomainName();
  auto name = DomainName::Parse(text);
  if (!name.ok()) return std::nullopt;
  return *std::move(name);
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_WIRE_NAME_H_
