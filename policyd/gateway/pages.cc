#include "policyd/gateway/pages.h"

#include <algorithm>

#include "lib/base/text.h"
#include "lib/mailauth/host_name.h"

namespace dmarcate {
namespace {

constexpr std::string_view kStsLabel = "mta-sts";

// "host:443" without the port; an address in brackets is no name anyhow.
std::string_view WithoutPort(std::string_view host) {
  const size_t colon = host.rfind(':');
  if (colon == std::string_view::npos) return host;
  const std::string_view port = host.substr(colon + 1);
  const bool digits = std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
  return digits ? host.substr(0, colon) : host;
}

}  // namespace

std::optional<DomainName> StsDomainOf(std::string_view host) {
  const std::string_view name = WithoutPort(host);
  const bool ascii = std::ranges::all_of(name, [](unsigned char c) { return c < 0x80; });
  const auto parsed = DomainName::Parse(name);
  if (!ascii || !parsed.ok() || !IsHostName(*parsed)) return std::nullopt;
  if (parsed->label_count() < 2 || parsed->labels().front() != kStsLabel) return std::nullopt;
  return parsed->Parent();
}

HttpAnswer AnswerPage(const HttpQuestion& question, const PageSources& sources) {
  const std::string_view path = question.target.substr(0, question.target.find('?'));
  const bool known = path == "/healthz" || path == "/readyz" || path == "/.well-known/mta-sts.txt";
  if (!known) return {404, "not found\n"};
  if (question.method != "GET" && question.method != "HEAD") {
    return {405, "GET and HEAD only\n", "GET, HEAD"};
  }
  if (path == "/healthz") return {200, "ok\n"};
  if (path == "/readyz") {
    return sources.is_ready() ? HttpAnswer{200, "ready\n"} : HttpAnswer{503, "not ready yet\n"};
  }
  const std::optional<DomainName> domain = StsDomainOf(question.host);
  std::optional<std::string> file;
  if (domain.has_value()) file = sources.sts_file(*domain);
  return file.has_value() ? HttpAnswer{200, *std::move(file)} : HttpAnswer{404, "no policy\n"};
}

}  // namespace dmarcate
