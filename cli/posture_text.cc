#include "cli/posture_text.h"

#include <set>

#include "fmt/format.h"

#include "cli/app.h"
#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

std::string VerdictText(v1::Verdict verdict) {
  return EnumText(v1::Verdict_Name(verdict), "VERDICT_");
}
std::string TypeText(v1::RecordType type) {
  std::string text = v1::RecordType_Name(type);
  return text.substr(std::string_view("RECORD_TYPE_").size());
}
std::string OutcomeText(v1::LookupOutcome outcome) {
  return EnumText(v1::LookupOutcome_Name(outcome), "LOOKUP_OUTCOME_");
}
std::string SeverityText(v1::Severity severity) {
  return EnumText(v1::Severity_Name(severity), "SEVERITY_");
}

// "24"; empty for a finding about the whole.
std::string PositionText(const v1::LintFinding& finding) {
  return finding.has_position() ? std::to_string(finding.position()) : "";
}

void DrawNode(const v1::SpfNode& node, const std::string& indent, std::string* out) {
  for (int i = 0; i < node.children_size(); ++i) {
    const v1::SpfNode& child = node.children(i);
    const bool last = i + 1 == node.children_size();
    std::string notes;
    if (child.lookup_cost() > 0) {
      notes +=
          fmt::format("  [{} look-up{}]", child.lookup_cost(), child.lookup_cost() == 1 ? "" : "s");
    }
    if (child.void_lookup()) notes += "  void";
    if (!child.error().empty()) notes += "  error: " + EscapeForTerminal(child.error());
    *out += fmt::format("{}{} {}{}\n", indent, last ? "`--" : "|--",
                        EscapeForTerminal(child.term()), notes);
    DrawNode(child, indent + (last ? "    " : "|   "), out);
  }
}

}  // namespace

std::string PostureText(const v1::InspectRecordsResponse& response) {
  std::string out;
  for (const v1::LiveRecord& record : response.records()) {
    out += fmt::format("{:<8}{:<6}{}", VerdictText(record.verdict()), TypeText(record.type()),
                       EscapeForTerminal(record.owner_name()));
    if (record.outcome() != v1::LOOKUP_OUTCOME_RECORDS) {
      out += fmt::format("  ({})", OutcomeText(record.outcome()));
    }
    out += "\n";
    if (!record.record().empty()) {
      out += fmt::format("        {}\n", EscapeForTerminal(record.record()));
    } else {
      for (const std::string& value : record.values()) {
        out += fmt::format("        {}\n", EscapeForTerminal(value));
      }
    }
    if (!record.verdict_reason().empty()) {
      out += fmt::format("        {}\n", EscapeForTerminal(record.verdict_reason()));
    }
    for (const std::string& target : record.cname_chain()) {
      out += fmt::format("        by CNAME to {}\n", EscapeForTerminal(target));
    }
    for (const v1::LintFinding& finding : record.findings()) {
      const std::string at =
          finding.has_position() ? fmt::format(" at octet {}", PositionText(finding)) : "";
      out += fmt::format("        {} {}{}: {}\n", SeverityText(finding.severity()), finding.code(),
                         at, EscapeForTerminal(finding.message()));
      if (!finding.fix_hint().empty()) {
        out += fmt::format("          fix: {}\n", EscapeForTerminal(finding.fix_hint()));
      }
    }
    const std::multiset<std::string> seen(record.values().begin(), record.values().end());
    for (const v1::ServerView& server : record.servers()) {
      const std::multiset<std::string> own(server.values().begin(), server.values().end());
      std::string notes;
      if (!server.error().empty()) {
        notes = "  " + EscapeForTerminal(server.error());
      } else if (own != seen) {  // a resolver may still have the old record in its cache
        notes = "  has now: " + (own.empty()
                                     ? std::string("nothing")
                                     : EscapeForTerminal(Join({own.begin(), own.end()}, " | ")));
      }
      out += fmt::format("        {} {} {}{}\n", server.error().empty() ? "ok" : "--",
                         server.address(), EscapeForTerminal(server.name_server()), notes);
    }
  }
  if (!response.consistent()) out += "the authoritative servers disagree\n";
  return out;
}

std::string DriftText(const v1::InspectRecordsResponse& response) {
  std::string out;
  for (const v1::RecordDrift& drift : response.drift()) {
    out += fmt::format("drift   {} {}: {}\n        since {}\n", SeverityText(drift.severity()),
                       drift.code(), EscapeForTerminal(drift.message()), Text(drift.since_time()));
    if (drift.expected() != drift.live()) {
      if (!drift.expected().empty()) {
        out += fmt::format("        - {}\n", EscapeForTerminal(drift.expected()));
      }
      if (!drift.live().empty()) {
        out += fmt::format("        + {}\n", EscapeForTerminal(drift.live()));
      }
    }
    if (!drift.change().empty()) {
      out += fmt::format("        applied by {}\n", LastSegment(drift.change()));
    }
    out += fmt::format("        fix: {}\n", EscapeForTerminal(drift.fix_hint()));
  }
  for (const std::string& name : response.drift_unknown_names()) {
    out += fmt::format("drift   of {} is not known: its history cannot be read\n",
                       EscapeForTerminal(name));
  }
  return out;
}

Table PostureTable(const v1::InspectRecordsResponse& response) {
  Table table({{"TYPE"}, {"OWNER"}, {"VERDICT"}, {"OUTCOME"}, {"RECORD"}, {"REASON"}});
  for (const v1::LiveRecord& record : response.records()) {
    table.Add(record.owner_name(),
              {TypeText(record.type()), record.owner_name(), VerdictText(record.verdict()),
               OutcomeText(record.outcome()), record.record(), record.verdict_reason()});
  }
  return table;
}

Table FindingsTable(const google::protobuf::RepeatedPtrField<v1::LintFinding>& findings) {
  Table table({{"SEVERITY"},
               {"CODE"},
               {"PATH"},
               {"OCTET", Align::kRight},
               {"MESSAGE"},
               {"FIX", Align::kLeft, true},
               {"REFERENCE", Align::kLeft, true}});
  for (const v1::LintFinding& finding : findings) {
    table.Add(finding.code(),
              {SeverityText(finding.severity()), finding.code(), finding.path(),
               PositionText(finding), finding.message(), finding.fix_hint(), finding.reference()});
  }
  return table;
}

std::string SpfTreeText(const v1::SpfTree& tree) {
  std::string out = fmt::format("{}\n", EscapeForTerminal(tree.root().term()));
  DrawNode(tree.root(), "", &out);
  out += fmt::format("{}{} of {} look-ups, {} of {} void, {} IPv4 addresses\n",
                     tree.complete() ? "" : "at least ", tree.lookup_count(), tree.lookup_limit(),
                     tree.void_lookup_count(), tree.void_lookup_limit(),
                     FormatCount(tree.ipv4_address_count()));
  return out;
}

int PostureExitCode(const v1::InspectRecordsResponse& response) {
  int code = kDone;
  for (const v1::LiveRecord& record : response.records()) {
    if (record.verdict() == v1::VERDICT_FAIL) return kDifferences;
    if (record.verdict() == v1::VERDICT_UNKNOWN) code = kUnavailable;
  }
  return code;
}

}  // namespace dmarcate::cli
