#include "policyd/rollout/explain.h"

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/base/time.h"

namespace dmarcate {
namespace {

constexpr size_t kSourcesShown = 10;

void AddGate(const Gate& gate, std::string& text) {
  const std::string_view mark = gate.holds ? "ok" : gate.waits_for_person ? "you" : "no";
  text += fmt::format("  {:<4}{} {}\n", mark, ToString(gate.id), gate.name);
  text += fmt::format("      measured  {}\n", EscapeForTerminal(gate.measured));
  text += fmt::format("      required  {}\n", gate.required);
  text += fmt::format("      since     {}\n", FormatRfc3339(gate.since));
  text += fmt::format("      see       {}\n", gate.command);
  for (const std::string& note : gate.notes) {
    text += fmt::format("      note      {}\n", EscapeForTerminal(note));
  }
}

std::string_view Describe(SourceStanding standing) {
  switch (standing) {
    case SourceStanding::kPending:
      return "pending";
    case SourceStanding::kApproved:
      return "approved";
    case SourceStanding::kRejected:
      return "rejected";
  }
  return "unknown";
}

void AddImpact(const PolicyImpact& impact, std::string& text) {
  text += fmt::format(
      "the next stage would have touched {} of {} messages in 30 days, {} of {} "
      "wanted ones\n",
      impact.touched, impact.messages, impact.wanted_touched, impact.wanted);
  size_t shown = 0;
  for (const SourceImpact& source : impact.sources) {
    if (++shown > kSourcesShown) {
      text += fmt::format("  and {} more sources\n", impact.sources.size() - kSourcesShown);
      break;
    }
    text += fmt::format("  {} ({}): {} of {}, {} through forwarders\n",
                        EscapeForTerminal(source.source_id), Describe(source.standing),
                        source.touched, source.messages, source.forwarded);
  }
}

}  // namespace

std::string ExplainStep(const RolloutState& state, const Step& step) {
  std::string text =
      fmt::format("{} ({}): {} since {}, target {}, {}, {}\n", state.domain, ToString(state.scope),
                  ToString(state.stage), FormatRfc3339(state.stage_start), ToString(state.target),
                  ToString(state.mode), ToString(state.status));
  text += fmt::format("decision: {}: {}\n", ToString(step.action), EscapeForTerminal(step.reason));
  text += fmt::format("asked again: {}\n", FormatRfc3339(step.ask_again));
  if (!step.gates.empty()) text += "gates:\n";
  for (const Gate& gate : step.gates) AddGate(gate, text);
  if (step.impact.has_value()) AddImpact(*step.impact, text);
  if (state.settings.ordinary_mailboxes && state.target == PolicyStage::kQuarantine) {
    text +=
        "advice: quarantine is where RFC 9989 section 7.4 wants a domain whose people write to "
        "mailing lists; reject asks for the loss by name (rollout set --target reject "
        "--accept-loss)\n";
  }
  for (const std::string& command : step.next_commands) text += fmt::format("next: {}\n", command);
  return text;
}

}  // namespace dmarcate
