#include "policyd/analysis/catalogue_text.h"

#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "policyd/analysis/catalogue_file.h"

namespace dmarcate {
namespace {

// A basic string of TOML 1.0.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string Line(std::string_view key, std::string_view text) {
  return text.empty() ? "" : fmt::format("{} = {}\n", key, Quoted(text));
}

std::string Line(std::string_view key, const std::vector<std::string>& texts) {
  if (texts.empty()) return "";
  std::vector<std::string> quoted;
  for (const std::string& text : texts) quoted.push_back(Quoted(text));
  return fmt::format("{} = [{}]\n", key, fmt::join(quoted, ", "));
}

std::string_view SpfText(SpfAlignment alignment) {
  switch (alignment) {
    case SpfAlignment::kUnknown:
      return "";
    case SpfAlignment::kByInclude:
      return "include";
    case SpfAlignment::kCustomReturnPath:
      return "return_path";
    case SpfAlignment::kNever:
      return "never";
  }
  return "";
}

}  // namespace

std::string RenderService(const MailService& service) {
  return "[[service]]\n" + Line("id", service.id) + Line("name", service.name) +
         Line("kind", ToString(service.kind)) + Line("spf_includes", service.spf_includes) +
         Line("dkim_domains", service.dkim_domains) +
         Line("envelope_domains", service.envelope_domains) + Line("selectors", service.selectors) +
         Line("reverse_names", service.reverse_names) + Line("mx_names", service.mx_names) +
         Line("ranges", service.ranges) + Line("shares", service.shares) +
         Line("spf", SpfText(service.spf_alignment)) + Line("setup", service.setup) +
         Line("url", service.url);
}

absl::StatusOr<MailService> ParseStoredService(std::string_view text, std::string_view id) {
  auto services = ParseServices(text, fmt::format("mail service {}", id));
  if (!services.ok()) {
    return MakeError(absl::StatusCode::kDataLoss, MessageOf(services.status()));
  }
  if (services->size() != 1 || services->front().id != id) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("mail service {}: its text is of another one", id));
  }
  return std::move(services->front());
}

absl::Status CheckOwnService(const MailService& service, const PublicSuffixList& suffixes) {
  const std::vector<std::string> faults = LintServices({&service, 1}, suffixes);
  if (faults.empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, faults.front());
}

}  // namespace dmarcate
