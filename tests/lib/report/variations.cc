#include "tests/lib/report/variations.h"

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <vector>

#include <pugixml.hpp>

namespace dmarcate {
namespace {

bool Load(const std::string& document, pugi::xml_document* tree) {
  return static_cast<bool>(tree->load_buffer(document.data(), document.size()));
}

std::string Print(const pugi::xml_document& tree) {
  std::ostringstream out;
  tree.save(out, "", pugi::format_raw);
  return out.str();
}

void Shuffle(pugi::xml_node node, std::mt19937& random) {
  std::vector<std::string> names;
  std::vector<pugi::xml_node> children;
  for (const pugi::xml_node child : node.children()) {
    if (child.type() != pugi::node_element) continue;
    names.emplace_back(child.name());
    children.push_back(child);
  }
  for (const pugi::xml_node child : children) Shuffle(child, random);
  std::vector<std::string> order = names;
  std::ranges::shuffle(order, random);
  // Of each name, where its next one stands; many records have one name.
  std::vector<size_t> by_name(names.size());
  for (size_t i = 0; i < by_name.size(); ++i) by_name[i] = i;
  std::ranges::stable_sort(by_name, {}, [&](size_t i) -> const std::string& { return names[i]; });
  const auto first_of = [&](const std::string& name) {
    return std::ranges::lower_bound(by_name, name, {},
                                    [&](size_t i) -> const std::string& { return names[i]; }) -
           by_name.begin();
  };
  std::vector<size_t> taken(names.size(), 0);
  for (const std::string& name : order) {
    const auto first = static_cast<size_t>(first_of(name));
    node.append_move(children[by_name[first + taken[first]++]]);
  }
}

void AddPrefix(pugi::xml_node node, const std::string& prefix) {
  if (node.type() == pugi::node_element) node.set_name((prefix + ":" + node.name()).c_str());
  for (const pugi::xml_node child : node.children()) AddPrefix(child, prefix);
}

}  // namespace

std::optional<std::string> Reprinted(const std::string& document) {
  pugi::xml_document tree;
  if (!Load(document, &tree)) return std::nullopt;
  return Print(tree);
}

std::optional<std::string> Shuffled(const std::string& document, uint32_t seed) {
  pugi::xml_document tree;
  if (!Load(document, &tree)) return std::nullopt;
  std::mt19937 random(seed);
  Shuffle(tree.document_element(), random);
  return Print(tree);
}

std::optional<std::string> Prefixed(const std::string& document, const std::string& fallback) {
  pugi::xml_document tree;
  if (!Load(document, &tree)) return std::nullopt;
  pugi::xml_node root = tree.document_element();
  if (std::string_view(root.name()).find(':') != std::string_view::npos) return std::nullopt;
  const std::string had = root.attribute("xmlns").value();
  root.remove_attribute("xmlns");
  AddPrefix(root, "ns1");
  root.append_attribute("xmlns:ns1") = (had.empty() ? fallback : had).c_str();
  return Print(tree);
}

std::string Noise(std::mt19937& random) {
  static constexpr std::string_view kNasty("<>&;!-?/\"'[]=: \n\0\xFF\xC3\x80", 21);
  std::string noise;
  for (size_t i = random() % 12; i > 0; --i) {
    noise +=
        random() % 100 < 60 ? kNasty[random() % kNasty.size()] : static_cast<char>(random() % 256);
  }
  return noise;
}

}  // namespace dmarcate
