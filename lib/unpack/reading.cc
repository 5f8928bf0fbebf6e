#include "lib/unpack/reading.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "lib/base/text.h"
#include "lib/mail/header.h"
#include "lib/mail/mime_scan.h"
#include "lib/unpack/sniff.h"

namespace dmarcate {
namespace {

using namespace std::string_view_literals;

// Shorter lines hold no report and are common in text.
constexpr size_t kBase64LineOctets = 40;

bool IsBase64Line(std::string_view line) {
  line = TrimAscii(line);
  return line.size() >= kBase64LineOctets && std::ranges::all_of(line, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '+' || c == '/' || c == '=';
         });
}

// Runs of base64 lines. Padding ends one: what follows may be decoded by itself.
int Base64Runs(std::string_view text) {
  int runs = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const TextLine line = LineAt(text, at);
    const bool base64 = IsBase64Line(line.text);
    if (base64 && !inside) ++runs;
    inside = base64 && !TrimAscii(line.text).ends_with('=');
    at = line.next;
  }
  return runs;
}

bool HasMagic(std::string_view text) {
  constexpr std::array kMagic = {"PK\x03\x04"sv, "\x1F\x8B\x08"sv, "<?xml"sv, "<?XML"sv};
  return std::ranges::any_of(kMagic, [text](std::string_view magic) {
    return text.find(magic) != std::string_view::npos;
  });
}

// UTF-16 and UTF-32 as far as they are ASCII: what the sniffer sees of them. A view of `text` where
// it can be, else of `*room`.
std::string_view WithoutNuls(std::string_view text, std::string* room) {
  if (text.find('\0') == std::string_view::npos) return text;
  *room = text;
  std::erase(*room, '\0');
  return *room;
}

int FeedbackTags(std::string_view text) {
  std::string room;
  return CountFeedbackTags(WithoutNuls(text, &room));
}

// Whether a report may begin anywhere in it.
bool MayHoldReport(std::string_view text) {
  if (HasMagic(text)) return true;
  std::string room;
  text = WithoutNuls(text, &room);
  return HasMagic(text) || CountFeedbackTags(text) > 0 || Base64Runs(text) > 0;
}

bool IsReport(std::string_view content) {
  switch (SniffContent(content)) {
    case Content::kEmpty:
    case Content::kOther:
    case Content::kXml:  // also a fragment of HTML
      return MayHoldReport(content);
    default:
      return true;
  }
}

// `leaf` holds a report: is it the only one that its octets can give?
bool IsBegunOnce(const MailLeaf& leaf, std::string_view content) {
  if (leaf.encoding != TransferEncoding::kIdentity &&
      (FeedbackTags(leaf.body) > 1 || Base64Runs(leaf.body) > 1)) {
    return false;
  }
  switch (SniffContent(content)) {
    case Content::kMail:
    case Content::kMbox:
      return false;
    case Content::kXml:
    case Content::kOther:
      return FeedbackTags(content) == 1 && Base64Runs(content) == 0;
    case Content::kBase64:
      return Base64Runs(content) == 1;
    default:
      return true;
  }
}

}  // namespace

bool HasOneReading(std::string_view mail, const UnpackLimits& limits) {
  Mail scanned = ScanMail(mail, {.depth = limits.mime_depth,
                                 .parts = limits.mime_parts,
                                 .enclosed_messages = limits.enclosed_messages});
  if (!scanned.limit.empty()) return false;
  std::ranges::sort(scanned.leaves, {}, [](const MailLeaf& leaf) { return leaf.body.data(); });
  const std::string_view header = scanned.messages.front().headers;
  const char* done = header.data() + header.size();
  const auto is_clean_until = [&done](const char* end) {
    return end <= done || !MayHoldReport({done, static_cast<size_t>(end - done)});
  };
  int reports = 0;
  for (const MailLeaf& leaf : scanned.leaves) {
    if (leaf.body.data() == nullptr) continue;  // empty
    if (!is_clean_until(leaf.body.data())) return false;
    done = std::max(done, leaf.body.data() + leaf.body.size());
    const DecodedBody decoded = DecodeBody(leaf.body, leaf.encoding);
    if (IsReport(decoded.data)) {
      if (++reports > 1 || !IsBegunOnce(leaf, decoded.data)) return false;
    } else if (leaf.encoding != TransferEncoding::kBase64 && MayHoldReport(leaf.body)) {
      return false;
    }
  }
  return is_clean_until(mail.data() + mail.size()) && reports == 1;
}

}  // namespace dmarcate
