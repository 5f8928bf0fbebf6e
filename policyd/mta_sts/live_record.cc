#include "policyd/mta_sts/live_record.h"

#include "fmt/format.h"

#include "lib/mailauth/mta_sts_record.h"

namespace dmarcate {

std::string LiveStsRecord::Describe() const {
  if (records == 0) return "no record";
  if (records > 1) return fmt::format("{} records, so senders see none", records);
  return id.empty() ? "one record that does not parse" : fmt::format("one record, id {}", id);
}

LiveStsRecord FindStsRecord(const std::vector<std::string>& texts) {
  const RecordSelection selection = SelectMtaSts(texts);
  LiveStsRecord live;
  live.records = static_cast<int>(selection.indexes.size());
  if (live.records != 1) return live;
  if (auto record = ParseMtaStsRecord(texts[selection.indexes.front()]); record.ok()) {
    live.id = record->id;
  }
  return live;
}

}  // namespace dmarcate
