// Groupings of sources in the policy database.

#include <utility>

#include "fmt/format.h"

#include "dmarcate/storage/v1/policy.pb.h"
#include "lib/base/status_macros.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/policy_rules.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_policy_store.h"
#include "lib/store/rocks_removals.h"
#include "lib/store/sealed_message.h"

namespace dmarcate {
namespace {

namespace keys = policy_keys;
namespace pb = storage::v1;

constexpr int kFamily = 0;

}  // namespace

std::string EncodeRecord(std::string_view key, const SourceGroupings& record) {
  pb::SourceGroupings out;
  out.set_revision(record.revision);
  for (const SourceGrouping& rule : record.rules) {
    pb::SourceGrouping* const stored = out.add_rules();
    stored->set_from(rule.from);
    stored->set_into(rule.into);
    for (const std::string& range : rule.ranges) stored->add_ranges(range);
    stored->set_decided_by(rule.decided_by);
    stored->set_note(rule.note);
    stored->set_decide_time_us(ToStoredTime(rule.decide_time));
  }
  return SealMessage(key, out);
}

// Without the domain, which is in the key.
absl::Status DecodeRecord(std::string_view key, std::string_view value, SourceGroupings* record) {
  pb::SourceGroupings in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  record->revision = in.revision();
  record->rules.clear();
  for (const pb::SourceGrouping& stored : in.rules()) {
    SourceGrouping& rule = record->rules.emplace_back();
    rule.from = stored.from();
    rule.into = stored.into();
    rule.ranges = {stored.ranges().begin(), stored.ranges().end()};
    rule.decided_by = stored.decided_by();
    rule.note = stored.note();
    rule.decide_time = FromStoredTime(stored.decide_time_us());
  }
  return absl::OkStatus();
}

absl::StatusOr<SourceGroupings> RocksPolicyStore::GetGroupings(std::string_view domain) {
  SourceGroupings out;
  out.domain = std::string(domain);
  const std::string key = keys::Groupings(domain);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db_->Get(kFamily, key));
  if (value) DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, *value, &out));
  return out;
}

absl::StatusOr<SourceGroupings> RocksPolicyStore::PutGroupings(SourceGroupings groupings) {
  const std::lock_guard lock(put_mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("groupings", {groupings.domain}));
  DMARCATE_RETURN_IF_ERROR(CheckThere(*db_, RemovedKind::kDomain, groupings.domain));
  DMARCATE_ASSIGN_OR_RETURN(const SourceGroupings stored, GetGroupings(groupings.domain));
  DMARCATE_RETURN_IF_ERROR(
      CheckRevision(fmt::format("groupings of {}", groupings.domain), groupings.revision,
                    stored.revision == 0 ? std::nullopt : std::optional(stored.revision)));
  ++groupings.revision;
  std::string key = keys::Groupings(groupings.domain);
  std::string value = EncodeRecord(key, groupings);
  WriteSet changes(1);
  changes.Put(kFamily, std::move(key), std::move(value));
  DMARCATE_RETURN_IF_ERROR(Write(changes));
  return groupings;
}

}  // namespace dmarcate
