#include "cli/change_text.h"

#include <algorithm>
#include <map>

#include "fmt/format.h"

#include "cli/app.h"
#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

char Mark(v1::TermChange::Action action) {
  switch (action) {
    case v1::TermChange::ACTION_ADD:
      return '+';
    case v1::TermChange::ACTION_REMOVE:
      return '-';
    case v1::TermChange::ACTION_MODIFY:
      return '~';
    default:
      return ' ';
  }
}

std::string RecordChangeText(const v1::RecordChange& record) {
  std::string out = fmt::format("{} {}\n", EscapeForTerminal(record.owner_name()), record.type());
  for (const std::string& value : record.before()) {
    out += fmt::format("  before  {}\n", EscapeForTerminal(value));
  }
  for (const std::string& value : record.after()) {
    out += fmt::format("  after   {}\n", EscapeForTerminal(value));
  }
  for (const v1::TermChange& term : record.term_changes()) {
    out += fmt::format("  {} {}", Mark(term.action()), EscapeForTerminal(term.term()));
    if (!term.before().empty()) out += fmt::format("  (was {})", EscapeForTerminal(term.before()));
    if (!term.source().empty()) out += fmt::format("  for {}", LastSegment(term.source()));
    if (!term.flattened_into().empty()) {
      out += fmt::format("  flattened into {}", EscapeForTerminal(term.flattened_into()));
    }
    if (term.lookup_cost() > 0) {
      out +=
          fmt::format("  [{} look-up{}]", term.lookup_cost(), term.lookup_cost() == 1 ? "" : "s");
    }
    out += "\n";
  }
  for (const std::string& value : record.untouched()) {
    out += fmt::format("  untouched  {}\n", EscapeForTerminal(value));
  }
  if (record.lookups_before() != 0 || record.lookups_after() != 0) {
    out += fmt::format("  look-ups: {} before, {} after, limit 10\n", record.lookups_before(),
                       record.lookups_after());
  }
  return out;
}

std::string_view ActionText(v1::ManualEdit::Action action) {
  switch (action) {
    case v1::ManualEdit::ACTION_ADD:
      return "add a";
    case v1::ManualEdit::ACTION_REPLACE:
      return "edit the";
    default:
      return "remove the";
  }
}

// The steps of the journal as a person knows them.
std::string StepWord(const std::string& step) {
  if (step == "LEASED") return "lock";
  if (step == "READ") return "read";
  if (step == "COMPARED") return "compare";
  if (step == "LINTED") return "lint";
  if (step == "JOURNALED") return "journal";
  if (step == "WRITING") return "write";
  if (step == "UNKNOWN") return "no answer";
  if (step == "READ_BACK") return "read back";
  if (step == "WAITING") return "wait";
  if (step == "VERIFYING") return "verify";
  return AsciiLower(step);
}

// The records of which one may be named with --keep.
std::string RecordsText(const v1::GuardResult& guard) {
  std::string out;
  for (int number = 1;; ++number) {
    const auto found = guard.metadata().find(fmt::format("record_{}", number));
    if (found == guard.metadata().end()) return out;
    out += fmt::format("  --keep may name  {}\n", EscapeForTerminal(found->second));
  }
}

double Seconds(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) + time.nanos() * 1e-9;
}

}  // namespace

std::string StateText(v1::Change::State state) {
  return EnumText(v1::Change::State_Name(state), "STATE_");
}

Table ChangeTable(const google::protobuf::RepeatedPtrField<v1::Change>& changes) {
  Table table({{"CHANGE"},
               {"DOMAIN"},
               {"STATE"},
               {"RECORDS", Align::kRight},
               {"BY"},
               {"CREATED"},
               {"APPLY_AT", Align::kLeft, true},
               {"ROLLBACK_OF", Align::kLeft, true},
               {"DIGEST", Align::kLeft, true}});
  for (const v1::Change& change : changes) {
    const auto parts = Split(change.name(), '/');
    table.Add(change.name(),
              {std::string(LastSegment(change.name())),
               parts.size() > 1 ? std::string(parts[1]) : std::string(), StateText(change.state()),
               std::to_string(change.record_changes_size()), change.requested_by(),
               Text(change.create_time()), Text(change.apply_after_time()),
               std::string(LastSegment(change.rollback_of())), change.plan_digest()});
  }
  return table;
}

Table OneChange(const v1::Change& change) {
  google::protobuf::RepeatedPtrField<v1::Change> one;
  *one.Add() = change;
  return ChangeTable(one);
}

std::vector<std::string> StepsAfterRefusal(const v1::Change& change) {
  static const std::map<std::string, std::string, std::less<>> kSteps = {
      {"SPF_LOOKUP_LIMIT",
       "let approved sources stand as addresses: dmarcate changes plan DOMAIN --spf --flatten "
       "if-needed"},
      {"SPF_VOID_LIMIT", "see what finds nothing: dmarcate records tree DOMAIN"},
      {"DANGLING_INCLUDE", "see what leads nowhere: dmarcate records tree DOMAIN"},
      {"SPF_MULTIPLE", "make one of them: dmarcate changes plan DOMAIN --repair spf"},
      {"DMARC_MULTIPLE", "make one of them: dmarcate changes plan DOMAIN --repair dmarc"},
      {"RECORD_SYNTAX", "see what does not parse: dmarcate records lint DOMAIN"},
      {"ZONE_INCONSISTENT", "see which server is behind: dmarcate records show DOMAIN"},
      {"ZONE_MOVED", "see the name servers: dmarcate records show DOMAIN"},
      {"CNAME_AT_NAME", "see where it leads: dmarcate records show DOMAIN"},
      {"UNMANAGED_TERM_LOSS", "see who changed what: dmarcate records history DOMAIN"},
      {"MTA_STS_FILE", "see what is served, and what is not: dmarcate mta-sts policy DOMAIN"},
      {"MTA_STS_MX", "see the mail servers: dmarcate check DOMAIN --inbound"},
      {"MTA_STS_MODE", "let a rollout lead there: dmarcate mta-sts start DOMAIN"},
      {"MTA_STS_RECORD", "see the records: dmarcate records show DOMAIN"}};
  std::vector<std::string> steps;
  bool spf = false, other = false;
  for (const v1::GuardResult& guard : change.guards()) {
    if (guard.result() != v1::GuardResult::RESULT_REFUSE) continue;
    const bool about_spf = guard.code().starts_with("SPF_") || guard.code() == "DANGLING_INCLUDE";
    (about_spf ? spf : other) = true;
    const auto step = kSteps.find(guard.code());
    if (step != kSteps.end() && std::ranges::find(steps, step->second) == steps.end()) {
      steps.push_back(step->second);
    }
  }
  // SPF is refused, and the report address could be there today.
  if (spf && !other && change.intent().spf_from_decisions() &&
      change.intent().dmarc_report_address()) {
    steps.emplace_back("the rest without SPF: dmarcate changes plan DOMAIN --dmarc");
  }
  return steps;
}

std::string ProgressText(const v1::Change& change) {
  std::string out;
  for (const v1::Step& step : change.steps()) {
    out += fmt::format("step {:<10} {} {}\n", step.step(), Text(step.time()),
                       EscapeForTerminal(step.detail()));
  }
  for (const v1::ServerVerification& server : change.verifications()) {
    out += fmt::format("{} {} {}{}\n", server.verified() ? "verified" : "not yet ",
                       server.address(), EscapeForTerminal(server.owner_name()),
                       server.detail().empty() ? "" : "  " + EscapeForTerminal(server.detail()));
  }
  if (change.has_error()) {
    out += fmt::format("{}: {}\n", change.error().reason(),
                       EscapeForTerminal(change.error().message()));
  }
  return out;
}

namespace {

// What it is to write, and what the guards say of it.
std::string PlannedText(const v1::Change& change) {
  std::string out;
  if (change.record_changes().empty()) out += "nothing to change\n";
  for (const v1::RecordChange& record : change.record_changes()) out += RecordChangeText(record);
  for (const v1::GuardResult& guard : change.guards()) {
    if (guard.result() == v1::GuardResult::RESULT_PASS) {
      if (guard.code() == "SPF_FLATTEN_PROOF") {
        out += fmt::format("{}\n", EscapeForTerminal(guard.message()));
      }
      continue;
    }
    out += fmt::format("{} {}: {}\n",
                       guard.result() == v1::GuardResult::RESULT_REFUSE ? "refused" : "warning",
                       guard.code(), EscapeForTerminal(guard.message()));
    if (guard.code() == "REPAIR_CHOICE") out += RecordsText(guard);
  }
  return out + ManualText(change);
}

}  // namespace

std::string PlanText(const v1::Change& change) {
  const auto parts = Split(change.name(), '/');
  return fmt::format("{}  {}, not kept\n{}", parts.size() > 1 ? parts[1] : change.name(),
                     StateText(change.state()), PlannedText(change));
}

std::string ChangeText(const v1::Change& change) {
  std::string out = fmt::format("{}  {}\n", change.name(), StateText(change.state()));
  out += PlannedText(change);
  out += ProgressText(change);
  if (change.state() == v1::Change::STATE_PLANNED) {
    if (change.has_apply_after_time()) {
      out += fmt::format("applied at {}, for {}\n", Text(change.apply_after_time()),
                         EscapeForTerminal(change.applied_by()));
    }
    out += fmt::format("digest {}\nexpires {}\n", change.plan_digest(),
                       Text(change.plan_expire_time()));
  }
  return out;
}

std::string ManualText(const v1::Change& change) {
  const bool open =
      change.state() == v1::Change::STATE_PLANNED || change.state() == v1::Change::STATE_APPLYING;
  if (!open || change.manual_edits().empty()) return "";
  std::string out = "to set by hand, in this order:\n";
  int number = 0;
  for (const v1::ManualEdit& edit : change.manual_edits()) {
    out += fmt::format("{}. {} {} record in zone {}\n", ++number, ActionText(edit.action()),
                       edit.type(), EscapeForTerminal(edit.zone()));
    out += fmt::format("     name   {}   ({})\n", EscapeForTerminal(edit.host()),
                       EscapeForTerminal(edit.owner_name()));
    if (!edit.old_value().empty()) {
      out += fmt::format("     old    {}\n", EscapeForTerminal(edit.old_value()));
    }
    if (edit.action() == v1::ManualEdit::ACTION_REMOVE) continue;
    out += fmt::format("     value  {}\n     TTL    {}\n     zone file: {}\n",
                       EscapeForTerminal(edit.value()), edit.ttl_seconds(),
                       EscapeForTerminal(edit.zone_line()));
  }
  return out + "leave other TXT records at these names as they are\n";
}

bool WaitsForPerson(const v1::Change& change) {
  if (change.state() != v1::Change::STATE_APPLYING) return false;
  for (const v1::Step& step : change.steps()) {
    if (step.step() == "WAITING") return true;
  }
  return false;
}

std::vector<std::string> StepMarks(const v1::Change& change) {
  std::vector<std::string> marks;
  if (change.steps().empty()) return marks;
  const double start = Seconds(change.steps(0).time());
  for (const v1::Step& step : change.steps()) {
    if (step.step() == "VERIFYING") continue;  // shown by the servers, while it goes on
    if (step.step() == "LEFT_OUT") {
      marks.push_back(
          fmt::format("[.] {} in between are not kept: a journal has the first and the "
                      "last hundred",
                      EscapeForTerminal(step.detail())));
      continue;
    }
    marks.push_back(fmt::format("[{}] {:<9}  +{:.1f} s{}{}", step.step() == "UNKNOWN" ? '?' : 'x',
                                StepWord(step.step()), Seconds(step.time()) - start,
                                step.detail().empty() ? "" : "  ",
                                EscapeForTerminal(step.detail())));
  }
  return marks;
}

std::string VerifyMark(const v1::Change& change) {
  if (change.verifications().empty()) return "";
  int verified = 0;
  for (const v1::ServerVerification& server : change.verifications()) {
    if (server.verified()) ++verified;
  }
  return fmt::format("[{}] verify     {} of {} servers",
                     verified == change.verifications_size() ? 'x' : ' ', verified,
                     change.verifications_size());
}

bool Removes(const v1::Change& change) {
  for (const v1::RecordChange& record : change.record_changes()) {
    for (const v1::TermChange& term : record.term_changes()) {
      if (term.action() == v1::TermChange::ACTION_REMOVE) return true;
    }
  }
  return false;
}

bool Differs(const v1::Change& change) {
  return change.state() == v1::Change::STATE_REFUSED || !change.record_changes().empty();
}

bool IsRunning(const v1::Change& change) {
  return change.state() == v1::Change::STATE_APPLYING ||
         change.state() == v1::Change::STATE_VERIFYING ||
         change.state() == v1::Change::STATE_ROLLING_BACK;
}

}  // namespace dmarcate::cli
