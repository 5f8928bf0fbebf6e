#include "tests/fuzz/report_tree.h"

#include <pugixml.hpp>

#include "lib/base/text.h"
#include "lib/report/aggregate_reader.h"

namespace dmarcate::fuzz {
namespace {

// Elements below `node` that are a record or a root.
size_t MisplacedBelow(pugi::xml_node node) {
  size_t found = 0;
  for (const pugi::xml_node child : node.children()) {
    const Element element = ElementOf(child.name());
    found += element == Element::kRecord || element == Element::kFeedback ? 1 : 0;
    found += MisplacedBelow(child);
  }
  return found;
}

bool IsPlain(pugi::xml_node node) {
  for (const pugi::xml_attribute attribute : node.attributes()) {
    if (std::string_view(attribute.value()).find('<') != std::string_view::npos) return false;
  }
  const std::string_view name = LocalName(node.name());
  if (name.empty() || AsciiLower(name[0]) < 'a' || AsciiLower(name[0]) > 'z') return false;
  for (const pugi::xml_node child : node.children()) {
    if (child.type() != pugi::node_element) continue;
    if (ElementOf(child.name()) == Element::kFeedback || !IsPlain(child)) return false;
  }
  return true;
}

}  // namespace

std::optional<TreeRecords> ReadTree(std::string_view text) {
  pugi::xml_document tree;
  if (!tree.load_buffer(text.data(), text.size(), kReaderParseFlags, pugi::encoding_utf8)) {
    return std::nullopt;
  }
  const pugi::xml_node root = tree.first_child();
  TreeRecords out;
  out.clear = text.find("<?") == std::string_view::npos &&
              text.find('\0') == std::string_view::npos && IsPlain(root);
  for (const pugi::xml_node child : root.children()) {
    if (child.type() != pugi::node_element) continue;
    const Element element = ElementOf(child.name());
    if (element == Element::kRecord) ++out.records;
    const bool foreign = element == Element::kUnknown || element == Element::kExtension;
    if (!foreign && MisplacedBelow(child) > 0) out.clear = false;
  }
  return out;
}

}  // namespace dmarcate::fuzz
