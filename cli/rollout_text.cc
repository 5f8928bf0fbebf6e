#include "cli/rollout_text.h"

#include <vector>

#include "fmt/format.h"

#include "cli/app.h"
#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

std::string DomainOf(const std::string& name) {
  const std::vector<std::string_view> parts = Split(name, '/');
  return parts.size() > 1 ? std::string(parts[1]) : name;
}

std::string ScopeText(v1::Rollout::Scope scope) {
  switch (scope) {
    case v1::Rollout::SCOPE_SUBDOMAINS:
      return "sp";
    case v1::Rollout::SCOPE_NON_EXISTENT:
      return "np";
    default:
      return "domain";
  }
}

std::string StateText(const v1::Rollout& rollout) {
  return EnumText(v1::Rollout::State_Name(rollout.state()), "STATE_");
}

std::string ModeText(const v1::Rollout& rollout) {
  return EnumText(v1::Rollout::Mode_Name(rollout.mode()), "MODE_");
}

}  // namespace

std::string StageText(v1::Rollout::Stage stage) {
  std::string text = EnumText(v1::Rollout::Stage_Name(stage), "STAGE_");
  for (char& c : text) {
    if (c == '_') c = '-';
  }
  return text;
}

Table RolloutTable(const google::protobuf::RepeatedPtrField<v1::Rollout>& rollouts) {
  Table table({{"DOMAIN"},
               {"SCOPE"},
               {"STAGE"},
               {"TARGET"},
               {"STATE"},
               {"MODE"},
               {"SINCE"},
               {"ROLLOUT", Align::kLeft, true}});
  for (const v1::Rollout& rollout : rollouts) {
    table.Add(rollout.name(),
              {DomainOf(rollout.name()), ScopeText(rollout.scope()), StageText(rollout.stage()),
               StageText(rollout.target()), StateText(rollout), ModeText(rollout),
               Text(rollout.stage_start_time()), std::string(LastSegment(rollout.name()))});
  }
  return table;
}

std::string RolloutText(const v1::Rollout& rollout) {
  std::string text = fmt::format(
      "{} ({}): {} since {}, target {}, {}, {}\n", DomainOf(rollout.name()),
      ScopeText(rollout.scope()), StageText(rollout.stage()), Text(rollout.stage_start_time()),
      StageText(rollout.target()), ModeText(rollout), StateText(rollout));
  if (rollout.state() == v1::Rollout::STATE_PAUSED) {
    text += fmt::format("paused    {} ({}): {}\n", Text(rollout.pause_time()),
                        rollout.pause_reason(), EscapeForTerminal(rollout.pause_detail()));
  }
  if (!rollout.pending_change().empty()) {
    text += fmt::format("on its way: {}\n", rollout.pending_change());
  }
  if (rollout.abort_to() != v1::Rollout::STAGE_UNSPECIFIED) {
    text += fmt::format("to be aborted to {}\n", StageText(rollout.abort_to()));
  }
  if (!rollout.approved_by().empty()) {
    text += fmt::format("yes to    {}: {} at {}\n", StageText(rollout.approved_stage()),
                        EscapeForTerminal(rollout.approved_by()), Text(rollout.approve_time()));
  }
  if (!rollout.settings().accepted_loss().empty()) {
    text += fmt::format("accepts   {}\n", EscapeForTerminal(rollout.settings().accepted_loss()));
  }
  text += fmt::format("rollout   {}, by {} at {}\n", LastSegment(rollout.name()),
                      EscapeForTerminal(rollout.created_by()), Text(rollout.create_time()));
  return text;
}

Table GateTable(const v1::ExplainRolloutResponse& response) {
  Table table({{"GATE"}, {"STATE"}, {"MEASURED"}, {"REQUIRED"}, {"SINCE"}, {"SEE"}, {"NOTES"}});
  for (const v1::RolloutGate& gate : response.gates()) {
    std::string notes;
    for (const std::string& note : gate.notes()) notes += (notes.empty() ? "" : "; ") + note;
    table.Add(gate.id(),
              {gate.id(),
               gate.holds()              ? "holds"
               : gate.waits_for_person() ? "waits for a person"
                                         : "closed",
               gate.measured(), gate.required(), Text(gate.since_time()), gate.command(), notes});
  }
  return table;
}

Table FreezeTable(const google::protobuf::RepeatedPtrField<v1::RolloutFreeze>& freezes) {
  Table table({{"FROM"}, {"TO"}, {"OF"}, {"REASON"}, {"BY"}, {"FREEZE"}});
  for (const v1::RolloutFreeze& freeze : freezes) {
    const std::string of = DomainOf(freeze.name());
    table.Add(freeze.name(),
              {Text(freeze.start_time()), Text(freeze.end_time()), of == "-" ? "all domains" : of,
               freeze.reason(), freeze.created_by(), freeze.name()});
  }
  return table;
}

std::string RulesText(const v1::RolloutRules& rules) {
  constexpr int kEventsShown = 5;
  const std::string of = DomainOf(rules.name());
  std::string text = fmt::format("rules of {}:{}\n", of == "-" ? "all domains" : of,
                                 rules.etag().empty() ? " none" : "");
  if (rules.etag().empty()) return text;
  text += fmt::format("  two people  {}\n", rules.two_people() ? "yes" : "no");
  if (!rules.release_asked_by().empty()) {
    text +=
        fmt::format("              {} asked at {} that one be enough; another has to as well\n",
                    EscapeForTerminal(rules.release_asked_by()), Text(rules.release_ask_time()));
  }
  text += fmt::format("  suspended   {}\n",
                      rules.suspended() ? EscapeForTerminal(rules.suspend_reason()) : "no");
  for (const v1::RolloutFreeze& freeze : rules.freezes()) {
    text += fmt::format("  frozen      {} to {}: {}, by {} ({})\n", Text(freeze.start_time()),
                        Text(freeze.end_time()), EscapeForTerminal(freeze.reason()),
                        EscapeForTerminal(freeze.created_by()), freeze.name());
  }
  int shown = 0;
  for (const v1::RolloutRulesEvent& event : rules.log()) {
    if (++shown > kEventsShown) break;
    text += fmt::format("  log         {} {}: {}\n", Text(event.time()),
                        EscapeForTerminal(event.who()), EscapeForTerminal(event.text()));
  }
  return text;
}

Table ForecastTable(const google::protobuf::RepeatedPtrField<v1::RolloutForecastStage>& stages) {
  Table table({{"STAGE"},
               {"SINCE"},
               {"BY"},
               {"MESSAGES", Align::kRight},
               {"TOUCHED", Align::kRight},
               {"WANTED", Align::kRight},
               {"WAITS FOR"}});
  for (const v1::RolloutForecastStage& stage : stages) {
    std::string waits;
    for (const v1::RolloutForecastGate& gate : stage.gates()) {
      waits += fmt::format("{}{} until {}", waits.empty() ? "" : ", ", gate.id(),
                           gate.closed_until().empty() ? "the end" : gate.closed_until());
    }
    table.Add(StageText(stage.stage()),
              {StageText(stage.stage()), Text(stage.start_time()),
               stage.by_person() ? "person" : "policyd", std::to_string(stage.message_count()),
               std::to_string(stage.touched_count()), std::to_string(stage.wanted_touched_count()),
               waits});
  }
  return table;
}

Table EventTable(const google::protobuf::RepeatedPtrField<v1::RolloutEvent>& events) {
  Table table({{"TIME"},
               {"EVENT"},
               {"WHO"},
               {"WHAT"},
               {"CHANGE", Align::kLeft, true},
               {"INPUT", Align::kLeft, true}});
  for (const v1::RolloutEvent& event : events) {
    table.Add(event.id(),
              {Text(event.time()), EnumText(v1::RolloutEvent::Kind_Name(event.kind()), "KIND_"),
               event.who(), event.text(), std::string(LastSegment(event.change())),
               event.input_digest()});
  }
  return table;
}

}  // namespace dmarcate::cli
