#include "cli/posture_text.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "fmt/format.h"

#include "cli/app.h"
#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

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

// One session in one line: how far it came, then what it showed.
std::string ProbeText(const v1::SmtpProbeView& probe) {
  std::string out = fmt::format("        {} {}", probe.stage() == v1::SMTP_STAGE_DONE ? "ok" : "--",
                                EscapeForTerminal(probe.address()));
  if (!probe.tls_version().empty()) {
    out += fmt::format("  {} {}", EscapeForTerminal(probe.tls_version()),
                       EscapeForTerminal(probe.cipher()));
  }
  if (probe.certificates_size() > 0) {
    const v1::CertificateView& own = probe.certificates(0);
    out +=
        fmt::format("  {} until {}", EscapeForTerminal(own.subject()), Text(own.not_after_time()));
  }
  if (!probe.error().empty()) out += "  " + EscapeForTerminal(probe.error());
  return out + "\n";
}

std::string DaneText(const v1::DaneView& dane) {
  std::string out;
  for (const v1::TlsaView& one : dane.records()) {
    out += fmt::format("        {} TLSA {}  {}\n", one.matches() ? "ok" : "--",
                       EscapeForTerminal(one.record()),
                       one.matches()  ? "matches"
                       : one.usable() ? "matches no certificate seen"
                                      : "not usable");
  }
  return out;
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

std::string VerdictText(v1::Verdict verdict) {
  return EnumText(v1::Verdict_Name(verdict), "VERDICT_");
}

void AddFindings(const google::protobuf::RepeatedPtrField<v1::LintFinding>& findings,
                 std::string* out) {
  for (const v1::LintFinding& finding : findings) {
    const std::string at =
        finding.has_position() ? fmt::format(" at octet {}", PositionText(finding)) : "";
    *out += fmt::format("        {} {}{}: {}\n", SeverityText(finding.severity()), finding.code(),
                        at, EscapeForTerminal(finding.message()));
    if (!finding.fix_hint().empty()) {
      *out += fmt::format("          fix: {}\n", EscapeForTerminal(finding.fix_hint()));
    }
  }
}

std::string PostureText(const v1::InspectRecordsResponse& response) {
  std::string out;
  for (const v1::LiveRecord& record : response.records()) {
    out += fmt::format("{:<8}{:<8}{}", VerdictText(record.verdict()), TypeText(record.type()),
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
    AddFindings(record.findings(), &out);
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
      std::string name = EscapeForTerminal(server.name_server());
      if (!name.empty()) name.insert(0, 1, ' ');  // of a stub only the address is known
      out += fmt::format("        {} {}{}{}\n", server.error().empty() ? "ok" : "--",
                         server.address(), name, notes);
    }
  }
  if (!response.consistent()) out += "the authoritative servers disagree\n";
  return out;
}

std::string InboundText(const v1::InspectRecordsResponse& response) {
  if (!response.has_inbound()) return "";
  const v1::InboundPosture& inbound = response.inbound();
  const v1::MtaStsPolicyView& policy = inbound.mta_sts_policy();
  std::string out =
      fmt::format("{:<8}POLICY  {}\n        {}\n", VerdictText(policy.verdict()),
                  EscapeForTerminal(policy.url()), EscapeForTerminal(policy.verdict_reason()));
  AddFindings(policy.findings(), &out);
  for (const v1::MailServerView& server : inbound.mail_servers()) {
    out += fmt::format("{:<8}SERVER  {}\n", VerdictText(server.verdict()),
                       EscapeForTerminal(server.host()));
    if (!server.verdict_reason().empty()) {
      out += fmt::format("        {}\n", EscapeForTerminal(server.verdict_reason()));
    }
    AddFindings(server.findings(), &out);
    for (const v1::SmtpProbeView& probe : server.probes()) out += ProbeText(probe);
    out += DaneText(server.dane());
  }
  if (inbound.mail_servers_left_out() > 0) {
    out +=
        fmt::format("{} more mail servers were not looked at\n", inbound.mail_servers_left_out());
  }
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
    out += fmt::format(
        "drift   of {} is not known: nothing could be learned there, or its history cannot be "
        "read\n",
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
  if (!response.has_inbound()) return table;
  const v1::MtaStsPolicyView& policy = response.inbound().mta_sts_policy();
  table.Add(policy.url(), {"POLICY", policy.url(), VerdictText(policy.verdict()), policy.mode(), "",
                           policy.verdict_reason()});
  for (const v1::MailServerView& server : response.inbound().mail_servers()) {
    table.Add(server.host(), {"SERVER", server.host(), VerdictText(server.verdict()), "", "",
                              server.verdict_reason()});
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
  out += fmt::format(
      "{}{} of {} look-ups, {} of {} void, {} IPv4 address{}\n", tree.complete() ? "" : "at least ",
      tree.lookup_count(), tree.lookup_limit(), tree.void_lookup_count(), tree.void_lookup_limit(),
      FormatCount(tree.ipv4_address_count()), tree.ipv4_address_count() == 1 ? "" : "es");
  return out;
}

int PostureExitCode(const v1::InspectRecordsResponse& response) {
  std::vector<v1::Verdict> verdicts;
  for (const v1::LiveRecord& record : response.records()) verdicts.push_back(record.verdict());
  if (response.has_inbound()) {
    verdicts.push_back(response.inbound().verdict());
    verdicts.push_back(response.inbound().mta_sts_policy().verdict());
    for (const v1::MailServerView& server : response.inbound().mail_servers()) {
      verdicts.push_back(server.verdict());
    }
  }
  const auto any = [&verdicts](v1::Verdict verdict) {
    return std::ranges::find(verdicts, verdict) != verdicts.end();
  };
  if (any(v1::VERDICT_FAIL)) return kDifferences;
  return any(v1::VERDICT_UNKNOWN) ? kUnavailable : kDone;
}

}  // namespace dmarcate::cli
