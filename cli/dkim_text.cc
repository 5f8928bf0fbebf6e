#include "cli/dkim_text.h"

#include <vector>

#include "fmt/format.h"

#include "cli/messages.h"
#include "cli/posture_text.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

std::string FlagsText(const v1::DkimKeyView& key) {
  if (!key.testing() && !key.strict_identity()) return "-";
  return fmt::format("t={}{}{}", key.testing() ? "y" : "",
                     key.testing() && key.strict_identity() ? ":" : "",
                     key.strict_identity() ? "s" : "");
}

// Not known is no number, neither for people nor for programs.
Cell Unknown() {
  Cell cell("?");
  cell.value = "";
  return cell;
}

}  // namespace

Table DkimTable(const v1::InspectRecordsResponse& response) {
  Table table({{"SELECTOR"},
               {"KEY"},
               {"TYPE"},
               {"BITS", Align::kRight},
               {"FLAGS"},
               {"MESSAGES", Align::kRight},
               {"PASS", Align::kRight},
               {"FAIL", Align::kRight},
               {"VERDICT"},
               {"OWNER", Align::kLeft, true},
               {"REASON", Align::kLeft, true}});
  for (const v1::LiveRecord& record : response.records()) {
    if (!record.has_dkim_key()) continue;
    const v1::DkimKeyView& key = record.dkim_key();
    std::vector<Cell> cells = {key.selector(),
                               EnumText(v1::DkimKeyState_Name(key.state()), "DKIM_KEY_STATE_"),
                               key.key_type().empty() ? "-" : key.key_type(),
                               key.bits() > 0 ? std::to_string(key.bits()) : "-", FlagsText(key)};
    if (key.has_signatures()) {
      const v1::DkimSignatureCounts& signatures = key.signatures();
      for (const int64_t count :
           {signatures.message_count(), signatures.pass_count(), signatures.fail_count()}) {
        cells.push_back(CountCell(count));
      }
    } else {
      cells.insert(cells.end(), 3, Unknown());
    }
    cells.insert(cells.end(),
                 {VerdictText(record.verdict()), record.owner_name(), record.verdict_reason()});
    table.Add(record.owner_name(), std::move(cells));
  }
  return table;
}

std::string DkimFindingsText(const v1::InspectRecordsResponse& response) {
  std::string out;
  for (const v1::LiveRecord& record : response.records()) {
    if (!record.has_dkim_key() || record.findings().empty()) continue;
    out += EscapeForTerminal(record.owner_name()) + "\n";
    AddFindings(record.findings(), &out);
  }
  return out;
}

}  // namespace dmarcate::cli
