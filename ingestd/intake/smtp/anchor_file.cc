#include "ingestd/intake/smtp/anchor_file.h"

#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "fmt/format.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr std::string_view kFirstLine = "dmarcate anchor-senders 1";
constexpr size_t kLimitBytes = 64 << 20;  // a million entries and more
constexpr mode_t kMode = 0640;

// "HASH SECONDS": 32 hex digits and the time since 1970.
bool ParseEntry(std::string_view line, AnchorEntry* out) {
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos) return false;
  const std::string hash = FromHex(line.substr(0, blank));
  const std::string_view digits = line.substr(blank + 1);
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  if (hash.size() != sizeof out->sender || error != std::errc() || seconds < 0 ||
      end != digits.data() + digits.size()) {
    return false;
  }
  std::memcpy(out->sender.data(), hash.data(), hash.size());
  out->proved = absl::FromUnixSeconds(seconds);
  return true;
}

}  // namespace

absl::StatusOr<std::vector<AnchorEntry>> LoadAnchorFile(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kLimitBytes);
  if (absl::IsNotFound(text.status())) return std::vector<AnchorEntry>();
  DMARCATE_RETURN_IF_ERROR(text.status());
  std::vector<AnchorEntry> out;
  int number = 0;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    AnchorEntry entry;
    const bool good = ++number == 1 ? line == kFirstLine : ParseEntry(line, &entry);
    if (!good || end == std::string_view::npos) {
      return MakeError(
          absl::StatusCode::kDataLoss,
          fmt::format("{}: line {}: {}", path, number,
                      number == 1 ? "no list of anchor senders" : "no whole entry (HASH SECONDS)"));
    }
    if (number > 1) out.push_back(entry);
    rest.remove_prefix(end + 1);
  }
  if (number == 0) return MakeError(absl::StatusCode::kDataLoss, fmt::format("{}: empty", path));
  return out;
}

absl::Status SaveAnchorFile(const std::string& path, const std::vector<AnchorEntry>& entries) {
  std::string text = fmt::format("{}\n", kFirstLine);
  for (const AnchorEntry& entry : entries) {
    const std::string_view hash(reinterpret_cast<const char*>(entry.sender.data()),
                                sizeof entry.sender);
    text += fmt::format("{} {}\n", ToHex(hash), absl::ToUnixSeconds(entry.proved));
  }
  return WriteFileAtomically(path, text, kMode);
}

}  // namespace dmarcate
