#include "ingestd/intake/imap/bookmarks.h"

#include <optional>
#include <string_view>
#include <vector>

#include "fmt/format.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/imap/response.h"

namespace dmarcate {
namespace {

constexpr std::string_view kHeader = "dmarcate imap bookmarks 1";
constexpr std::string_view kNone = "-";
constexpr size_t kFileLimitBytes = 16 << 20;

std::string ListText(const std::set<uint32_t>& uids) {
  std::string out;
  for (const uint32_t uid : uids) out += fmt::format("{}{}", out.empty() ? "" : ",", uid);
  return out.empty() ? std::string(kNone) : out;
}

std::optional<std::set<uint32_t>> ParseList(std::string_view text) {
  std::set<uint32_t> out;
  if (text == kNone) return out;
  for (const std::string_view word : Split(text, ',')) {
    const auto uid = ParseImapNumber(word);
    if (!uid || *uid == 0) return std::nullopt;
    out.insert(*uid);
  }
  return out;
}

}  // namespace

// A line a folder: UIDVALIDITY, next UID less one, pending, unmarked, the folder's name in hex.
absl::StatusOr<ImapBookmarks> LoadImapBookmarks(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kFileLimitBytes);
  if (text.status().code() == absl::StatusCode::kNotFound) return ImapBookmarks();
  if (!text.ok()) return text.status();
  const auto broken = [&path] {
    return MakeError(absl::StatusCode::kDataLoss, fmt::format("{}: not bookmarks", path));
  };
  if (!text->ends_with('\n')) return broken();
  const std::vector<std::string_view> lines =
      Split(std::string_view(*text).substr(0, text->size() - 1), '\n');
  if (lines[0] != kHeader) return broken();
  ImapBookmarks out;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string_view> words = Split(lines[i], ' ');
    if (words.size() != 5) return broken();
    const auto validity = ParseImapNumber(words[0]), done = ParseImapNumber(words[1]);
    const auto pending = ParseList(words[2]), unmarked = ParseList(words[3]);
    const std::string folder = FromHex(words[4]);
    if (!validity || *validity == 0 || !done || !pending || !unmarked || folder.empty()) {
      return broken();
    }
    out[folder] = {*validity, uint64_t{*done} + 1, *pending, *unmarked};
  }
  return out;
}

absl::Status SaveImapBookmarks(const std::string& path, const ImapBookmarks& bookmarks) {
  std::string text = fmt::format("{}\n", kHeader);
  for (const auto& [folder, bookmark] : bookmarks) {
    if (bookmark.uid_validity == 0) continue;
    text += fmt::format("{} {} {} {} {}\n", bookmark.uid_validity, bookmark.next_uid - 1,
                        ListText(bookmark.pending), ListText(bookmark.unmarked), ToHex(folder));
  }
  return WriteFileAtomically(path, text, 0600);
}

}  // namespace dmarcate
