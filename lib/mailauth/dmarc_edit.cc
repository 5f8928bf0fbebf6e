// Edits of a DMARC Policy Record: one tag changes, every other byte stays.

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/dmarc_reader.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

// `segment` with its value replaced; what stands around it stays.
std::string ReplaceValue(const DmarcTag& tag, std::string_view value) {
  if (!tag.well_formed) {
    const size_t blanks = tag.text.find_first_not_of(" \t");
    return fmt::format("{}{}={}", tag.text.substr(0, std::min(blanks, tag.text.size())), tag.name,
                       value);
  }
  const size_t begin = tag.text.find_first_not_of(" \t", tag.text.find('=') + 1);
  std::string out = tag.text;
  return out.replace(begin, tag.value.size(), value);
}

// Addresses of reports compare without case (DESIGN section 5); a size suffix does not matter.
bool SameUri(const DmarcUri& a, const DmarcUri& b) { return EqualsIgnoreCase(a.uri, b.uri); }

absl::StatusOr<std::vector<DmarcUri>> ParseEach(const std::vector<std::string>& texts) {
  std::vector<DmarcUri> uris;
  for (const std::string& text : texts) {
    DMARCATE_ASSIGN_OR_RETURN(auto parsed, ParseDmarcUris(text, DmarcStandard::kRfc7489));
    if (parsed.size() != 1) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       fmt::format("{} is more than one report address", Quoted(text)));
    }
    uris.push_back(std::move(parsed[0]));
  }
  return uris;
}

bool Contains(const std::vector<DmarcUri>& uris, const DmarcUri& uri) {
  return std::ranges::any_of(uris, [&uri](const DmarcUri& other) { return SameUri(uri, other); });
}

}  // namespace

absl::StatusOr<DmarcRecord> DmarcRecord::Rebuild(const std::vector<std::string>& segments) const {
  DMARCATE_ASSIGN_OR_RETURN(DmarcRecord edited, ParseDmarc(Join(segments, ";")));
  if (edited.rfc9989_.reading == DmarcReading::kTagListInvalid) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("dmarc record: {}", edited.rfc9989_.why));
  }
  return edited;
}

absl::StatusOr<DmarcRecord> DmarcRecord::WithTag(std::string_view name,
                                                 std::string_view value) const {
  const std::string tag_name = AsciiLower(name);
  if (tag_name.empty() || tag_name == "v" || !std::ranges::all_of(tag_name, IsAlpha) ||
      TrimBlanks(value) != value || !IsDmarcTagValue(value)) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("no valid dmarc tag: {}={}", Quoted(name), Quoted(value)));
  }
  std::vector<std::string> segments = segments_;
  if (const DmarcTag* tag = Find(tag_name)) {
    segments[1 + static_cast<size_t>(tag - tags_.data())] = ReplaceValue(*tag, value);
  } else {
    // Where it goes: p directly behind the version (RFC 7489 section 6.3), sp and np behind the
    // policy tags before them, the rest at the end, before the empty text of a last semicolon.
    const auto behind = [this](std::initializer_list<std::string_view> names) {
      size_t at = 0;
      for (const std::string_view before : names) {
        const DmarcTag* found = Find(before);
        if (found != nullptr) at = std::max(at, 1 + static_cast<size_t>(found - tags_.data()));
      }
      return at;
    };
    size_t at = tags_.size();
    if (tag_name == "p") {
      at = 0;
    } else if (tag_name == "sp") {
      at = behind({"p"});
    } else if (tag_name == "np") {
      at = behind({"p", "sp"});
    }
    // As the record is written: "; p=none" or ";p=none".
    const bool tight = !tags_.empty() && !IsBlank(tags_[0].text.empty() ? ' ' : tags_[0].text[0]);
    segments.insert(segments.begin() + 1 + static_cast<std::ptrdiff_t>(at),
                    fmt::format("{}{}={}", tight ? "" : " ", tag_name, value));
  }
  DMARCATE_ASSIGN_OR_RETURN(DmarcRecord edited, Rebuild(segments));
  for (const DmarcVerdict* verdict : {&edited.rfc9989_, &edited.rfc7489_}) {
    if (std::ranges::find(verdict->dropped, tag_name) != verdict->dropped.end()) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       fmt::format("dmarc tag {}: {} is no valid value", tag_name, Quoted(value)));
    }
  }
  return edited;
}

absl::StatusOr<DmarcRecord> DmarcRecord::WithoutTag(std::string_view name) const {
  const DmarcTag* tag = Find(AsciiLower(name));
  std::vector<std::string> segments = segments_;
  if (tag != nullptr) segments.erase(segments.begin() + 1 + (tag - tags_.data()));
  return Rebuild(segments);
}

absl::StatusOr<DmarcRecord> DmarcRecord::WithRua(const std::vector<std::string>& added) const {
  DMARCATE_ASSIGN_OR_RETURN(const auto wanted, ParseEach(added));
  const DmarcTag* tag = Find("rua");
  std::string value = tag == nullptr ? "" : tag->value;
  std::vector<DmarcUri> listed;
  if (!value.empty()) {
    auto parsed = ParseDmarcUris(value, DmarcStandard::kRfc7489);
    if (!parsed.ok()) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       fmt::format("dmarc tag rua as published: {}", MessageOf(parsed.status())));
    }
    listed = *std::move(parsed);
  }
  for (const DmarcUri& uri : wanted) {
    if (Contains(listed, uri)) continue;
    listed.push_back(uri);
    if (!value.empty()) value.push_back(',');
    value += uri.text;
  }
  if (value.empty() || (tag != nullptr && tag->value == value)) return Rebuild(segments_);
  return WithTag("rua", value);
}

absl::StatusOr<DmarcRecord> DmarcRecord::WithoutRua(const std::vector<std::string>& removed) const {
  DMARCATE_ASSIGN_OR_RETURN(const auto unwanted, ParseEach(removed));
  const DmarcTag* tag = Find("rua");
  if (tag == nullptr || !tag->well_formed) return Rebuild(segments_);
  std::vector<std::string> kept;
  for (const std::string_view item : Split(tag->value, ',')) {
    const auto parsed = ParseDmarcUris(item, DmarcStandard::kRfc7489);
    if (parsed.ok() && Contains(unwanted, parsed->front())) continue;
    kept.emplace_back(item);
  }
  if (kept.empty()) return WithoutTag("rua");
  const std::string value = Join(kept, ",");
  if (value == tag->value) return Rebuild(segments_);
  return WithTag("rua", TrimBlanks(value));
}

}  // namespace dmarcate
