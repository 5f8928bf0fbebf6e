#include "lib/store/day_stamps.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_db.h"
#include "lib/store/value_codec.h"

namespace dmarcate {

DayStamps::Place* DayStamps::Find(const std::string& day_key) {
  if (const auto found = last_.find(day_key); found != last_.end()) return &found->second;
  const auto before = last_before_.find(day_key);
  if (before == last_before_.end()) return nullptr;
  return &last_.emplace(day_key, before->second).first->second;
}

absl::Status DayStamps::Stamp(const RocksDb& db, uint64_t commit,
                              const absl::flat_hash_set<std::string>& added, ReceiptId last_receipt,
                              WriteSet* changes) {
  constexpr size_t kReportBytes = 10;  // receipt and item, behind the day
  struct Touched {
    bool rewritten = false;
    std::optional<Place> first, last;  // of what is added
  };
  if (last_.size() > kDays) {
    last_before_ = std::move(last_);
    last_.clear();
  }
  StringMap<Touched> days;
  const std::string expired = ExpiredDbKey("");
  const auto& families = changes->families();
  for (const auto& [key, value] : families[kReportsFamily]) {
    if (key.size() <= kReportBytes) continue;
    Touched& day = days[key.substr(0, key.size() - kReportBytes)];
    std::string_view rest = std::string_view(key).substr(key.size() - kReportBytes);
    if (!added.contains(key)) {
      day.rewritten = true;
      continue;
    }
    const auto receipt = TakeKeyNumber(&rest, 8), item = TakeKeyNumber(&rest, 2);
    const Place place(receipt.value_or(0), item.value_or(0));
    day.first = std::min(day.first.value_or(place), place);
    day.last = std::max(day.last.value_or(place), place);
  }
  for (const auto& [key, value] : families[kTotalsFamily]) days.try_emplace(key);
  for (const auto& [key, value] : families[kMainFamily]) {
    if (key.starts_with(expired)) days[key.substr(expired.size())].rewritten = true;
  }
  for (const auto& [day_key, day] : days) {
    const auto* const totals = changes->Find(kTotalsFamily, day_key);
    if (totals != nullptr && !*totals) {
      changes->Delete(kMainFamily, DayRevisionDbKey(day_key, DayChange::kAppended));
      changes->Delete(kMainFamily, DayRevisionDbKey(day_key, DayChange::kRewritten));
      last_.erase(day_key);
      last_before_.erase(day_key);
      continue;
    }
    Place* const known = Find(day_key);
    const bool appended = !day.rewritten && day.first && known != nullptr && *known < *day.first;
    if (known == nullptr) {
      last_.emplace(day_key, Place(last_receipt, UINT16_MAX));
    } else if (day.last && *known < *day.last) {
      *known = *day.last;
    }
    if (totals == nullptr) {
      DMARCATE_ASSIGN_OR_RETURN(const auto stored, db.Get(kTotalsFamily, day_key));
      if (!stored) continue;  // nothing on it has ever counted
    }
    std::string key =
        DayRevisionDbKey(day_key, appended ? DayChange::kAppended : DayChange::kRewritten);
    std::string number = EncodeNumber(key, commit);
    changes->Put(kMainFamily, std::move(key), std::move(number));
  }
  return absl::OkStatus();
}

}  // namespace dmarcate
