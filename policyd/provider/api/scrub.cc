#include "policyd/provider/api/scrub.h"

#include <algorithm>

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "policyd/provider/api/json.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr size_t kShortest = 4;
constexpr std::string_view kInstead = "(secret)";

void AddDresses(std::string_view secret, std::vector<std::string>& out) {
  if (secret.size() < kShortest) return;
  out.emplace_back(secret);
  out.push_back(QueryEscape(secret));
  const std::string json = ToText(Json(std::string(secret)));
  out.push_back(json.substr(1, json.size() - 2));
  std::string base64 = Base64Encode(secret);
  while (base64.ends_with('=')) base64.pop_back();
  // The last digit depends on what follows.
  if (base64.size() > kShortest) base64.pop_back();
  out.push_back(std::move(base64));
  out.push_back(ToHex(secret));
}

// The longest first, so that no part of one is replaced alone.
std::vector<std::string> DressesOf(const std::vector<std::string>& secrets) {
  std::vector<std::string> out;
  for (const std::string& secret : secrets) {
    AddDresses(secret, out);
    const std::vector<std::string_view> lines = Split(secret, '\n');
    for (std::string_view line : lines) {
      line = TrimAscii(line);
      if (lines.size() > 1) AddDresses(line, out);
      const size_t equals = line.find('=');
      if (equals == std::string_view::npos) continue;
      AddDresses(TrimAscii(line.substr(equals + 1)), out);
    }
  }
  std::ranges::sort(out, [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

// How many octets at the end of `text` are the beginning of `what`; 0 below kShortest.
size_t CutAtEnd(std::string_view text, std::string_view what) {
  for (size_t n = std::min(text.size(), what.size() - 1); n >= kShortest; --n) {
    if (text.ends_with(what.substr(0, n))) return n;
  }
  return 0;
}

}  // namespace

std::string Scrub(std::string_view text, const std::vector<std::string>& secrets) {
  const std::vector<std::string> dresses = DressesOf(secrets);
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const auto found = std::ranges::find_if(
        dresses, [&](const std::string& dress) { return rest.starts_with(dress); });
    if (found == dresses.end()) {
      out += text[at++];
    } else {
      out += kInstead;
      at += found->size();
    }
  }
  return out;
}

std::string ScrubCut(std::string_view text, const std::vector<std::string>& secrets) {
  std::string out = Scrub(text, secrets);
  size_t cut = 0;
  for (const std::string& dress : DressesOf(secrets)) cut = std::max(cut, CutAtEnd(out, dress));
  if (cut > 0) out.replace(out.size() - cut, cut, kInstead);
  return out;
}

absl::Status ScrubStatus(const absl::Status& status, const std::vector<std::string>& secrets) {
  if (status.ok()) return status;
  return MakeError(status.code(), Scrub(MessageOf(status), secrets));
}

}  // namespace dmarcate
