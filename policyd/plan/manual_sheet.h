// policyd/plan/manual_sheet.h
// What a person has to type so that a change is made: record by record, as the fields of a web form
// and as a line of a zone file. Pure.

#ifndef DMARCATE_POLICYD_PLAN_MANUAL_SHEET_H_
#define DMARCATE_POLICYD_PLAN_MANUAL_SHEET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/store/policy_store.h"

namespace dmarcate {

struct ManualEdit {
  enum class Action : uint8_t { kAdd = 1, kReplace, kRemove };
  Action action = Action::kAdd;
  std::string zone, owner;   // "example.com", "_dmarc.example.com"
  std::string host;          // as forms want the name: below the zone, "@" at its apex
  uint32_t ttl_seconds = 0;  // none for kRemove
  // The text without quotes, whole: forms cut it themselves. Where it holds an octet that is no
  // printable ASCII, in presentation form.
  std::string value;      // what is to be there; none for kRemove
  std::string old_value;  // what is there; none for kAdd
  // "_dmarc.example.com. 300 IN TXT \"v=DMARC1; p=none\"": what is to be there; none for kRemove.
  std::string zone_line;
};

// In the order in which they are to be made, in which every prefix is safe. Records that stay are
// not in it. A record that goes and one of the same kind (v=spf1) that comes are one kReplace.
//   kDataLoss  the stored images do not parse
absl::StatusOr<std::vector<ManualEdit>> ManualEditsOf(const ChangeRecord& change);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_MANUAL_SHEET_H_
