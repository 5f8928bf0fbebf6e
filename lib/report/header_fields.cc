#include "lib/report/header_fields.h"

#include <algorithm>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

bool IsFieldName(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7F && c != ':'; });
}

}  // namespace

HeaderFields::HeaderFields(std::string_view text) {
  bool folding = false;  // the line before was a field, so a blank continues it
  while (!text.empty() && fields_.size() < kMaxFields) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    if (folding && (line.starts_with(' ') || line.starts_with('\t'))) {
      const std::string_view more = TrimAscii(line);
      if (!more.empty()) fields_.back().second.append(" ").append(more);
      continue;
    }
    const size_t colon = line.find(':');
    const std::string_view name =
        colon == std::string_view::npos ? std::string_view() : TrimAscii(line.substr(0, colon));
    folding = IsFieldName(name);
    if (folding) fields_.emplace_back(AsciiLower(name), TrimAscii(line.substr(colon + 1)));
  }
}

const std::string* HeaderFields::Find(std::string_view name) const {
  for (const auto& [field, value] : fields_) {
    if (EqualsIgnoreCase(field, name)) return &value;
  }
  return nullptr;
}

std::string WithoutComments(std::string_view value) {
  std::string out;
  int depth = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\\' && i + 1 < value.size()) {
      if (depth == 0) out.append(value.substr(i, 2));
      ++i;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && depth > 0) {
      --depth;
    } else if (depth == 0) {
      out += c;
    }
  }
  return std::string(TrimAscii(out));
}

}  // namespace dmarcate
