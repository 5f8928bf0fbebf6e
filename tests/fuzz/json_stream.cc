// What is read event by event is what a tree of everything has, less what the shape does not name:
// the same elements in the same order, the same root, and the same opinion on whether it is JSON.

#include "lib/report/json_stream.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/text.h"

namespace {

using dmarcate::JsonShape;
using nlohmann::json;

// Values, objects, lists, and lists of lists that are streamed, as in a TLS report.
constexpr JsonShape kValue{};
constexpr JsonShape kTexts{.element = &kValue};
constexpr JsonShape::Member kDetailMembers[] = {{"a", &kValue}, {"list", &kTexts}};
constexpr JsonShape kDetail{.members = kDetailMembers};
constexpr JsonShape kDetails{.element = &kDetail, .streamed = true};
constexpr JsonShape::Member kItemMembers[] = {
    {"a", &kValue}, {"b", &kDetail}, {"details", &kDetails}};
constexpr JsonShape kItem{.members = kItemMembers};
constexpr JsonShape kItems{.element = &kItem, .streamed = true};
constexpr JsonShape::Member kRootMembers[] = {
    {"items", &kItems}, {"name", &kValue}, {"list", &kTexts}};
constexpr JsonShape kRoot{.members = kRootMembers};

constexpr size_t kMembers = 8;
constexpr size_t kKeptElements = 3;
constexpr size_t kValues = 200;

void Require(bool holds) {
  if (!holds) std::abort();
}

struct Element {
  const JsonShape* list;
  json value;
  friend bool operator==(const Element&, const Element&) = default;
};

// What `shape` keeps of `value`; elements of streamed lists go to `elements`, inner ones first.
json Kept(const json& value, const JsonShape& shape, std::vector<Element>& elements) {
  if (value.is_object()) {
    // In the order of the text, by which the elements come.
    json kept = json::object();
    for (const auto& [name, member] : value.items()) {
      const auto found = std::ranges::find(shape.members, name, &JsonShape::Member::name);
      if (found != shape.members.end()) kept[name] = Kept(member, *found->shape, elements);
    }
    return kept;
  }
  if (!value.is_array()) return value;
  json kept = json::array();
  if (shape.element == nullptr) return kept;
  for (const json& element : value) {
    if (!shape.streamed && kept.size() >= kKeptElements) break;
    json part = Kept(element, *shape.element, elements);
    if (shape.streamed) {
      elements.push_back({&shape, std::move(part)});
    } else {
      kept.push_back(std::move(part));
    }
  }
  return kept;
}

// By the tree's own events, which tell a name that stands twice.
struct Tree {
  json root;
  bool has_repeated_key = false;
  bool too_many = false;
};

Tree ReadTree(std::string_view text) {
  Tree tree;
  size_t values = 0;
  std::vector<std::set<std::string>> names;
  const auto see = [&](int /*depth*/, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
        names.emplace_back();
        ++values;
        break;
      case json::parse_event_t::array_start:
      case json::parse_event_t::value:
        ++values;
        break;
      case json::parse_event_t::key:
        if (!names.back().insert(parsed.get<std::string>()).second) tree.has_repeated_key = true;
        if (names.back().size() > kMembers) tree.too_many = true;
        break;
      case json::parse_event_t::object_end:
        names.pop_back();
        break;
      case json::parse_event_t::array_end:
        break;
    }
    return true;
  };
  tree.root = json::parse(text.begin(), text.end(), see, /*allow_exceptions=*/false);
  if (values > kValues) tree.too_many = true;
  return tree;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (!dmarcate::IsValidUtf8(text)) return 0;  // the caller sees to that
  size_t values = kValues;
  std::vector<Element> elements;
  const dmarcate::JsonStreamResult got = dmarcate::ReadJsonStream(
      text, kRoot, {.values = &values, .members = kMembers, .kept_elements = kKeptElements},
      [&](const JsonShape& list, json element) {
        elements.push_back({&list, std::move(element)});
        return true;
      });
  Require(!got.stopped && dmarcate::IsValidUtf8(got.repeated_key));
  const Tree tree = ReadTree(text);
  if (tree.root.is_discarded()) {
    Require(got.root.is_discarded());
    return 0;
  }
  Require(got.root.is_discarded() == (tree.has_repeated_key || tree.too_many));
  Require(got.root.is_discarded() == (got.has_repeated_key || got.too_many_values));
  if (got.root.is_discarded()) return 0;
  std::vector<Element> want;
  Require(got.root == Kept(tree.root, kRoot, want));
  // A tree sorts its members: what comes out of several lists comes in another order.
  for (const JsonShape* list : {&kItems, &kDetails}) {
    const auto of = [list](const Element& element) { return element.list == list; };
    Require(std::ranges::count_if(elements, of) == std::ranges::count_if(want, of));
  }
  const auto is_item = [](const Element& element) { return element.list == &kItems; };
  std::erase_if(elements, std::not_fn(is_item));
  std::erase_if(want, std::not_fn(is_item));
  Require(elements == want);

  // The visitor's word counts.
  values = kValues;
  size_t seen = 0;
  const dmarcate::JsonStreamResult stopped = dmarcate::ReadJsonStream(
      text, kRoot, {.values = &values, .members = kMembers, .kept_elements = kKeptElements},
      [&](const JsonShape&, const json&) {
        ++seen;
        return false;
      });
  Require(seen <= 1 && stopped.stopped == (seen == 1) &&
          stopped.root.is_discarded() == (seen == 1));
  return 0;
}
