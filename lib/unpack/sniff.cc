#include "lib/unpack/sniff.h"

#include <algorithm>
#include <array>
#include <string>

#include "lib/archive/gunzip.h"
#include "lib/archive/tar.h"
#include "lib/archive/unzip.h"
#include "lib/base/text.h"
#include "lib/mail/mail.h"
#include "lib/mail/mbox.h"
#include "lib/mail/transfer_encoding.h"
#include "lib/report/failure.h"

namespace dmarcate {
namespace {

using std::string_view_literals::operator""sv;

constexpr size_t kTagWindowBytes = 4096;

constexpr std::array kUnsupportedCompression = {
    "\xFD"
    "7zXZ\0"sv,
    "7z\xBC\xAF\x27\x1C"sv,
    "Rar!\x1A\x07"sv,
    "\x28\xB5\x2F\xFD"sv,  // zstd
    "\x1F\x9D"sv,          // compress
};

bool IsBzip2(std::string_view bytes) {
  return bytes.starts_with("BZh") && bytes.size() > 10 && bytes.substr(4, 6) == "1AY&SY";
}

// The first `limit` characters without byte order mark and leading blanks. NULs go as well: in
// UTF-16 they are every other octet, elsewhere they are noise. A view into `bytes` where it can be,
// else into `*room`.
std::string_view HeadText(std::string_view bytes, size_t limit, std::string* room) {
  for (const std::string_view mark : {"\xEF\xBB\xBF"sv, "\xFF\xFE"sv, "\xFE\xFF"sv}) {
    if (bytes.starts_with(mark)) {
      bytes.remove_prefix(mark.size());
      break;
    }
  }
  const bool wide = bytes.substr(0, 64).find('\0') != std::string_view::npos;
  std::string_view head = bytes.substr(0, wide ? 2 * limit : limit);
  if (head.find('\0') != std::string_view::npos) {
    *room = head;
    std::erase(*room, '\0');
    head = *room;
  }
  return head.substr(std::min(head.find_first_not_of(" \t\r\n\v\f"), head.size()));
}

bool IsBlank(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  return bytes.find_first_not_of(" \t\r\n\v\f\0"sv) == std::string_view::npos;
}

bool IsHtml(std::string_view text) {
  return StartsWithIgnoreCase(text, "<!doctype html") || StartsWithIgnoreCase(text, "<html");
}

// Where the next tag with the local name "feedback" that begins with `open`, "<" or "</", stands at
// or after `at`; npos if there is none. A name ends at the next '<' at the latest, so that no octet
// is looked at for more than one.
size_t FindFeedbackTag(std::string_view text, std::string_view open, size_t at) {
  for (at = text.find(open, at); at != std::string_view::npos; at = text.find(open, at + 1)) {
    const size_t begin = at + open.size();
    std::string_view name = text.substr(begin, text.find_first_of(" \t\r\n/><", begin) - begin);
    name.remove_prefix(name.rfind(':') + 1);
    if (EqualsIgnoreCase(name, "feedback")) return at;
  }
  return at;
}

bool HasTag(std::string_view text, std::string_view open) {
  return FindFeedbackTag(text, open, 0) != std::string_view::npos;
}

}  // namespace

bool HasFeedbackTag(std::string_view bytes) {
  std::string room;
  return HasTag(HeadText(bytes, kTagWindowBytes, &room), "<");
}

int CountFeedbackTags(std::string_view text) {
  int tags = 0;
  for (size_t at = FindFeedbackTag(text, "<", 0); at != std::string_view::npos;
       at = FindFeedbackTag(text, "<", at + 1)) {
    ++tags;
  }
  return tags;
}

bool EndsWithFeedbackTag(std::string_view bytes) {
  std::string tail(
      bytes.substr(bytes.size() - std::min<size_t>(bytes.size(), 2 * kTagWindowBytes)));
  std::erase(tail, '\0');
  return HasTag(tail, "</");
}

Content SniffContent(std::string_view bytes) {
  if (IsBlank(bytes) || TrimAscii(bytes) == "unused") return Content::kEmpty;
  if (LooksLikeGzip(bytes)) return Content::kGzip;
  if (LooksLikeZip(bytes)) return Content::kZip;
  if (bytes.starts_with("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")) return Content::kOle;
  if (bytes.starts_with("\x78\x9F\x3E\x22")) return Content::kTnef;
  if (LooksLikeZlib(bytes)) return Content::kZlib;
  if (IsBzip2(bytes) || std::ranges::any_of(kUnsupportedCompression, [&](std::string_view magic) {
        return bytes.starts_with(magic);
      })) {
    return Content::kUnsupportedCompression;
  }
  // Before what may lie in it: a small member's text begins within the window.
  if (LooksLikeTar(bytes)) return Content::kTar;
  std::string room;
  const std::string_view head = HeadText(bytes, kTagWindowBytes, &room);
  if (head.starts_with('<')) {
    return IsHtml(head) && !HasTag(head, "<") ? Content::kOther : Content::kXml;
  }
  if (head.starts_with('{')) return Content::kJson;
  if (LooksLikeMbox(bytes)) return Content::kMbox;
  if (LooksLikeMail(bytes)) return Content::kMail;
  if (LooksLikeFeedbackReport(bytes)) return Content::kFeedback;
  if (HasTag(head, "<")) return Content::kXml;
  if (LooksLikeBase64(bytes)) return Content::kBase64;
  return Content::kOther;
}

}  // namespace dmarcate
