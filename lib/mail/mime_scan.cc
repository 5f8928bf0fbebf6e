#include "lib/mail/mime_scan.h"

#include <cstring>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/mail/header.h"
#include "lib/mail/header_value.h"

namespace dmarcate {
namespace {

// Where an entity stands: what it inherits from the parts around it.
struct Place {
  size_t message = 0;
  int enclosed = 0;
  LeafContext context = LeafContext::kOrdinary;
  bool in_digest = false;  // RFC 2046 section 5.1.5: the default type is message/rfc822
};

// A multipart whose closing delimiter has not been seen.
struct Level {
  std::string delimiter;  // "--" and the boundary
  Place place;            // of its parts
  MailLeaf as_leaf;       // what the multipart is if it turns out to have no parts (M6)
  size_t body_begin = 0;
  int parts = 0;
};

struct Delimiter {
  size_t line_begin = 0;  // the end of the text if there is none
  size_t next = 0;
  size_t level = 0;
  bool found = false;
  bool closes = false;
};

// The fields that shape the structure, unfolded.
struct PartHeader {
  std::optional<std::string> type, misspelt_type, disposition, encoding;
};

bool IsBounce(const std::string& report_type) {
  return report_type == "delivery-status" || report_type == "disposition-notification";
}

bool IsMessage(const std::string& type) {
  return type == "message/rfc822" || type == "message/global" || type == "message/news";
}

class Scanner {
 public:
  Scanner(std::string_view text, const MailLimits& limits) : text_(text), limits_(limits) {}

  Mail Run() {
    size_t at = HeaderBegin(text_, 0);
    mail_.messages.push_back({});
    bool go_on = BeginEntity(at, Place{});
    while (go_on) {
      const Delimiter delimiter = FindDelimiter(position_);
      EndLeaf(delimiter.line_begin);
      if (!delimiter.found) break;
      while (levels_.size() > delimiter.level + 1) PopLevel(delimiter.line_begin);
      position_ = delimiter.next;
      if (delimiter.closes) {
        PopLevel(delimiter.line_begin);
        continue;
      }
      ++levels_.back().parts;
      go_on = BeginEntity(delimiter.next, levels_.back().place);
    }
    if (mail_.limit.empty()) {
      while (!levels_.empty()) PopLevel(text_.size());
    }
    return std::move(mail_);
  }

 private:
  bool Stop(std::string_view limit, std::string detail) {
    mail_.limit = limit;
    mail_.limit_detail = std::move(detail);
    return false;
  }

  // Reads the header section at `at` and enters what it announces. False: a limit ended the scan.
  bool BeginEntity(size_t at, Place place) {
    while (true) {
      if (++mail_.parts > limits_.parts) {
        return Stop("too_many_parts", fmt::format("over {} MIME parts", limits_.parts));
      }
      PartHeader header;
      const size_t begin = at;
      if (!ReadHeader(begin, &header, &at)) return false;
      if (mail_.messages[place.message].headers.data() == nullptr) {
        mail_.messages[place.message].headers = text_.substr(begin, at - begin);
      }
      ContentType type;
      if (!header.type) header.type = std::move(header.misspelt_type);
      if (header.type) {
        type = ParseContentType(*header.type);
      } else if (place.in_digest) {
        type.type = "message/rfc822";
      }
      MailLeaf leaf = MakeLeaf(type, header, place);
      position_ = at;
      if (type.type.starts_with("multipart/") && !type.boundary.empty()) {
        return PushLevel(type, std::move(leaf), place);
      }
      if (IsMessage(type.type) && leaf.encoding == TransferEncoding::kIdentity) {
        if (place.enclosed >= limits_.enclosed_messages) {
          return Stop("too_many_enclosed_messages",
                      fmt::format("messages enclosed over {} deep", limits_.enclosed_messages));
        }
        ++place.enclosed;
        place.in_digest = false;
        place.message = mail_.messages.size();
        mail_.messages.push_back({.depth = place.enclosed});
        at = HeaderBegin(text_, at);
        continue;
      }
      if (type.type == "message/delivery-status") MarkBounce();
      if (!levels_.empty() && levels_.back().place.context == LeafContext::kDeliveryStatus) {
        leaf.context = LeafContext::kDeliveryStatus;
      }
      leaf_ = std::move(leaf);
      leaf_begin_ = at;
      return true;
    }
  }

  // `body` receives where the body begins. A delimiter line ends the section too.
  bool ReadHeader(size_t at, PartHeader* header, size_t* body) {
    HeaderReader reader(text_.substr(at, static_cast<size_t>(limits_.header_bytes)));
    int fields = 0;
    while (true) {
      const size_t line_at = at + reader.position();
      if (MatchDelimiter(LineAt(text_, line_at).text).found) break;
      const auto field = reader.Next();
      if (!field) break;
      if (++fields > limits_.header_lines) {
        return Stop("header_too_large", fmt::format("over {} header fields", limits_.header_lines));
      }
      Keep(*field, header);
    }
    *body = at + reader.position();
    if (reader.position() >= static_cast<size_t>(limits_.header_bytes)) {
      return Stop("header_too_large",
                  fmt::format("header section over {} bytes", limits_.header_bytes));
    }
    return true;
  }

  static void Keep(const HeaderField& field, PartHeader* header) {
    const auto keep = [&](std::string_view name, std::optional<std::string>* into) {
      if (!*into && EqualsIgnoreCase(field.name, name)) *into = UnfoldValue(field.value);
    };
    if (field.name.empty() || AsciiLower(field.name[0]) != 'c') return;
    keep("Content-Type", &header->type);
    keep("ContentType", &header->misspelt_type);  // M7: Trustwave
    keep("Content-Disposition", &header->disposition);
    keep("Content-Transfer-Encoding", &header->encoding);
  }

  static MailLeaf MakeLeaf(const ContentType& type, const PartHeader& header, const Place& place) {
    MailLeaf leaf;
    leaf.content_type = type.type;
    if (header.disposition) leaf.file_name = ParseDispositionFileName(*header.disposition);
    if (leaf.file_name.empty()) leaf.file_name = type.name;
    if (header.encoding) leaf.encoding = ParseTransferEncoding(*header.encoding);
    leaf.context = place.context;
    leaf.message = place.message;
    return leaf;
  }

  bool PushLevel(const ContentType& type, MailLeaf as_leaf, Place place) {
    if (levels_.size() >= static_cast<size_t>(limits_.depth)) {
      return Stop("mime_too_deep", fmt::format("multiparts nested over {} deep", limits_.depth));
    }
    if (IsBounce(type.report_type)) place.context = LeafContext::kDeliveryStatus;
    place.in_digest = type.type == "multipart/digest";
    levels_.push_back({.delimiter = "--" + type.boundary,
                       .place = place,
                       .as_leaf = std::move(as_leaf),
                       .body_begin = position_});
    return true;
  }

  // A bounce whose multipart does not say so: its later parts are the mail that came back.
  void MarkBounce() {
    if (!levels_.empty()) levels_.back().place.context = LeafContext::kDeliveryStatus;
  }

  Delimiter MatchDelimiter(std::string_view line) const {
    if (levels_.empty() || !line.starts_with("--")) return {};
    const size_t last = line.find_last_not_of(" \t\r");
    line = line.substr(0, last + 1);  // RFC 2046 section 5.1.1: transport padding
    for (size_t i = levels_.size(); i-- > 0;) {
      const std::string& delimiter = levels_[i].delimiter;
      if (line == delimiter) return {.level = i, .found = true};
      if (line.size() == delimiter.size() + 2 && line.starts_with(delimiter) &&
          line.ends_with("--")) {
        return {.level = i, .found = true, .closes = true};
      }
    }
    return {};
  }

  // The next delimiter line of an open multipart, at or after `at`, the beginning of a line. Looks
  // at
  // '-' only: base64 has none, so a body is passed at the speed of memchr.
  Delimiter FindDelimiter(size_t at) const {
    while (!levels_.empty() && at + 1 < text_.size()) {
      const void* hit = std::memchr(text_.data() + at, '-', text_.size() - at);
      if (hit == nullptr) break;
      at = static_cast<size_t>(static_cast<const char*>(hit) - text_.data());
      const bool line_begin = at == 0 || text_[at - 1] == '\n';
      if (line_begin && text_.substr(at, 2) == "--") {
        const TextLine line = LineAt(text_, at);
        Delimiter delimiter = MatchDelimiter(line.text);
        if (delimiter.found) {
          delimiter.line_begin = at;
          delimiter.next = line.next;
          return delimiter;
        }
        at = line.next;
      } else {
        ++at;
      }
    }
    return {.line_begin = text_.size(), .next = text_.size()};
  }

  // The line end before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1).
  std::string_view Body(size_t begin, size_t end) const {
    if (begin >= end) return {};
    std::string_view body = text_.substr(begin, end - begin);
    if (end == text_.size()) return body;
    if (body.ends_with('\n')) body.remove_suffix(1);
    if (body.ends_with('\r')) body.remove_suffix(1);
    return body;
  }

  void EndLeaf(size_t end) {
    if (!leaf_) return;
    leaf_->body = Body(leaf_begin_, end);
    mail_.leaves.push_back(*std::move(leaf_));
    leaf_.reset();
  }

  void PopLevel(size_t end) {
    Level& level = levels_.back();
    if (level.parts == 0) {
      level.as_leaf.body = Body(level.body_begin, end);
      mail_.leaves.push_back(std::move(level.as_leaf));
    }
    levels_.pop_back();
  }

  const std::string_view text_;
  const MailLimits limits_;
  Mail mail_;
  std::vector<Level> levels_;
  std::optional<MailLeaf> leaf_;  // whose end has not been seen
  size_t leaf_begin_ = 0;
  size_t position_ = 0;  // where to look for the next delimiter
};

}  // namespace

Mail ScanMail(std::string_view text, const MailLimits& limits) {
  return Scanner(text, limits).Run();
}

}  // namespace dmarcate
