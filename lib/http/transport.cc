#include "lib/http/transport.h"

#include <algorithm>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxUrlBytes = 8192;
constexpr size_t kMaxHeaders = 64;

// RFC 9110 section 5.6.2.
bool IsToken(std::string_view s) {
  return !s.empty() && std::ranges::all_of(s, [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool HasControl(std::string_view s) {
  return std::ranges::any_of(s, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

// "https://host:port" and the rest; nothing if `url` has no authority.
std::optional<std::string_view> OriginView(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  const size_t end = url.find_first_of("/?#\\", scheme + 3);
  const std::string_view origin = url.substr(0, end);
  if (origin.size() == scheme + 3) return std::nullopt;
  return origin;
}

}  // namespace

std::optional<std::string_view> HttpResponse::Header(std::string_view name) const {
  const auto found = std::ranges::find_if(
      headers, [name](const HttpHeader& header) { return EqualsIgnoreCase(header.name, name); });
  if (found == headers.end()) return std::nullopt;
  return found->value;
}

std::string OriginOf(std::string_view url) {
  const auto origin = OriginView(url);
  if (!origin) return "(no url)";
  const size_t at = origin->rfind('@');
  if (at == std::string_view::npos) return EscapeForTerminal(*origin);
  const size_t scheme = origin->find("://") + 3;
  return EscapeForTerminal(std::string(origin->substr(0, scheme)) +
                           std::string(origin->substr(at + 1)));
}

absl::Status ValidateRequest(const HttpRequest& request) {
  const auto refuse = [&request](std::string_view why) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("http request to {}: {}", OriginOf(request.url), why));
  };
  if (!IsToken(request.method) || request.method.size() > 16) return refuse("bad method");
  if (request.url.size() > kMaxUrlBytes) return refuse("url over 8192 octets");
  if (!StartsWithIgnoreCase(request.url, "https://") &&
      !StartsWithIgnoreCase(request.url, "http://")) {
    return refuse("url is neither https nor http");
  }
  if (std::ranges::any_of(request.url,
                          [](unsigned char c) { return c <= 0x20 || c >= 0x7F || c == '\\'; })) {
    return refuse("blank, backslash, control or non-ascii octet in the url");
  }
  const auto origin = OriginView(request.url);
  if (!origin) return refuse("url without a host");
  if (origin->find('@') != std::string_view::npos) return refuse("user or password in the url");
  if (request.headers.size() > kMaxHeaders) return refuse("more than 64 headers");
  for (const HttpHeader& header : request.headers) {
    if (!IsToken(header.name)) return refuse("a header name is no token");
    if (HasControl(header.value)) {
      return refuse(fmt::format("control character in header {}", header.name));
    }
  }
  if (request.deadline <= absl::ZeroDuration()) {
    return MakeError(absl::StatusCode::kUnavailable,
                     fmt::format("{} {}: no time left, nothing was sent", request.method,
                                 OriginOf(request.url)));
  }
  return absl::OkStatus();
}

}  // namespace dmarcate
