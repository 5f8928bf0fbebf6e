#include "lib/store/report_upgrade.h"

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_db.h"
#include "lib/store/value_codec.h"

namespace dmarcate {
namespace {

// Letters of the keys that were in the main family before layout 3, and are in the index since.
constexpr uint64_t kMovedLayout = 3;
constexpr std::string_view kMovedTags[] = {"C", "H"};

// Writes what `add` makes of each moved key in `family`, in steps.
absl::Status ForEachMoved(
    RocksDb* db, ReportFamily family, size_t step_keys,
    const std::function<void(std::string_view key, std::string_view value, WriteSet* out)>& add) {
  for (const std::string_view tag : kMovedTags) {
    for (std::string next(tag); !next.empty();) {
      WriteSet step(ReportFamilies().size());
      std::string from = std::move(next);
      next.clear();
      size_t count = 0;
      const auto look = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
        if (count++ == step_keys) {
          next = key;
          return false;
        }
        add(key, value, &step);
        return true;
      };
      DMARCATE_RETURN_IF_ERROR(
          db->Scan(family, from, KeyAfterPrefix(tag), Direction::kForward, look));
      if (count > 0) DMARCATE_RETURN_IF_ERROR(db->Write(step, Sync::kNo));
    }
  }
  return absl::OkStatus();
}

absl::Status DeleteMoved(RocksDb* db, ReportFamily family, size_t step_keys) {
  return ForEachMoved(db, family, step_keys,
                      [family](std::string_view key, std::string_view, WriteSet* out) {
                        out->Delete(family, std::string(key));
                      });
}

// Layout 1 had no families of TLS and failure reports, or had them already and is the same as 2.
absl::Status AddFamilies(const RocksDb& db, WriteSet* changes) {
  DMARCATE_ASSIGN_OR_RETURN(const auto commit, ReadNumber(db, kMainFamily, kCommitKey));
  if (!commit) return MakeError(absl::StatusCode::kDataLoss, "no number of the last commit");
  for (const ReportFamily family : {kTlsFamily, kFailuresFamily}) {
    bool empty = true;
    const auto look = [&empty](std::string_view, std::string_view) -> absl::StatusOr<bool> {
      empty = false;
      return false;
    };
    DMARCATE_RETURN_IF_ERROR(
        db.Scan(family, std::string(1, '\0'), "\xff\xff", Direction::kForward, look));
    if (empty) {
      changes->Put(family, std::string(kCommitKey), EncodeNumber(kCommitKey, *commit));
    }
  }
  return absl::OkStatus();
}

// Before layout 4 nobody noted when a day had changed: all of them have now.
absl::Status NoteDays(RocksDb* db, size_t step_keys) {
  DMARCATE_ASSIGN_OR_RETURN(const auto commit, ReadNumber(*db, kMainFamily, kCommitKey));
  if (!commit) return MakeError(absl::StatusCode::kDataLoss, "no number of the last commit");
  for (std::string next(1, '\0'); !next.empty();) {
    WriteSet step(ReportFamilies().size());
    const std::string from = std::exchange(next, "");
    size_t count = 0;
    const auto note = [&](std::string_view key, std::string_view) -> absl::StatusOr<bool> {
      if (count++ == step_keys) {
        next = key;
        return false;
      }
      std::string noted = DayRevisionDbKey(key, DayChange::kRewritten);
      std::string number = EncodeNumber(noted, *commit);
      step.Put(kMainFamily, std::move(noted), std::move(number));
      return true;
    };
    DMARCATE_RETURN_IF_ERROR(db->Scan(kTotalsFamily, from, kCommitKey, Direction::kForward, note));
    if (count > 0) DMARCATE_RETURN_IF_ERROR(db->Write(step, Sync::kNo));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status UpgradeReports(uint64_t layout, RocksDb* db, size_t step_keys) {
  if (layout < kReportLayout) {
    if (layout < kMovedLayout) {
      // An upgrade that was ended may have copied keys that the older program deleted since.
      DMARCATE_RETURN_IF_ERROR(DeleteMoved(db, kIndexFamily, step_keys));
      DMARCATE_RETURN_IF_ERROR(
          ForEachMoved(db, kMainFamily, step_keys,
                       [](std::string_view key, std::string_view value, WriteSet* out) {
                         // The checksum is of key and value, whatever the family.
                         out->Put(kIndexFamily, std::string(key), std::string(value));
                       }));
    }
    DMARCATE_RETURN_IF_ERROR(NoteDays(db, step_keys));
    WriteSet last(ReportFamilies().size());
    if (layout == kFirstReportLayout) DMARCATE_RETURN_IF_ERROR(AddFamilies(*db, &last));
    last.Put(kMainFamily, std::string(kFormatKey), EncodeNumber(kFormatKey, kReportLayout));
    DMARCATE_RETURN_IF_ERROR(db->Write(last, Sync::kYes));  // and all copies with it: one log
  }
  return DeleteMoved(db, kMainFamily, step_keys);
}

}  // namespace dmarcate
