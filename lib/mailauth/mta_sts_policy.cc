#include "lib/mailauth/mta_sts_policy.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/field_list.h"
#include "lib/mailauth/host_name.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxAgeDigits = 10;

// sts-policy-ext-value: UTF-8 without control characters, blanks inside only.
bool IsPolicyValue(std::string_view value) {
  return !value.empty() && IsValidUtf8(value) &&
         std::ranges::all_of(value, [](unsigned char c) { return c >= ' ' && c != 0x7f; });
}

std::optional<MtaStsMode> ParseMode(std::string_view text) {
  for (const MtaStsMode mode : {MtaStsMode::kNone, MtaStsMode::kTesting, MtaStsMode::kEnforce}) {
    if (text == ToString(mode)) return mode;
  }
  return std::nullopt;
}

std::optional<absl::Duration> ParseMaxAge(std::string_view text) {
  if (text.empty() || text.size() > kMaxAgeDigits || !std::ranges::all_of(text, IsDigit)) {
    return std::nullopt;
  }
  int64_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return absl::Seconds(seconds);
}

// Cuts off the next line. The last one needs no terminator.
MtaStsLine TakeLine(std::string_view& rest) {
  MtaStsLine line;
  const size_t end = rest.find('\n');
  std::string_view text = rest.substr(0, end);
  if (end != std::string_view::npos) {
    line.terminator = text.ends_with('\r') ? "\r\n" : "\n";
    if (text.ends_with('\r')) text.remove_suffix(1);
  }
  line.text = std::string(text);
  rest.remove_prefix(text.size() + line.terminator.size());
  return line;
}

absl::Status ReadLine(MtaStsLine& line) {
  const auto position = static_cast<size_t>(line.position);
  const std::string_view text = line.text;
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return SyntaxError(position, fmt::format("{} is no line 'key: value'", Quoted(text)));
  }
  const std::string_view key = text.substr(0, colon);
  const std::string_view value = TrimBlanks(text.substr(colon + 1));
  if (!IsFieldName(key)) {
    return SyntaxError(position,
                       fmt::format("{} is no key: letters, digits, '_', '-' and '.', at most {}, a "
                                   "letter or digit first",
                                   Quoted(key), kMaxFieldNameOctets));
  }
  if (!IsPolicyValue(value)) {
    return SyntaxError(position + colon + 1,
                       value.empty()
                           ? fmt::format("{} is empty", key)
                           : fmt::format("{} has control characters or is no UTF-8", key));
  }
  line.name = std::string(key);
  line.value = std::string(value);
  return absl::OkStatus();
}

class Reader {
 public:
  absl::StatusOr<MtaStsPolicy> Read(std::string_view text) {
    std::string_view rest = text;
    while (!rest.empty()) {
      const size_t position = text.size() - rest.size();
      MtaStsLine line = TakeLine(rest);
      line.position = static_cast<int>(position);
      if (!TrimBlanks(line.text).empty()) {
        DMARCATE_RETURN_IF_ERROR(ReadLine(line));
        DMARCATE_RETURN_IF_ERROR(Take(line));
      }
      policy_.lines.push_back(std::move(line));
    }
    if (!version_) return Missing("version");
    if (!mode_.has_value()) return Missing("mode");
    if (!max_age_.has_value()) return Missing("max_age");
    if (policy_.mx.empty() && *mode_ != MtaStsMode::kNone) return Missing("mx");
    policy_.mode = *mode_;
    policy_.max_age = *max_age_;
    return std::move(policy_);
  }

 private:
  static absl::Status Missing(std::string_view key) {
    return SyntaxError(0, fmt::format("there is no line {}", key));
  }
  static absl::Status Bad(const MtaStsLine& line, std::string_view wanted) {
    return SyntaxError(static_cast<size_t>(line.position),
                       fmt::format("{} {} is not {}", line.name, Quoted(line.value), wanted));
  }

  absl::Status Take(const MtaStsLine& line) {
    if (line.name == "mx") {
      auto pattern = ParseMtaStsMxPattern(line.value);
      if (!pattern.ok()) {
        return SyntaxError(static_cast<size_t>(line.position), MessageOf(pattern.status()));
      }
      policy_.mx.push_back(*std::move(pattern));
    } else if (line.name == "version" && !version_) {
      if (line.value != "STSv1") return Bad(line, "STSv1");
      version_ = true;
    } else if (line.name == "mode" && !mode_.has_value()) {
      mode_ = ParseMode(line.value);
      if (!mode_.has_value()) return Bad(line, "enforce, testing or none");
    } else if (line.name == "max_age" && !max_age_.has_value()) {
      max_age_ = ParseMaxAge(line.value);
      if (!max_age_.has_value()) {
        return Bad(line, fmt::format("a number of seconds of at most {} digits", kMaxAgeDigits));
      }
    }
    return absl::OkStatus();
  }

  MtaStsPolicy policy_;
  bool version_ = false;
  std::optional<MtaStsMode> mode_;
  std::optional<absl::Duration> max_age_;
};

}  // namespace

std::string_view ToString(MtaStsMode mode) {
  switch (mode) {
    case MtaStsMode::kNone:
      return "none";
    case MtaStsMode::kTesting:
      return "testing";
    case MtaStsMode::kEnforce:
      return "enforce";
  }
  return "none";
}

bool MtaStsMxPattern::Matches(const DomainName& host) const {
  return wildcard ? !host.IsRoot() && host.Parent() == name : host == name;
}

absl::StatusOr<MtaStsMxPattern> ParseMtaStsMxPattern(std::string_view text) {
  const auto bad = [text](std::string_view why) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("mx {}: {}", Quoted(text), why));
  };
  MtaStsMxPattern pattern;
  pattern.wildcard = text.starts_with("*.");
  const std::string_view host = text.substr(pattern.wildcard ? 2 : 0);
  if (host.ends_with('.')) return bad("no dot at the end");
  // DomainName would take U-labels; the file has A-labels only.
  const bool ascii = std::ranges::all_of(host, [](unsigned char c) { return c < 0x80; });
  const auto name = DomainName::Parse(host);
  if (!ascii || !name.ok() || !IsHostName(*name)) {
    return bad("no host name, such as mail.example.com or *.example.com");
  }
  pattern.name = *name;
  return pattern;
}

bool MtaStsPolicy::AllowsMx(const DomainName& host) const {
  return std::ranges::any_of(
      mx, [&host](const MtaStsMxPattern& pattern) { return pattern.Matches(host); });
}

std::string MtaStsPolicy::Render() const {
  std::string out;
  for (const MtaStsLine& line : lines) out += line.text + line.terminator;
  return out;
}

absl::StatusOr<MtaStsPolicy> ParseMtaStsPolicy(std::string_view text) {
  if (text.size() > kMaxMtaStsPolicyOctets) {
    return SyntaxError(kMaxMtaStsPolicyOctets,
                       fmt::format("policy of over {} octets", kMaxMtaStsPolicyOctets));
  }
  return Reader().Read(text);
}

}  // namespace dmarcate
