#include "lib/mailauth/dmarc_record.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/dmarc_reader.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxOctets = 65535;  // what a TXT record can hold
constexpr size_t kMaxTags = 1000;

bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsTagNameChar(char c) { return IsAlpha(c) || (c >= '0' && c <= '9') || c == '_'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

bool IsTagValue(std::string_view value) {
  return !value.empty() && std::ranges::all_of(value, [](char c) {
    return IsBlank(c) || (c >= ' ' && c < 0x7f && c != ';');
  });
}

DmarcTag ParseTag(std::string_view segment, size_t position) {
  DmarcTag tag;
  tag.text = std::string(segment);
  tag.position = static_cast<int>(position);
  const size_t equals = segment.find('=');
  if (equals == std::string_view::npos) {
    tag.well_formed = false;
    return tag;
  }
  const std::string_view name = Trim(segment.substr(0, equals));
  const std::string_view value = Trim(segment.substr(equals + 1));
  const bool name_ok =
      !name.empty() && IsAlpha(name[0]) && std::ranges::all_of(name, IsTagNameChar);
  if (name_ok) tag.name = AsciiLower(name);
  tag.well_formed = name_ok && IsTagValue(value);
  if (tag.well_formed) tag.value = std::string(value);
  return tag;
}

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

DmarcPolicy Lowered(DmarcPolicy policy) {
  return policy == DmarcPolicy::kReject ? DmarcPolicy::kQuarantine : DmarcPolicy::kNone;
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

std::string_view ToString(DmarcPolicy policy) {
  switch (policy) {
    case DmarcPolicy::kNone:
      return "none";
    case DmarcPolicy::kQuarantine:
      return "quarantine";
    case DmarcPolicy::kReject:
      return "reject";
  }
  return "none";
}

std::optional<DmarcPolicy> ParseDmarcPolicy(std::string_view text) {
  for (const DmarcPolicy policy :
       {DmarcPolicy::kNone, DmarcPolicy::kQuarantine, DmarcPolicy::kReject}) {
    if (EqualsIgnoreCase(text, ToString(policy))) return policy;
  }
  return std::nullopt;
}

std::string_view ToString(DmarcReading reading) {
  switch (reading) {
    case DmarcReading::kPolicy:
      return "policy";
    case DmarcReading::kTreatedAsNone:
      return "treated-as-p-none";
    case DmarcReading::kNoProcessing:
      return "no-dmarc-processing";
    case DmarcReading::kTagListInvalid:
      return "tag-list-invalid";
    case DmarcReading::kNotDmarc:
      return "not-a-dmarc-record";
  }
  return "not-a-dmarc-record";
}

DmarcPolicy DmarcVerdict::Requested(DmarcSubject subject) const {
  if (reading != DmarcReading::kPolicy) return DmarcPolicy::kNone;
  switch (subject) {
    case DmarcSubject::kDomain:
      return p;
    case DmarcSubject::kSubdomain:
      return sp.value_or(p);
    case DmarcSubject::kNonExistent:
      return np.value_or(sp.value_or(p));
  }
  return p;
}

DmarcPolicy DmarcVerdict::Applied(DmarcSubject subject) const {
  const DmarcPolicy requested = Requested(subject);
  return testing || pct == 0 ? Lowered(requested) : requested;
}

const DmarcTag* DmarcRecord::Find(std::string_view name) const {
  const auto found = std::ranges::find(tags_, name, &DmarcTag::name);
  return found == tags_.end() ? nullptr : &*found;
}

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
      Trim(value) != value || !IsTagValue(value)) {
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
  return WithTag("rua", Trim(value));
}

bool operator==(const DmarcRecord& a, const DmarcRecord& b) {
  const auto meaning = [](const DmarcRecord& record) {
    std::vector<std::pair<std::string, std::string>> tags;
    for (const DmarcTag& tag : record.tags_) {
      tags.emplace_back(tag.name, tag.well_formed ? tag.value : std::string(Trim(tag.text)));
    }
    std::ranges::sort(tags);
    return tags;
  };
  return a.rfc9989_.reading == b.rfc9989_.reading && a.rfc7489_.reading == b.rfc7489_.reading &&
         meaning(a) == meaning(b);
}

absl::StatusOr<DmarcRecord> ParseDmarc(std::string_view text) {
  if (text.size() > kMaxOctets) {
    return SyntaxError(kMaxOctets, "record is longer than a TXT record can be");
  }
  if (DmarcVersionLength(text, DmarcStandard::kRfc9989) == 0) {
    return SyntaxError(0, "record does not begin with 'v=DMARC1' and a semicolon");
  }
  DmarcRecord record;
  record.text_ = std::string(text);
  size_t position = 0;
  for (const std::string_view segment : Split(text, ';')) {
    const bool version = record.segments_.empty();
    const bool last = position + segment.size() == text.size();
    record.segments_.emplace_back(segment);
    if (!version && !(last && Trim(segment).empty())) {
      if (record.tags_.size() == kMaxTags) return SyntaxError(position, "more than 1000 tags");
      record.tags_.push_back(ParseTag(segment, position));
    }
    position += segment.size() + 1;
  }
  record.rfc9989_ = ReadDmarcTags(record.tags_, DmarcStandard::kRfc9989);
  if (DmarcVersionLength(text, DmarcStandard::kRfc7489) != 0) {
    record.rfc7489_ = ReadDmarcTags(record.tags_, DmarcStandard::kRfc7489);
  } else {
    record.rfc7489_.why = "no semicolon follows the version";
  }
  return record;
}

DmarcSelection SelectDmarc(const std::vector<std::string>& records, DmarcStandard standard) {
  DmarcSelection selection;
  for (size_t i = 0; i < records.size(); ++i) {
    if (DmarcVersionLength(records[i], standard) != 0) selection.indexes.push_back(i);
  }
  using Outcome = DmarcSelection::Outcome;
  selection.outcome = selection.indexes.empty()       ? Outcome::kNone
                      : selection.indexes.size() == 1 ? Outcome::kOne
                                                      : Outcome::kMultiple;
  return selection;
}

bool IsReportAuthorization(std::string_view text) {
  return DmarcVersionLength(text, DmarcStandard::kRfc9989) != 0;
}

}  // namespace dmarcate
