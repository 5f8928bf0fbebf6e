#include "policyd/provider/api/url.h"

#include "fmt/format.h"

#include "lib/base/text.h"

namespace dmarcate {

std::string QueryEscape(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (alnum || c == '.' || c == '-' || c == '_' || c == '~') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string HostOfUrl(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "";
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#\\"));
  if (url.find('@') != std::string_view::npos) return "";
  return AsciiLower(url.substr(0, url.find(':')));
}

}  // namespace dmarcate
