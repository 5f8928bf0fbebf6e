#include "lib/mailauth/dmarc_record.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/dmarc_reader.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxOctets = 65535;  // what a TXT record can hold
constexpr size_t kMaxTags = 1000;

bool IsTagNameChar(char c) { return IsAlpha(c) || IsDigit(c) || c == '_'; }

DmarcTag ParseTag(std::string_view segment, size_t position) {
  DmarcTag tag;
  tag.text = std::string(segment);
  tag.position = static_cast<int>(position);
  const size_t equals = segment.find('=');
  if (equals == std::string_view::npos) {
    tag.well_formed = false;
    return tag;
  }
  const std::string_view name = TrimBlanks(segment.substr(0, equals));
  const std::string_view value = TrimBlanks(segment.substr(equals + 1));
  const bool name_ok =
      !name.empty() && IsAlpha(name[0]) && std::ranges::all_of(name, IsTagNameChar);
  if (name_ok) tag.name = AsciiLower(name);
  tag.well_formed = name_ok && IsDmarcTagValue(value);
  if (tag.well_formed) tag.value = std::string(value);
  return tag;
}

DmarcPolicy Lowered(DmarcPolicy policy) {
  return policy == DmarcPolicy::kReject ? DmarcPolicy::kQuarantine : DmarcPolicy::kNone;
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

bool operator==(const DmarcRecord& a, const DmarcRecord& b) {
  const auto meaning = [](const DmarcRecord& record) {
    std::vector<std::pair<std::string, std::string>> tags;
    for (const DmarcTag& tag : record.tags_) {
      tags.emplace_back(tag.name, tag.well_formed ? tag.value : std::string(TrimBlanks(tag.text)));
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
    if (!version && !(last && TrimBlanks(segment).empty())) {
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
