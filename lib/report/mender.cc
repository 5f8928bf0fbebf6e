#include "lib/report/mender.h"

#include <algorithm>
#include <vector>

#include "lib/base/text.h"
#include "lib/report/element.h"
#include "lib/report/markup_scanner.h"
#include "lib/report/redaction.h"

namespace dmarcate {
namespace {

constexpr size_t kDeepest = 32;

// The container an element stands in by the grammar; kUnknown: the root, or no rule.
Element NaturalParent(Element element) {
  switch (element) {
    case Element::kRow:
    case Element::kIdentifiers:
    case Element::kIdentities:
    case Element::kAuthResults:
      return Element::kRecord;
    case Element::kPolicyEvaluated:
      return Element::kRow;
    case Element::kReason:
      return Element::kPolicyEvaluated;
    case Element::kDateRange:
      return Element::kReportMetadata;
    case Element::kDkim:
    case Element::kSpf:
      return Element::kAuthResults;
    default:
      return Element::kUnknown;
  }
}

class Mender {
 public:
  Mender(std::string_view text, RepairLog& log)
      : text_(text), scanner_(text, 0, Unterminated::kIsText), log_(log) {}

  std::string Mend();

 private:
  struct Open {
    Element element;
    std::string_view name;
  };

  void AddText(std::string_view text);
  void OnStart(const Token& token);
  void OnEnd(const Token& token);
  void OnUnknown(const Token& token);
  void TakeLeaf(const Token& start, Element element);
  bool IsLeaf(Element element) const;
  void Close(size_t depth);  // until `depth` are open
  void Unbalanced(const Token& token);
  std::string Path(std::string_view leaf) const;

  std::string_view text_;
  MarkupScanner scanner_;
  RepairLog& log_;
  std::string out_;
  std::vector<Open> open_;
  size_t done_ = 0;  // everything before is in out_
  std::string_view first_unbalanced_;
};

void Mender::AddText(std::string_view text) {
  for (const char c : text) {
    if (c == '<') {
      out_ += "&lt;";
    } else {
      out_ += c;
    }
  }
}

std::string Mender::Path(std::string_view leaf) const {
  std::string path;
  for (const Open& open : open_) {
    if (open.element == Element::kRecord) continue;  // the log's part
    path.append(open.name).append("/");
  }
  return path.append(leaf);
}

void Mender::Unbalanced(const Token& token) {
  if (first_unbalanced_.empty()) {
    first_unbalanced_ = text_.substr(token.begin, token.end - token.begin);
  }
}

void Mender::Close(size_t depth) {
  while (open_.size() > depth) {
    out_.append("</").append(open_.back().name).append(">");
    open_.pop_back();
  }
}

bool Mender::IsLeaf(Element element) const {
  const ElementShape shape = ShapeOf(element);
  if (shape != ElementShape::kByParent) return shape == ElementShape::kText;
  for (auto it = open_.rbegin(); it != open_.rend(); ++it) {
    if (it->element == Element::kPolicyEvaluated) return true;
    if (it->element == Element::kAuthResults) return false;
  }
  return false;
}

// The text up to the end tag of the same name, whatever stands in it but known tags.
void Mender::TakeLeaf(const Token& start, Element element) {
  size_t end = std::min(text_.find('<', start.end), text_.size());
  size_t next = end;
  bool closed = false;
  while (const std::optional<Token> token = scanner_.Next()) {
    if (token->name.empty()) continue;  // a comment, a CDATA section
    if (token->kind == TokenKind::kEnd && token->name == start.name) {
      end = token->begin;
      next = token->end;
      closed = true;
      break;
    }
    if (ElementOf(token->name) != Element::kUnknown) break;
  }
  scanner_.set_position(next);
  if (!closed) Unbalanced(start);
  const std::string_view content = text_.substr(start.end, end - start.end);
  out_.append("<").append(start.name).append(">");
  bool escaped = false;
  MarkupScanner inside(content, 0, Unterminated::kIsText);
  size_t done = 0;
  while (const std::optional<Token> token = inside.Next()) {
    if (token->kind != TokenKind::kCdata && token->kind != TokenKind::kComment) continue;
    const std::string_view before = content.substr(done, token->begin - done);
    escaped = escaped || before.find('<') != std::string_view::npos;
    AddText(before);
    if (token->kind == TokenKind::kCdata && token->terminated) {
      out_.append(content.substr(token->begin, token->end - token->begin));
    }
    done = token->end;
  }
  escaped = escaped || content.substr(done).find('<') != std::string_view::npos;
  AddText(content.substr(done));
  out_.append("</").append(start.name).append(">");
  done_ = next;
  if (escaped) {
    const std::string raw = Redacted(element, TrimAscii(content));
    log_.Add("unescaped_text", Path(start.name), raw, raw,
             IsMaterial(element) ? Effect::kMaterial : Effect::kCosmetic);
  }
}

void Mender::OnUnknown(const Token& token) {
  // <name>text</name> passes; anything else becomes text where it stands.
  if (token.kind != TokenKind::kStart) return;
  const std::optional<Token> end = scanner_.Next();
  const bool simple =
      end.has_value() && end->kind == TokenKind::kEnd && end->name == token.name &&
      end->prefix == token.prefix &&
      text_.substr(token.end, end->begin - token.end).find('<') == std::string_view::npos;
  if (!simple) {
    scanner_.set_position(token.end);
    return;
  }
  AddText(text_.substr(done_, token.begin - done_));
  out_.append("<").append(token.name).append(">");
  out_.append(text_.substr(token.end, end->begin - token.end));
  out_.append("</").append(token.name).append(">");
  done_ = end->end;
}

void Mender::OnStart(const Token& token) {
  const Element element = ElementOf(token.name);
  if (element == Element::kUnknown) return OnUnknown(token);
  AddText(text_.substr(done_, token.begin - done_));
  done_ = token.end;
  if (token.kind == TokenKind::kEmpty) {
    out_.append("<").append(token.name).append("/>");
    return;
  }
  if (IsLeaf(element)) return TakeLeaf(token, element);
  // A block that begins where it cannot: the ones before it have lost their ends.
  if (const Element parent = NaturalParent(element); parent != Element::kUnknown) {
    const auto at = std::ranges::find(open_.rbegin(), open_.rend(), parent, &Open::element);
    const auto depth = static_cast<size_t>(open_.rend() - at);
    if (depth > 0 && depth < open_.size()) {
      Unbalanced(token);
      Close(depth);
    }
  } else if (element == Element::kReportMetadata || element == Element::kPolicyPublished) {
    if (!open_.empty()) Unbalanced(token);
    Close(0);
  }
  if (open_.size() >= kDeepest) return Unbalanced(token);
  out_.append("<").append(token.name).append(">");
  open_.push_back({element, token.name});
}

void Mender::OnEnd(const Token& token) {
  const Element element = ElementOf(token.name);
  if (element == Element::kUnknown) return;  // becomes text
  AddText(text_.substr(done_, token.begin - done_));
  done_ = token.end;
  const auto at = std::ranges::find(open_.rbegin(), open_.rend(), token.name, &Open::name);
  if (at == open_.rend()) return Unbalanced(token);
  const auto depth = static_cast<size_t>(open_.rend() - at);
  if (depth != open_.size()) Unbalanced(token);
  Close(depth - 1);
}

std::string Mender::Mend() {
  out_.reserve(text_.size() + 64);
  while (const std::optional<Token> token = scanner_.Next()) {
    switch (token->kind) {
      case TokenKind::kStart:
      case TokenKind::kEmpty:
        OnStart(*token);
        break;
      case TokenKind::kEnd:
        OnEnd(*token);
        break;
      case TokenKind::kCdata:
        if (!token->terminated) break;
        AddText(text_.substr(done_, token->begin - done_));
        out_.append(text_.substr(token->begin, token->end - token->begin));
        done_ = token->end;
        break;
      default:  // comments, instructions and declarations are dropped
        AddText(text_.substr(done_, token->begin - done_));
        done_ = token->end;
        break;
    }
  }
  AddText(text_.substr(done_));
  if (!open_.empty() && first_unbalanced_.empty()) first_unbalanced_ = open_.back().name;
  Close(0);
  if (!first_unbalanced_.empty()) {
    log_.Add("tags_unbalanced", "", first_unbalanced_, "", Effect::kMaterial);
  }
  if (std::erase(out_, '\0') > 0) log_.Add("bad_chars", "", "NUL", "", Effect::kCosmetic);
  return std::move(out_);
}

}  // namespace

std::string MendPiece(std::string_view piece, RepairLog& log) { return Mender(piece, log).Mend(); }

}  // namespace dmarcate
