// lib/report/repair_codes.h
// What the codes of repairs (Repair::code) mean, in words for an operator. Codes of aggregate
// reports and of what wraps them; tests/checks/repair_codes.sh finds a code that is missing here.

#ifndef DMARCATE_LIB_REPORT_REPAIR_CODES_H_
#define DMARCATE_LIB_REPORT_REPAIR_CODES_H_

#include <span>
#include <string_view>

namespace dmarcate {

struct RepairMeaning {
  std::string_view code;
  std::string_view quirk;  // the id in report-quirks, which fixtures are named after; may be empty
  std::string_view text;   // what was found, and what is made of it
};

// Sorted by code.
std::span<const RepairMeaning> RepairMeanings();
// nullptr: no code of this release.
const RepairMeaning* FindRepairMeaning(std::string_view code);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_REPAIR_CODES_H_
