#include "lib/report/root_finder.h"

#include <algorithm>

#include "lib/base/text.h"
#include "lib/report/element.h"

namespace dmarcate {
namespace {

constexpr size_t kGarbageBytes = 1024;      // X4: the first '<' must stand within these
constexpr size_t kEndTagBytes = 256;        // of the root's end tag, blanks included
constexpr size_t kPrologBytes = 64 * 1024;  // and the root within these

// A DOCTYPE without declarations of entities is skipped; "<!ENTITY" anywhere in it is refused, and
// so is one that stands alone.
bool DeclaresEntities(std::string_view declaration) {
  return AsciiLower(declaration).find("<!entity") != std::string::npos;
}

}  // namespace

RootSearch FindRoot(std::string_view text, RepairLog& log) {
  RootSearch search;
  const size_t first = text.substr(0, kGarbageBytes).find('<');
  if (first == std::string_view::npos) return search;
  search.has_markup = true;
  const std::string_view before = text.substr(0, first);
  const bool declared = text.substr(first).starts_with("<?xml");
  if (!TrimAscii(before).empty() || (declared && !before.empty())) {
    log.Add("leading_garbage", "", before, "", Effect::kCosmetic);
  }
  const std::string_view prolog = text.substr(0, kPrologBytes);
  MarkupScanner scanner(prolog, first);
  while (const std::optional<Token> token = scanner.Next()) {
    const std::string_view source = prolog.substr(token->begin, token->end - token->begin);
    if (token->kind == TokenKind::kDoctype && DeclaresEntities(source)) {
      search.entities = true;
      return search;
    }
    if (token->kind == TokenKind::kInstruction && !token->terminated) {
      log.Add("declaration_broken", "", source, "", Effect::kCosmetic);
    }
    if (token->kind != TokenKind::kStart && token->kind != TokenKind::kEmpty) continue;
    if (EqualsIgnoreCase(token->name, "feedback")) {
      search.root = token;
      if (token->name != "feedback") {
        log.Add("root_name", "", token->name, "feedback", Effect::kCosmetic);
      }
      if (!search.other_root.empty()) {
        log.Add("wrapper_ignored", "", search.other_root, "", Effect::kCosmetic);
      }
      return search;
    }
    if (search.other_root.empty()) search.other_root = ToValidUtf8(token->name);
  }
  return search;
}

size_t LastRootEnd(std::string_view text, size_t from) {
  size_t at = text.size();
  while (at > from) {
    at = text.rfind("</", at - 1);
    if (at == std::string_view::npos || at < from) break;
    const std::string_view after = text.substr(at + 2, kEndTagBytes);
    const std::string_view name = after.substr(0, after.find_first_of("<> \t\r\n"));
    if (!EqualsIgnoreCase(LocalName(name), "feedback")) continue;
    MarkupScanner scanner(text.substr(0, std::min(text.size(), at + kEndTagBytes)), at);
    const std::optional<Token> token = scanner.Next();
    if (token.has_value() && token->begin == at) return token->end;
  }
  return std::string_view::npos;
}

bool IsIgnorable(std::string_view text) {
  MarkupScanner scanner(text);
  size_t position = 0;
  while (const std::optional<Token> token = scanner.Next()) {
    const bool skipped =
        token->kind == TokenKind::kComment || token->kind == TokenKind::kInstruction;
    if (!skipped || !TrimAscii(text.substr(position, token->begin - position)).empty())
      return false;
    position = token->end;
  }
  return TrimAscii(text.substr(position)).empty();
}

}  // namespace dmarcate
