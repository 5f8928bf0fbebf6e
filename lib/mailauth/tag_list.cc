#include "lib/mailauth/tag_list.h"

#include <algorithm>
#include <iterator>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

bool IsNameChar(char c) { return IsAlpha(c) || IsDigit(c) || c == '_'; }

}  // namespace

bool IsFoldingBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view TrimFoldingBlanks(std::string_view text) {
  while (!text.empty() && IsFoldingBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsFoldingBlank(text.back())) text.remove_suffix(1);
  return text;
}

std::string WithoutFoldingBlanks(std::string_view text) {
  std::string out;
  std::ranges::copy_if(text, std::back_inserter(out), [](char c) { return !IsFoldingBlank(c); });
  return out;
}

std::vector<std::string> ParseColonList(std::string_view value) {
  std::vector<std::string> items;
  for (const std::string_view item : Split(value, ':')) {
    items.emplace_back(TrimFoldingBlanks(item));
  }
  return items;
}

std::optional<std::string_view> TagList::Find(std::string_view name) const {
  const auto found = values.find(name);
  if (found == values.end()) return std::nullopt;
  return found->second;
}

std::vector<TagText> TagTexts(const TagList& list, std::string_view text) {
  std::vector<TagText> tags;
  for (const std::string_view name : list.names) {
    tags.push_back({std::string(name), std::string(list.values.at(name)),
                    static_cast<int>(name.data() - text.data())});
  }
  return tags;
}

std::vector<std::string> SegmentTexts(const TagList& list) {
  return {list.segments.begin(), list.segments.end()};
}

absl::StatusOr<TagList> ParseTagList(std::string_view text, std::string_view what) {
  TagList tags;
  size_t position = 0;
  for (const std::string_view segment : Split(text, ';')) {
    const size_t begin = position;
    tags.segments.push_back(segment);
    position += segment.size() + 1;
    // Nothing behind the last semicolon; blanks there are outside the grammar, and accepted by
    // every verifier in use.
    if (position > text.size() && TrimFoldingBlanks(segment).empty()) continue;
    const size_t equals = segment.find('=');
    const std::string_view name = TrimFoldingBlanks(segment.substr(0, equals));
    const bool name_ok = equals != std::string_view::npos && !name.empty() && IsAlpha(name[0]) &&
                         std::ranges::all_of(name, IsNameChar);
    if (!name_ok) {
      return SyntaxError(begin,
                         fmt::format("{}: {} is no tag", what, Quoted(TrimFoldingBlanks(segment))));
    }
    const std::string_view value = TrimFoldingBlanks(segment.substr(equals + 1));
    const bool value_ok = std::ranges::all_of(
        value, [](char c) { return IsFoldingBlank(c) || (c > ' ' && c < 0x7f); });
    if (!value_ok) {
      return SyntaxError(
          begin, fmt::format("{}: tag {} has characters that are not printable ASCII", what, name));
    }
    if (tags.values.empty()) tags.first = name;
    if (!tags.values.emplace(name, value).second) {
      return SyntaxError(begin, fmt::format("{}: tag {} occurs twice", what, name));
    }
    tags.names.push_back(name);
  }
  return tags;
}

}  // namespace dmarcate
