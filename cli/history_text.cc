#include "cli/history_text.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "fmt/format.h"

#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

std::string TypeText(v1::RecordType type) {
  return v1::RecordType_Name(type).substr(std::string_view("RECORD_TYPE_").size());
}
std::string OutcomeText(v1::LookupOutcome outcome) {
  return EnumText(v1::LookupOutcome_Name(outcome), "LOOKUP_OUTCOME_");
}

bool IsAnswer(v1::LookupOutcome outcome) {
  return outcome == v1::LOOKUP_OUTCOME_RECORDS || outcome == v1::LOOKUP_OUTCOME_NODATA ||
         outcome == v1::LOOKUP_OUTCOME_NXDOMAIN;
}

bool Has(const google::protobuf::RepeatedPtrField<std::string>& values, const std::string& value) {
  return std::ranges::find(values, value) != values.end();
}

std::string HeadText(const v1::RecordObservation& seen) {
  std::string out = fmt::format("  {} to {}  {}", Text(seen.first_seen_time()),
                                Text(seen.last_seen_time()), OutcomeText(seen.outcome()));
  const bool changed = seen.previous_outcome() != v1::LOOKUP_OUTCOME_UNSPECIFIED;
  if (changed && seen.previous_outcome() != seen.outcome()) {
    out += fmt::format(" (was {})", OutcomeText(seen.previous_outcome()));
  }
  if (IsAnswer(seen.outcome())) out += fmt::format("  ttl {}", seen.ttl_seconds());
  if (seen.has_previous_ttl_seconds()) {
    out += fmt::format(" (was {})", seen.previous_ttl_seconds());
  }
  if (seen.dnssec() == v1::DNSSEC_STATE_SECURE) out += "  dnssec";
  return out + "\n";
}

std::string EntryText(const v1::RecordObservation& seen) {
  std::string out = HeadText(seen);
  if (!seen.error().empty()) out += fmt::format("      {}\n", EscapeForTerminal(seen.error()));
  for (const std::string& value : seen.removed_values()) {
    out += fmt::format("    - {}\n", EscapeForTerminal(value));
  }
  for (const std::string& value : seen.values()) {
    out += fmt::format("    {} {}\n", Has(seen.added_values(), value) ? '+' : ' ',
                       EscapeForTerminal(value));
  }
  if (seen.values_cut()) out += "      and more than is kept\n";
  for (const std::string& target : seen.cname_chain()) {
    out += fmt::format("      by CNAME to {}\n", EscapeForTerminal(target));
  }
  for (const v1::DisagreeingServer& server : seen.disagreeing_servers()) {
    const std::vector<std::string> values(server.values().begin(), server.values().end());
    out += fmt::format(
        "      {} {} said: {}\n", server.address(), EscapeForTerminal(server.name_server()),
        values.empty() ? OutcomeText(server.outcome()) : EscapeForTerminal(Join(values, " | ")));
  }
  return out;
}

}  // namespace

std::string HistoryText(const v1::ListRecordHistoryResponse& response) {
  std::string out;
  const v1::RecordObservation* last = nullptr;
  for (const v1::RecordObservation& seen : response.observations()) {
    if (last == nullptr || last->owner_name() != seen.owner_name() || last->type() != seen.type()) {
      if (last != nullptr) out += "\n";
      out += fmt::format("{}  {}\n", EscapeForTerminal(seen.owner_name()), TypeText(seen.type()));
    }
    out += EntryText(seen);
    last = &seen;
  }
  return out;
}

Table HistoryTable(const v1::ListRecordHistoryResponse& response) {
  Table table({{"OWNER"},
               {"TYPE"},
               {"FIRST_SEEN"},
               {"LAST_SEEN"},
               {"OUTCOME"},
               {"TTL", Align::kRight},
               {"VALUES"},
               {"ADDED"},
               {"REMOVED"}});
  const auto joined = [](const google::protobuf::RepeatedPtrField<std::string>& values) {
    return Join({values.begin(), values.end()}, " | ");
  };
  for (const v1::RecordObservation& seen : response.observations()) {
    table.Add(seen.owner_name(),
              {seen.owner_name(), TypeText(seen.type()), Text(seen.first_seen_time()),
               Text(seen.last_seen_time()), OutcomeText(seen.outcome()),
               std::to_string(seen.ttl_seconds()), joined(seen.values()),
               joined(seen.added_values()), joined(seen.removed_values())});
  }
  return table;
}

}  // namespace dmarcate::cli
