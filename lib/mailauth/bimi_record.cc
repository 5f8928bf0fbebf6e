#include "lib/mailauth/bimi_record.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/finding_list.h"
#include "lib/mailauth/host_name.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxOctets = 65535;  // what a TXT record can hold
constexpr std::string_view kSection =
    "draft-brand-indicators-for-message-identification-10 section 4.3";
constexpr std::string_view kFormatsSection =
    "draft-brand-indicators-for-message-identification-10 section 4.3.2";
constexpr std::string_view kPrefixesSection =
    "draft-brand-indicators-for-message-identification-12 section 4.3";
constexpr size_t kMaxLabelOctets = 63;  // RFC 1035 section 2.3.4
// "Any other image format suffix" is a permanent error (section 4.3.2); a suffix that names no
// image, or none at all, leaves it to what is served.
constexpr std::array<std::string_view, 17> kOtherFormats = {
    "apng", "avif", "bmp",  "eps", "gif", "heic", "heif", "ico", "jfif",
    "jp2",  "jpe",  "jpeg", "jpg", "png", "tif",  "tiff", "webp"};

// A host of at least two labels: what the draft calls fully qualified.
bool IsQualified(std::string_view host) {
  const auto name = DomainName::Parse(host);
  return name.ok() && IsHostName(*name) && name->label_count() > 1;
}

absl::StatusOr<std::optional<Uri>> ReadLocation(const TagText& tag) {
  if (tag.value.empty()) return std::optional<Uri>();
  const auto bad = [&tag](std::string_view why) {
    return SyntaxError(static_cast<size_t>(tag.position),
                       fmt::format("bimi: tag {}: {}", tag.name, why));
  };
  auto uri = ParseUri(tag.value);
  if (!uri.ok()) return bad(MessageOf(uri.status()));
  if (uri->scheme != "https") return bad(fmt::format("{} is not https", Quoted(tag.value)));
  if (!IsQualified(uri->host)) {
    return bad(fmt::format("{} has no fully qualified domain name", Quoted(tag.value)));
  }
  return std::optional<Uri>(*std::move(uri));
}

// What follows the last dot of the last segment of the path; empty if there is none.
std::string_view SuffixOf(std::string_view uri) {
  std::string_view path = uri.substr(0, uri.find_first_of("?#"));
  path.remove_prefix(std::min(path.find('/', std::string_view("https://").size()), path.size()));
  const size_t mark = path.find_last_of("./");
  if (mark == std::string_view::npos || path[mark] == '/') return "";
  return path.substr(mark + 1);
}

// lps= as draft -12 section 4.3 has it: prefixes of local parts with commas between, each of 1 to
// 63 letters, digits and hyphens. nullopt for anything else.
std::optional<std::vector<std::string>> ParsePrefixes(std::string_view value) {
  std::vector<std::string> prefixes;
  if (value.empty()) return prefixes;
  for (const std::string_view item : Split(value, ',')) {
    const std::string_view prefix = TrimFoldingBlanks(item);
    const bool good =
        !prefix.empty() && prefix.size() <= kMaxLabelOctets &&
        std::ranges::all_of(prefix, [](char c) { return IsAlpha(c) || IsDigit(c) || c == '-'; });
    if (!good) return std::nullopt;
    prefixes.emplace_back(prefix);
  }
  return prefixes;
}

// "true" and "false" are all that draft -10 has.
bool IsFlag(std::string_view value) { return value == "true" || value == "false"; }

class Linter {
 public:
  Linter(const BimiRecord& record, std::string_view path) : record_(record), findings_(path) {}

  std::vector<LintFinding> Run() {
    for (const TagText& tag : record_.tags) CheckTag(tag);
    CheckLocations();
    return findings_.Take();
  }

 private:
  void Add(std::string_view code, Severity severity, const TagText& tag, std::string message,
           std::string fix, std::string_view section = kSection) {
    findings_
        .Add(code, severity, tag.name, tag.position, std::move(message), std::move(fix), section)
        .metadata["tag"] = tag.name;
  }

  void CheckTag(const TagText& tag) {
    if (tag.name == "v" || tag.name == "l" || tag.name == "a") return;
    if (tag.name == "avp" && tag.value != "brand" && tag.value != "personal") {
      Add(lint_code::kBimiBadValue, Severity::kWarning, tag,
          fmt::format("{} is no preference; receivers ignore it, or the record", Quoted(tag.value)),
          "Write brand or personal.");
    } else if (tag.name == "lps" && IsFlag(tag.value)) {
      Add(lint_code::kBimiBadValue, Severity::kWarning, tag,
          fmt::format("receivers on draft -10 read a yes or no, those on -12 take {} for the "
                      "beginning of a local part",
                      Quoted(tag.value)),
          tag.value == "true" ? "Write the beginnings of the local parts, or nothing for any."
                              : "Remove lps.",
          kPrefixesSection);
    } else if (tag.name == "lps" && !ParsePrefixes(tag.value).has_value()) {
      Add(lint_code::kBimiBadValue, Severity::kWarning, tag,
          fmt::format("{} is no list of prefixes: letters, digits and hyphens, at most {} each",
                      Quoted(tag.value), kMaxLabelOctets),
          "Write the beginnings of the local parts with commas between, or nothing for any.",
          kPrefixesSection);
    } else if (tag.name != "avp" && tag.name != "lps") {
      const std::string near = Nearest(AsciiLower(tag.name), {"l", "a", "avp", "lps"});
      Add(lint_code::kBimiUnknownTag, Severity::kInfo, tag,
          fmt::format("receivers ignore tag {}", Quoted(tag.name)),
          near.empty() ? "Remove it." : fmt::format("Did you mean {}? Otherwise remove it.", near));
    }
  }

  void CheckLocations() {
    const TagText& location = *record_.Find("l");
    if (record_.declined()) {
      Add(lint_code::kBimiDeclined, Severity::kInfo, location,
          "the record says that the domain takes no part in BIMI",
          "Nothing to do, if that is meant.",
          "draft-brand-indicators-for-message-identification-10 section 4.3.1");
      return;
    }
    if (!record_.location.has_value() && !record_.authority.has_value()) return;
    if (!record_.location.has_value()) {
      Add(lint_code::kBimiNoLogo, Severity::kWarning, location,
          "l is empty beside a, so there is no logo to show",
          "Write the https address of the logo, or empty a as well.");
      return;
    }
    CheckFormat(location);
    if (!record_.authority.has_value()) {
      Add(lint_code::kBimiNoEvidence, Severity::kInfo, location,
          "there is no evidence document, without which several large receivers show no logo",
          "Add a= with the https address of a mark certificate.");
    }
  }

  void CheckFormat(const TagText& location) {
    const std::string suffix = AsciiLower(SuffixOf(record_.location->text));
    if (suffix == "svg" || suffix == "svgz") return;
    const bool other = std::ranges::find(kOtherFormats, suffix) != kOtherFormats.end();
    Add(lint_code::kBimiFormat, other ? Severity::kError : Severity::kWarning, location,
        other ? fmt::format("the logo's address ends in .{}, and only SVG is accepted", suffix)
              : "the logo's address does not end in .svg, and no other format is accepted",
        "Publish the logo as SVG Tiny Portable/Secure, under a name that ends in .svg.",
        kFormatsSection);
  }

  const BimiRecord& record_;
  FindingList findings_;
};

}  // namespace

const TagText* BimiRecord::Find(std::string_view name) const {
  const auto found = std::ranges::find(tags, name, &TagText::name);
  return found == tags.end() ? nullptr : &*found;
}

std::string BimiRecord::Render() const { return Join(segments, ";"); }

absl::StatusOr<BimiRecord> ParseBimi(std::string_view text) {
  if (text.size() > kMaxOctets) {
    return SyntaxError(kMaxOctets, "bimi: longer than a TXT record can be");
  }
  DMARCATE_ASSIGN_OR_RETURN(const TagList list, ParseTagList(text, "bimi"));
  if (list.first != "v" || list.Find("v") != "BIMI1") {
    return SyntaxError(0, "bimi: record does not begin with v=BIMI1");
  }
  BimiRecord record;
  record.tags = TagTexts(list, text);
  record.segments = SegmentTexts(list);
  const TagText* location = record.Find("l");
  if (location == nullptr) return SyntaxError(text.size(), "bimi: there is no l");
  DMARCATE_ASSIGN_OR_RETURN(record.location, ReadLocation(*location));
  if (const TagText* authority = record.Find("a")) {
    DMARCATE_ASSIGN_OR_RETURN(record.authority, ReadLocation(*authority));
  }
  if (const auto lps = list.Find("lps"); lps.has_value() && lps != "false") {
    auto prefixes = ParsePrefixes(*lps);
    record.local_part_selectors = prefixes.has_value();
    if (prefixes.has_value() && lps != "true") record.local_part_prefixes = *std::move(prefixes);
  }
  if (list.Find("avp") == "personal") record.avatar = BimiAvatar::kPersonal;
  return record;
}

std::vector<LintFinding> LintBimi(const BimiRecord& record, std::string_view path) {
  return Linter(record, path).Run();
}

}  // namespace dmarcate
