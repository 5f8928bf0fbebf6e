#include "lib/report/json_tree.h"

#include <set>
#include <utility>
#include <vector>

#include "lib/report/repair_log.h"

namespace dmarcate {
namespace {

constexpr size_t kShownKeyBytes = 64;

}  // namespace

JsonTree ParseJsonTree(std::string_view text, size_t* values) {
  using nlohmann::json;
  JsonTree tree;
  std::vector<std::set<std::string>> open;  // the names seen in each open object
  // False drops what was just read: nothing more is kept once the answer is known to be a refusal.
  const auto keep = [&](int /*depth*/, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
        open.emplace_back();
        break;
      case json::parse_event_t::object_end:
        open.pop_back();
        return true;  // counted where it began
      case json::parse_event_t::key: {
        if (tree.too_many_values || tree.has_repeated_key) return false;
        const auto& name = parsed.get_ref<const std::string&>();
        if (!open.back().insert(name).second) {
          tree.has_repeated_key = true;
          tree.repeated_key = CutUtf8(name, kShownKeyBytes);
          return false;
        }
        return true;  // its value counts
      }
      case json::parse_event_t::array_end:
        return true;
      case json::parse_event_t::array_start:
      case json::parse_event_t::value:
        break;
    }
    if (tree.too_many_values || tree.has_repeated_key) return false;
    if (*values == 0) {
      tree.too_many_values = true;
      return false;
    }
    --*values;
    return true;
  };
  tree.root = json::parse(text.begin(), text.end(), keep, /*allow_exceptions=*/false);
  return tree;
}

}  // namespace dmarcate
