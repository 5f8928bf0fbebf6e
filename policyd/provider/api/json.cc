#include "policyd/provider/api/json.h"

#include <algorithm>
#include <limits>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr uint64_t kMaxWhole = uint64_t{1} << 53;
// What is read is walked and copied by recursion. No host nests half as deep.
constexpr int kMaxDepth = 64;

bool IsTooDeep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

}  // namespace

Json ParseJson(std::string_view text) {
  if (IsTooDeep(text)) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, false);
}

const Json& MemberOf(const Json& object, const char* key) {
  static const Json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

std::optional<std::string> StringAt(const Json& object, const char* key) {
  const Json& value = MemberOf(object, key);
  if (!value.is_string()) return std::nullopt;
  return value.get<std::string>();
}

std::optional<uint64_t> NumberAt(const Json& object, const char* key) {
  const Json& value = MemberOf(object, key);
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number <= kMaxWhole) return number;
    return std::nullopt;
  }
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  if (text.empty() || text.size() > 15 ||
      !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  uint64_t number = 0;
  for (const char c : text) number = number * 10 + static_cast<uint64_t>(c - '0');
  return number;
}

std::optional<uint32_t> TtlAt(const Json& object, const char* key) {
  const std::optional<uint64_t> number = NumberAt(object, key);
  if (!number || *number > std::numeric_limits<int32_t>::max()) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

std::optional<bool> BoolAt(const Json& object, const char* key) {
  const Json& value = MemberOf(object, key);
  if (!value.is_boolean()) return std::nullopt;
  return value.get<bool>();
}

std::optional<std::string> IdAt(const Json& object, const char* key) {
  if (MemberOf(object, key).is_number_unsigned()) {
    return std::to_string(MemberOf(object, key).get<uint64_t>());
  }
  std::optional<std::string> text = StringAt(object, key);
  if (text && text->empty()) return std::nullopt;
  return text;
}

std::string ToText(const Json& value) {
  return value.dump(-1, ' ', true, Json::error_handler_t::replace);
}

absl::Status NotUnderstood(std::string_view what) {
  return MakeError(absl::StatusCode::kDataLoss,
                   fmt::format("the answer is not what the API documents: {}", what));
}

}  // namespace dmarcate
