#include "policyd/plan/txt_image.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/mta_sts_record.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/guard.h"

namespace dmarcate {
namespace {

std::vector<TxtRecord> SiblingsOf(RecordRole role, const std::vector<TxtRecord>& records) {
  std::vector<TxtRecord> siblings;
  for (const TxtRecord& record : records) {
    if (!IsOfRole(role, record.Joined())) siblings.push_back(record);
  }
  return siblings;
}

// One character-string each; the length octets are left out, as in the rule of thumb.
size_t OctetsOf(const DomainName& owner, const std::vector<TxtRecord>& records) {
  size_t octets = owner.text().size();
  for (const TxtRecord& record : records) octets += record.Joined().size();
  return octets;
}

}  // namespace

RecordRole RoleOf(const DomainName& owner) {
  const std::vector<std::string_view> labels = owner.labels();
  if (!labels.empty() && labels.front() == "_dmarc") return RecordRole::kDmarc;
  if (!labels.empty() && labels.front() == "_mta-sts") return RecordRole::kMtaSts;
  for (size_t i = 0; i + 1 < labels.size(); ++i) {
    if (labels[i] == "_report" && labels[i + 1] == "_dmarc") {
      return RecordRole::kReportAuthorization;
    }
  }
  return std::ranges::find(labels, "_dmarc") != labels.end() ? RecordRole::kDmarc
                                                             : RecordRole::kSpf;
}

bool IsOfRole(RecordRole role, std::string_view text) {
  switch (role) {
    case RecordRole::kSpf:
      return IsSpfText(text);
    case RecordRole::kDmarc:
      return SelectDmarc({std::string(text)}).outcome == DmarcSelection::Outcome::kOne;
    case RecordRole::kReportAuthorization:
      return IsReportAuthorization(text);
    case RecordRole::kMtaSts:
      return !SelectMtaSts({std::string(text)}).indexes.empty();
  }
  return false;
}

bool SameOwn(RecordRole role, const std::vector<TxtRecord>& a, const std::vector<TxtRecord>& b) {
  const auto own = [role](const std::vector<TxtRecord>& records) {
    std::vector<std::string> texts = TextsOf(records);
    std::erase_if(texts, [role](const std::string& text) { return !IsOfRole(role, text); });
    std::ranges::sort(texts);
    return texts;
  };
  return own(a) == own(b);
}

std::vector<std::string> TextsOf(const std::vector<TxtRecord>& records) {
  std::vector<std::string> texts;
  texts.reserve(records.size());
  for (const TxtRecord& record : records) texts.push_back(record.Joined());
  return texts;
}

RecordChangeRecord ReplaceText(const TxtImage& image, std::string_view before,
                               std::string_view after) {
  std::vector<TxtRecord> records = image.records;
  const auto place =
      before.empty() ? records.end() : std::ranges::find_if(records, [&](const TxtRecord& record) {
        return record.Joined() == before;
      });
  if (place != records.end() && after.empty()) {
    records.erase(place);
  } else if (place != records.end()) {
    *place = MakeTxtRecord(after);
  } else if (!after.empty()) {
    records.push_back(MakeTxtRecord(after));
  }

  RecordChangeRecord change;
  change.zone = image.zone.text();
  change.owner_name = image.owner.text();
  change.before = ToPresentations(image.records);
  change.after = ToPresentations(records);
  change.ttl_before = image.records.empty() ? 0 : image.ttl_seconds;
  if (!records.empty()) {
    change.ttl_after = image.records.empty() ? kNewRrSetTtlSeconds : image.ttl_seconds;
  }
  for (const TxtRecord& record : image.records) {
    if (record.Joined() != before) change.untouched.push_back(record.ToPresentation());
  }
  return change;
}

std::vector<std::string> ToPresentations(const std::vector<TxtRecord>& records) {
  std::vector<std::string> out;
  out.reserve(records.size());
  for (const TxtRecord& record : records) out.push_back(record.ToPresentation());
  return out;
}

absl::StatusOr<std::vector<TxtRecord>> FromPresentations(const std::vector<std::string>& texts) {
  std::vector<TxtRecord> out;
  out.reserve(texts.size());
  for (const std::string& text : texts) {
    absl::StatusOr<TxtRecord> record = ParseTxtPresentation(text);
    if (!record.ok()) {
      return MakeError(absl::StatusCode::kDataLoss,
                       fmt::format("stored TXT record: {}", MessageOf(record.status())));
    }
    out.push_back(*std::move(record));
  }
  return out;
}

std::vector<GuardRecord> GuardImages(const DomainName& owner, const std::vector<TxtRecord>& before,
                                     const std::vector<TxtRecord>& after) {
  std::vector<GuardRecord> guards;
  const RecordRole role = RoleOf(owner);
  const std::vector<TxtRecord> kept = SiblingsOf(role, before);
  if (SiblingsOf(role, after) == kept) {
    guards.push_back(Pass(
        guard_code::kSiblingTxtLoss,
        fmt::format("{} other TXT records at {} stay as they are", kept.size(), owner.text())));
  } else {
    guards.push_back(
        Refuse(guard_code::kSiblingTxtLoss,
               fmt::format("other TXT records at {} would not stay as they are", owner.text())));
  }

  const size_t octets = OctetsOf(owner, after);
  const std::map<std::string, std::string> numbers = {
      {"octets", std::to_string(octets)},
      {"warn_from", std::to_string(kTxtWarnOctets)},
      {"limit", std::to_string(kTxtRefuseOctets)},
      {"owner", owner.text()},
  };
  const std::string message =
      fmt::format("all TXT records at {} take {} octets", owner.text(), octets);
  if (octets > kTxtRefuseOctets) {
    guards.push_back(Refuse(guard_code::kTxtTooLarge,
                            fmt::format("{}, limit {}", message, kTxtRefuseOctets), numbers));
  } else if (octets > kTxtWarnOctets) {
    guards.push_back(
        Warn(guard_code::kTxtTooLarge,
             fmt::format("{}; from {} on some receivers get no answer", message, kTxtWarnOctets),
             numbers));
  } else {
    guards.push_back(Pass(guard_code::kTxtTooLarge, message, numbers));
  }
  return guards;
}

}  // namespace dmarcate
