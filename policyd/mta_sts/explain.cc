#include "policyd/mta_sts/explain.h"

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/base/time.h"
#include "policyd/mta_sts/policy_file.h"

namespace dmarcate {
namespace {

void AddGate(const StsGate& gate, std::string& text) {
  const std::string_view mark = gate.holds ? "ok" : gate.waits_for_person ? "you" : "no";
  text += fmt::format("  {:<4}{}: {}\n", mark, ToString(gate.id), gate.name);
  text += fmt::format("      measured  {}\n", EscapeForTerminal(gate.measured));
  text += fmt::format("      required  {}\n", gate.required);
  text += fmt::format("      since     {}\n", FormatRfc3339(gate.since));
  text += fmt::format("      see       {}\n", gate.command);
  for (const std::string& note : gate.notes) {
    text += fmt::format("      note      {}\n", EscapeForTerminal(note));
  }
}

void AddFile(std::string_view domain, const std::string& file, const std::string& id,
             std::string& text) {
  text += fmt::format("the file, for {}\n", StsFileUrl(domain));
  for (std::string_view line : Split(file, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) text += fmt::format("  {}\n", line);
  }
  if (!id.empty()) {
    text += fmt::format("then its record, at _mta-sts.{}: {}\n", domain, StsRecordText(id));
  }
}

}  // namespace

std::string StsFileUrl(std::string_view domain) {
  return fmt::format("https://mta-sts.{}/.well-known/mta-sts.txt", domain);
}

std::string ExplainStep(const StsState& state, const StsStep& step) {
  std::string text =
      fmt::format("{}: {} since {}, target {}, {}, {}\n", state.domain, ToString(state.stage),
                  FormatRfc3339(state.stage_start), ToString(state.target), ToString(state.mode),
                  ToString(state.status));
  if (state.move.has_value()) {
    text += fmt::format("on its way: the file of {}, since {}\n", ToString(state.move->to),
                        FormatRfc3339(state.move->since));
  }
  text += fmt::format("decision: {}: {}\n", ToString(step.action), EscapeForTerminal(step.reason));
  text += fmt::format("asked again: {}\n", FormatRfc3339(step.ask_again));
  if (!step.gates.empty()) text += "gates:\n";
  for (const StsGate& gate : step.gates) AddGate(gate, text);
  if (!step.file.empty()) {
    AddFile(state.domain, step.file, step.id, text);
  } else if (state.move.has_value()) {
    AddFile(state.domain, state.move->file, state.move->id, text);
  }
  for (const std::string& command : step.next_commands) text += fmt::format("next: {}\n", command);
  return text;
}

}  // namespace dmarcate
