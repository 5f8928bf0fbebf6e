#include "policyd/mta_sts/policy_file.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kHashOctets = 24;
constexpr uint32_t kMostSerial = 10'000'000;  // seven digits: an id has 32 octets at most
constexpr size_t kLongestLineShown = 80;      // of a file that somebody else serves

std::string Shown(std::string_view line) {
  const bool cut = line.size() > kLongestLineShown;
  return fmt::format("\"{}{}\"", EscapeForTerminal(line.substr(0, kLongestLineShown)),
                     cut ? "..." : "");
}

// The lines without their terminators; nothing after the last one.
std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines = Split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  for (std::string_view& line : lines) {
    if (line.ends_with('\r')) line.remove_suffix(1);
  }
  return lines;
}

std::set<std::string> PatternsOf(const MtaStsPolicy& policy) {
  std::set<std::string> patterns;
  for (const MtaStsMxPattern& pattern : policy.mx) patterns.insert(pattern.text());
  return patterns;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> NormalizeStsPatterns(const std::vector<std::string>& mx) {
  std::set<std::string> patterns;
  for (const std::string& text : mx) {
    DMARCATE_ASSIGN_OR_RETURN(const MtaStsMxPattern pattern, ParseMtaStsMxPattern(text));
    patterns.insert(pattern.text());
  }
  if (patterns.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "there is no mx pattern");
  }
  if (patterns.size() > kMaxStsMxPatterns) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("{} mx patterns, at most {}", patterns.size(), kMaxStsMxPatterns));
  }
  return std::vector<std::string>(patterns.begin(), patterns.end());
}

std::string RenderStsFile(const StsFile& file) {
  std::string out = fmt::format("version: STSv1\r\nmode: {}\r\n", ToString(file.mode));
  if (file.mode != MtaStsMode::kNone) {
    for (const std::string& pattern : file.mx) out += fmt::format("mx: {}\r\n", pattern);
  }
  out += fmt::format("max_age: {}\r\n", absl::ToInt64Seconds(file.max_age));
  return out;
}

std::string StsId(std::string_view file, uint32_t serial) {
  std::string id = Sha256Hex(file).substr(0, kHashOctets);
  if (serial > 0) id += fmt::format("n{}", serial % kMostSerial);
  return id;
}

bool IsStsIdOf(std::string_view file, std::string_view id) {
  return id.starts_with(StsId(file)) &&
         (id.size() == kHashOctets || StsId(file, StsSerialOf(id)) == id);
}

uint32_t StsSerialOf(std::string_view id) {
  uint32_t serial = 0;
  if (id.size() <= kHashOctets + 1 || id[kHashOctets] != 'n') return 0;
  const char* const end = id.data() + id.size();
  const auto [stop, error] = std::from_chars(id.data() + kHashOctets + 1, end, serial);
  return error == std::errc() && stop == end ? serial : 0;
}

std::string StsRecordText(std::string_view id) { return fmt::format("v=STSv1; id={};", id); }

std::string DescribeStsDifference(std::string_view wanted, std::string_view served) {
  if (wanted == served) return "";
  const std::vector<std::string_view> ours = LinesOf(wanted);
  const std::vector<std::string_view> theirs = LinesOf(served);
  for (size_t i = 0; i < std::max(ours.size(), theirs.size()); ++i) {
    if (i >= theirs.size()) return fmt::format("line {} is missing: {}", i + 1, Shown(ours[i]));
    if (i >= ours.size()) return fmt::format("line {} is too much: {}", i + 1, Shown(theirs[i]));
    if (ours[i] == theirs[i]) continue;
    return fmt::format("line {} is {}, not {}", i + 1, Shown(theirs[i]), Shown(ours[i]));
  }
  return "the lines are the same, but not how they end: each ends with CR LF, the last one too";
}

bool SaysTheSame(const MtaStsPolicy& a, const MtaStsPolicy& b) {
  return a.mode == b.mode && a.max_age == b.max_age && PatternsOf(a) == PatternsOf(b);
}

std::vector<std::string> HostsNotMatched(const std::vector<std::string>& mx,
                                         const std::vector<std::string>& hosts) {
  std::vector<MtaStsMxPattern> patterns;
  for (const std::string& text : mx) {
    if (auto pattern = ParseMtaStsMxPattern(text); pattern.ok()) {
      patterns.push_back(*std::move(pattern));
    }
  }
  std::vector<std::string> out;
  for (const std::string& text : hosts) {
    const auto host = DomainName::Parse(text);
    const bool matched =
        host.ok() && std::ranges::any_of(patterns, [&host](const MtaStsMxPattern& pattern) {
          return pattern.Matches(*host);
        });
    if (!matched) out.push_back(text);
  }
  return out;
}

}  // namespace dmarcate
