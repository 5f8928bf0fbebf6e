#include "policyd/watch/rollout_look.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "policyd/rollout/codec.h"
#include "policyd/rollout/next_step.h"

namespace dmarcate {
namespace {

// Open by themselves, or by a person.
bool OpensByItself(GateId id) { return id == GateId::kDwell || id == GateId::kWindow; }

Severity SeverityOf(PauseReason reason) {
  switch (reason) {
    case PauseReason::kDrift:
    case PauseReason::kSourceFailing:
    case PauseReason::kBreakage:
    case PauseReason::kAttention:
      return Severity::kError;
    case PauseReason::kNewSource:
    case PauseReason::kNone:
      return Severity::kWarning;
    case PauseReason::kOperator:
      return Severity::kInfo;
  }
  return Severity::kWarning;
}

class Look {
 public:
  Look(const DomainName& domain, const std::vector<RolloutSight>& rollouts, absl::Time now)
      : domain_(domain), rollouts_(rollouts), now_(now) {}

  InsightLook Run() {
    out_.of_reports = true;
    out_.scopes = {std::string(insight_scope::kRollouts)};
    out_.learned = out_.scopes;
    for (const RolloutSight& rollout : rollouts_) {
      Lowered(rollout);
      if (rollout.state.status == RolloutStatus::kPaused) Paused(rollout);
      if (rollout.state.status == RolloutStatus::kActive) Active(rollout);
    }
    std::ranges::sort(out_.found, {}, &InsightFinding::id);
    return std::move(out_);
  }

 private:
  void Add(std::string_view code, Severity severity, const std::string& path,
           std::string_view content, std::string message, std::string hint, absl::Time since) {
    InsightFinding out;
    out.code = std::string(code);
    out.severity = severity;
    out.scope = std::string(insight_scope::kRollouts);
    out.subject = domain_.text();
    out.path = path;
    out.id = InsightIdOf(code, out.subject, path);
    out.message = message.substr(0, kMaxInsightMessageBytes);
    out.fix_hint = std::move(hint);
    out.evidence_command = fmt::format("dmarcate rollout explain {}", domain_.text());
    out.content = Sha256Hex(fmt::format("{} {} {}", code, path, content)).substr(0, 16);
    out.since = since;
    out_.found.push_back(std::move(out));
  }

  static std::string PathOf(const RolloutState& state) {
    return fmt::format("rollout/{}", state.id);
  }

  // Whether somebody has taken notice of what was at `time`: a person did something about a rollout
  // of the domain since, or the policy was raised again.
  bool IsAnswered(absl::Time time) const {
    return std::ranges::any_of(rollouts_, [time](const RolloutSight& rollout) {
      return std::ranges::any_of(rollout.log, [time](const RolloutLogRecord& entry) {
        return entry.time > time && (entry.event == RolloutEvent::kPerson ||
                                     (entry.event == RolloutEvent::kPublished && !entry.lowered));
      });
    });
  }

  void Lowered(const RolloutSight& rollout) {
    for (const RolloutLogRecord& entry : rollout.log) {
      if (entry.event != RolloutEvent::kPublished || !entry.lowered) continue;
      const absl::Duration age = now_ - entry.time;
      if (age > kLoweredTold || (age > kLoweredStays && IsAnswered(entry.time))) continue;
      const auto started = std::ranges::find_if(rollout.log, [&entry](const auto& other) {
        return other.event == RolloutEvent::kStarted && other.change_id == entry.change_id;
      });
      const bool known = started != rollout.log.end();
      const auto decision =
          known ? DecodeDecision(started->decision) : absl::StatusOr<Decision>(Decision());
      const bool asked_for = decision.ok() && decision->action == StepAction::kAbort;
      Add(insight_code::kPolicyLowered, asked_for ? Severity::kWarning : Severity::kError,
          fmt::format("{}/{}", PathOf(rollout.state), entry.change_id), "",
          fmt::format("the policy was lowered: {}{}", known ? started->text + "; " : "",
                      entry.text),
          asked_for ? "A person asked for it; if it was not you, look who."
                    : "See what broke, and resume the rollout when it is well again.",
          entry.time);
      out_.found.back().metadata = {{"rollout", rollout.state.id}, {"change", entry.change_id}};
    }
  }

  void Paused(const RolloutSight& rollout) {
    const RolloutState& state = rollout.state;
    Add(insight_code::kRolloutPaused, SeverityOf(state.pause_reason), PathOf(state),
        fmt::format("{} {}", ToString(state.pause_reason), absl::ToUnixMicros(state.pause_time)),
        fmt::format("the rollout to {} is paused at {} ({}): {}", ToString(state.target),
                    ToString(state.stage), ToString(state.pause_reason),
                    EscapeForTerminal(state.pause_detail)),
        fmt::format("Look at it, then dmarcate rollout resume {}.", domain_.text()),
        state.pause_time);
    out_.found.back().metadata = {{"rollout", state.id},
                                  {"reason", std::string(ToString(state.pause_reason))}};
  }

  void Blocked(const RolloutState& state, std::string_view content, std::string_view why,
               absl::Time since) {
    Add(insight_code::kRolloutBlocked, Severity::kWarning, PathOf(state), content,
        fmt::format("the rollout to {} stays at {}: {}", ToString(state.target),
                    ToString(state.stage), why),
        "See which gate is closed and what opens it.", since);
    out_.found.back().metadata = {{"rollout", state.id}};
  }

  void Active(const RolloutSight& rollout) {
    // What carries a step out says by itself how it ended.
    if (rollout.log.empty() || !rollout.state.pending_change.empty()) return;
    const RolloutLogRecord& newest = rollout.log.front();
    if (newest.event == RolloutEvent::kFailed) {
      return Blocked(rollout.state, newest.text, EscapeForTerminal(newest.text), newest.time);
    }
    if (newest.event != RolloutEvent::kDecided) return;  // and not decided again since
    const auto decision = DecodeDecision(newest.decision);
    const auto input = decision.ok() ? DecodeInput(decision->input) : decision.status();
    if (!input.ok()) {
      out_.learned.clear();
      return;
    }
    // The step as it was decided, with its gates: of equal input it is the same.
    Decided(rollout.state, NextStep(input->state, input->evidence, input->now), newest.time);
  }

  void Decided(const RolloutState& state, const Step& step, absl::Time when) {
    std::vector<const Gate*> closed;
    bool for_person = step.action == StepAction::kReady;
    bool lasted = true;
    for (const Gate& gate : step.gates) {
      if (gate.holds) continue;
      if (gate.waits_for_person) {
        for_person = true;
      } else if (OpensByItself(gate.id)) {
        lasted = false;
      } else {
        closed.push_back(&gate);
      }
    }
    if (step.action == StepAction::kReady || (lasted && closed.empty() && for_person)) {
      // A rollout that only advises waits for nobody.
      const bool advises = state.mode == RolloutMode::kAdvise;
      Add(insight_code::kRolloutReady, advises ? Severity::kInfo : Severity::kWarning,
          PathOf(state), step.reason, EscapeForTerminal(step.reason),
          advises ? "Publish the next policy by hand, or start a rollout that does."
                  : fmt::format("Look at the evidence, then dmarcate rollout advance {}.",
                                domain_.text()),
          when);
      out_.found.back().metadata = {{"rollout", state.id}};
      return;
    }
    if (step.action != StepAction::kHold) return;
    // Nothing could be asked at all.
    if (step.gates.empty()) {
      return Blocked(state, step.reason, EscapeForTerminal(step.reason), when);
    }
    if (!lasted) return;
    std::string ids, why;
    absl::Time since = now_;
    for (const Gate* gate : closed) {
      if (now_ - gate->since < kBlockedTold) continue;
      since = std::min(since, gate->since);
      ids += fmt::format(" {}", ToString(gate->id));
      why += fmt::format("{}{} ({}): {}; wanted is {}", why.empty() ? "" : ". ", ToString(gate->id),
                         gate->name, gate->measured, gate->required);
    }
    if (!ids.empty()) Blocked(state, ids, EscapeForTerminal(why), since);
  }

  const DomainName& domain_;
  const std::vector<RolloutSight>& rollouts_;
  const absl::Time now_;
  InsightLook out_;
};

}  // namespace

InsightLook LookAtRollouts(const DomainName& domain, const std::vector<RolloutSight>& rollouts,
                           absl::Time now) {
  return Look(domain, rollouts, now).Run();
}

}  // namespace dmarcate
