#include "policyd/watch/mta_sts_look.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "policyd/mta_sts/codec.h"
#include "policyd/mta_sts/next_step.h"
#include "policyd/watch/rollout_look.h"

namespace dmarcate {
namespace {

bool OpensByItself(StsGateId id) { return id == StsGateId::kDwell || id == StsGateId::kWindow; }

class StsLook {
 public:
  StsLook(const DomainName& domain, const StsState& state, const std::vector<RolloutLogRecord>& log,
          absl::Time now)
      : domain_(domain), state_(state), log_(log), now_(now) {}

  InsightLook Run() {
    out_.of_reports = true;
    out_.scopes = {std::string(insight_scope::kMtaSts)};
    out_.learned = out_.scopes;
    Lowered();
    if (state_.status == RolloutStatus::kPaused) Paused();
    if (state_.status == RolloutStatus::kActive) Active();
    std::ranges::sort(out_.found, {}, &InsightFinding::id);
    return std::move(out_);
  }

 private:
  void Add(std::string_view code, Severity severity, const std::string& path,
           std::string_view content, const std::string& message, std::string hint,
           absl::Time since) {
    InsightFinding out;
    out.code = std::string(code);
    out.severity = severity;
    out.scope = std::string(insight_scope::kMtaSts);
    out.subject = domain_.text();
    out.path = path;
    out.id = InsightIdOf(code, out.subject, path);
    out.message = message.substr(0, kMaxInsightMessageBytes);
    out.fix_hint = std::move(hint);
    out.evidence_command = fmt::format("dmarcate mta-sts explain {}", domain_.text());
    out.content = Sha256Hex(fmt::format("{} {} {}", code, path, content)).substr(0, 16);
    out.since = since;
    out.metadata = {{"rollout", state_.id}};
    out_.found.push_back(std::move(out));
  }
  std::string Path() const { return fmt::format("mta-sts/{}", state_.id); }

  void Lowered() {
    const bool asked_for = state_.abort_to.has_value() || state_.status == RolloutStatus::kAborted;
    for (const RolloutLogRecord& entry : log_) {
      if (entry.event != RolloutEvent::kPublished || !entry.lowered) continue;
      if (now_ - entry.time > kLoweredTold) continue;
      Add(insight_code::kMtaStsLowered, asked_for ? Severity::kWarning : Severity::kError,
          fmt::format("{}/{}", Path(), entry.change_id), "",
          fmt::format("senders no longer insist on TLS: {}", entry.text),
          asked_for ? "A person asked for it; if it was not you, look who."
                    : "Renew the certificate, and resume the rollout when all is well again.",
          entry.time);
    }
  }

  void Paused() {
    Add(insight_code::kMtaStsPaused,
        state_.pause_reason == StsPause::kOperator ? Severity::kInfo : Severity::kError, Path(),
        fmt::format("{} {}", ToString(state_.pause_reason), absl::ToUnixMicros(state_.pause_time)),
        fmt::format("MTA-STS is paused at {} ({}): {}", ToString(state_.stage),
                    ToString(state_.pause_reason), EscapeForTerminal(state_.pause_detail)),
        fmt::format("Look at it, then dmarcate mta-sts resume {}.", domain_.text()),
        state_.pause_time);
  }

  void Blocked(std::string_view content, const std::string& why, absl::Time since) {
    Add(insight_code::kMtaStsBlocked, Severity::kWarning, Path(), content,
        fmt::format("MTA-STS stays at {}: {}", ToString(state_.stage), why),
        fmt::format("See what it waits for: dmarcate mta-sts explain {}.", domain_.text()), since);
  }

  void Active() {
    // What carries a step out says by itself how it ended.
    if (log_.empty() || !state_.pending_change.empty()) return;
    const RolloutLogRecord& newest = log_.front();
    if (newest.event == RolloutEvent::kFailed) {
      return Blocked(newest.text, EscapeForTerminal(newest.text), newest.time);
    }
    if (state_.move.has_value()) {
      if (now_ - state_.move->since < kBlockedTold) return;
      return Blocked(state_.move->id,
                     fmt::format("the file of {} has been wanted since {}, and is not served",
                                 ToString(state_.move->to), FormatRfc3339(state_.move->since)),
                     state_.move->since);
    }
    if (newest.event != RolloutEvent::kDecided) return;  // and not decided again since
    const auto decision = DecodeStsDecision(newest.decision);
    const auto input = decision.ok() ? DecodeStsInput(decision->input) : decision.status();
    if (!input.ok()) {
      out_.learned.clear();
      return;
    }
    // The step as it was decided, with its gates: of equal input it is the same.
    Decided(NextStep(input->state, input->evidence, input->now), newest.time);
  }

  void Decided(const StsStep& step, absl::Time when) {
    if (step.action == StsAction::kReady) {
      const bool advises = state_.mode == RolloutMode::kAdvise;
      return Add(insight_code::kMtaStsReady, advises ? Severity::kInfo : Severity::kWarning, Path(),
                 step.reason, fmt::format("MTA-STS: {}", EscapeForTerminal(step.reason)),
                 advises ? "Serve the next file by hand, or start a rollout that does."
                         : fmt::format("Look at the evidence, then dmarcate mta-sts advance {}.",
                                       domain_.text()),
                 when);
    }
    if (step.action != StsAction::kHold) return;
    std::string ids, why;
    absl::Time since = now_;
    for (const StsGate& gate : step.gates) {
      if (gate.holds || gate.waits_for_person) continue;
      if (OpensByItself(gate.id)) return;
      if (now_ - gate.since < kBlockedTold) continue;
      since = std::min(since, gate.since);
      ids += fmt::format(" {}", ToString(gate.id));
      why += fmt::format("{}{} ({}): {}; wanted is {}", why.empty() ? "" : ". ", ToString(gate.id),
                         gate.name, gate.measured, gate.required);
    }
    if (!ids.empty()) Blocked(ids, EscapeForTerminal(why), since);
  }

  const DomainName& domain_;
  const StsState& state_;
  const std::vector<RolloutLogRecord>& log_;
  const absl::Time now_;
  InsightLook out_;
};

}  // namespace

InsightLook LookAtMtaSts(const DomainName& domain, const StsState& state,
                         const std::vector<RolloutLogRecord>& log, absl::Time now) {
  return StsLook(domain, state, log, now).Run();
}

}  // namespace dmarcate
