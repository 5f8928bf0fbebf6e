#include "cli/removal_text.h"

#include <algorithm>
#include <vector>

#include "fmt/format.h"

#include "cli/app.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

constexpr int kMostUndo = 20;

template <typename Values>
std::string Lines(const char* head, const Values& values, const char* none) {
  if (values.empty()) return fmt::format("    {:<7} {}\n", head, none);
  std::string out;
  for (const std::string& value : values) {
    out += fmt::format("    {:<7} {}\n", out.empty() ? head : "", EscapeForTerminal(value));
  }
  return out;
}

}  // namespace

Table LeftBehindTable(const google::protobuf::RepeatedPtrField<v1::RecordLeftBehind>& records) {
  Table table({{"OWNER"}, {"TYPE"}, {"VALUES"}, {"PROVIDER"}, {"CONSEQUENCE"}});
  for (const v1::RecordLeftBehind& record : records) {
    table.Add(
        record.owner_name(),
        {record.owner_name(), record.type(),
         record.values().empty() ? "-"
                                 : Join({record.values().begin(), record.values().end()}, " "),
         std::string(LastSegment(record.dns_provider())), record.consequence()});
  }
  return table;
}

std::string RemovalText(const v1::DeleteDomainResponse& removal) {
  const std::string domain(LastSegment(removal.domain().name()));
  std::string out;
  if (removal.left_behind().empty()) {
    out += "nothing that Dmarcate wrote is left in the DNS\n";
  } else {
    out += fmt::format("left in the DNS as Dmarcate wrote it: {}\n",
                       Counted(removal.left_behind_size(), "record"));
  }
  for (const v1::RecordLeftBehind& record : removal.left_behind()) {
    out += fmt::format("  {}  {}\n", EscapeForTerminal(record.owner_name()), record.type());
    out += Lines("now", record.values(), "(none)");
    out += Lines("before", record.values_before(), "(no record)");
    if (!record.consequence().empty()) {
      out += fmt::format("    {:<7} {}\n", "note", EscapeForTerminal(record.consequence()));
    }
  }
  if (!removal.undo_changes().empty()) {
    out += "to bring back what was there, first, in this order:\n";
    const int shown = std::min(removal.undo_changes_size(), kMostUndo);
    for (int i = 0; i < shown; ++i) {
      out += fmt::format("  dmarcate changes rollback {}\n",
                         EscapeForTerminal(removal.undo_changes(i)));
    }
    if (removal.undo_changes_size() > shown) {
      out += fmt::format("  and {} more: dmarcate changes list {}\n",
                         removal.undo_changes_size() - shown, EscapeForTerminal(domain));
    }
  }
  out += fmt::format("go for good: {}, insights, the history of records, {}\n",
                     Counted(removal.decision_count(), "decision"),
                     removal.revoked_address_count() == 1
                         ? "1 report address, whose mail is refused from then on"
                         : fmt::format("{} report addresses, whose mail is refused from then on",
                                       removal.revoked_address_count()));
  out += "stay: reports that were taken in, past changes, rollouts and fleet changes\n";
  return out;
}

}  // namespace dmarcate::cli
