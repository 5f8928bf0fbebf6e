#include "lib/unpack/plain_notice.h"

#include <algorithm>
#include <array>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kWindowBytes = 8192;
constexpr size_t kMaxLines = 60;

// The names seen, and the field each stands for.
struct Name {
  std::string_view sent;
  std::string_view field;
};
constexpr std::array<Name, 8> kNames = {{
    {"Sender Domain", "Reported-Domain"},
    {"From Domain", "Reported-Domain"},
    {"Sender IP Address", "Source-IP"},
    {"Source IP Address", "Source-IP"},
    {"Received Date", "Arrival-Date"},
    {"DMARC Results", "Delivery-Result"},
    {"SPF Alignment", "spf"},
    {"DKIM Alignment", "dkim"},
}};

bool IsYes(std::string_view value) {
  return EqualsIgnoreCase(value, "yes") || EqualsIgnoreCase(value, "pass") ||
         EqualsIgnoreCase(value, "true");
}

}  // namespace

std::optional<std::string> FieldsOfPlainNotice(std::string_view text) {
  std::array<std::string_view, kNames.size()> values{};
  size_t lines = 0;
  text = text.substr(0, kWindowBytes);
  while (!text.empty() && ++lines <= kMaxLines) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = TrimAscii(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = TrimAscii(line.substr(0, colon));
    for (size_t i = 0; i < kNames.size(); ++i) {
      if (values[i].empty() && EqualsIgnoreCase(name, kNames[i].sent)) {
        values[i] = TrimAscii(line.substr(colon + 1));
      }
    }
  }
  std::string fields;
  std::string aligned;
  bool tells_alignment = false;
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (values[i].empty()) continue;
    const std::string_view field = kNames[i].field;
    if (field == "spf" || field == "dkim") {
      tells_alignment = true;
      if (IsYes(values[i])) aligned += (aligned.empty() ? "" : ", ") + std::string(field);
    } else if (fields.find(field) == std::string::npos) {
      fields += std::string(field) + ": " + std::string(values[i]) + "\n";
    }
  }
  if (fields.find("Reported-Domain: ") == std::string::npos ||
      fields.find("Source-IP: ") == std::string::npos) {
    return std::nullopt;
  }
  if (tells_alignment) {
    fields += "Identity-Alignment: " + (aligned.empty() ? std::string("none") : aligned) + "\n";
  }
  return "Feedback-Type: auth-failure\nAuth-Failure: dmarc\n" + fields;
}

}  // namespace dmarcate
