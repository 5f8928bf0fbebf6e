// What people do in an StsSim, and what is judged of it.

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/mailauth/mta_sts_policy.h"
#include "policyd/mta_sts/codec.h"
#include "policyd/mta_sts/figures.h"
#include "policyd/mta_sts/live_record.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/plan/txt_image.h"
#include "tests/simulation/sts_sim.h"

namespace dmarcate::simulation {

std::optional<StsRollout> StsSim::Last() {
  const auto all = rollouts_.ListRollouts("example.com", "", "", 1000).value();
  if (all.empty()) return std::nullopt;
  return ToStsRollout(all.back()).value();
}

double StsSim::FailedShare() {
  const std::optional<StsRollout> last = Last();
  if (!last.has_value()) return 0;
  int64_t days = 0, failed = 0;
  for (const auto& [day, count] : sessions_[last->state.file]) {
    if (day < DayOf(last->state.stage_start)) continue;
    ++days;
    failed += count;
  }
  return days == 0 ? 0 : static_cast<double>(failed) / (100 * static_cast<double>(days));
}

std::string StsSim::Explanation() {
  const std::optional<StsRollout> last = Last();
  if (!last.has_value()) return "none";
  const auto shown = life_->controller().Explain("example.com", last->record.id);
  return shown.ok() ? shown->text : std::string(shown.status().message());
}

RolloutRequest StsSim::Asked(const StsRollout& rollout) const {
  return {.domain = "example.com",
          .id = rollout.record.id,
          .revision = rollout.record.revision,
          .principal = "ann"};
}

void StsSim::People(StsLife& life) {
  if (life.killer().dead()) return;  // nobody answers
  const std::optional<StsRollout> last = Last();
  if (!last.has_value() || last->state.status == RolloutStatus::kAborted) {
    if (!healed_ && dice_.OneIn(30)) {
      (void)life.controller().Create(Wanted(), "ann", RunMode::kExecute);
    }
    return;
  }
  if (last->state.status == RolloutStatus::kPaused) {
    if (!healed_ && !dice_.OneIn(honest_ ? 3 : 30)) return;
    if (healed_) PutRecordBack();
    if (healed_ || last->state.pause_reason == StsPause::kAttention) {
      life.killer().Disarm();  // what a person does is none of policyd's
      // Looked at, and undone where that can be.
      const std::string id = Gather(last->state, world_.clock.Now()).control.attention_change;
      if (const auto change = world_.store.GetChange("example.com", id); change.ok()) {
        if (!RollBack(life, *change)) {  // the error said what had been there
          PutBack(*change);
          (void)RollBack(life, *change);
        }
      }
    }
    (void)life.controller().Resume(Asked(*last));
    return;
  }
  SayYes(life, *last);
  if (!honest_ && !healed_) Steer(life, *last);
}

bool StsSim::RollBack(StsLife& life, const ChangeRecord& change) {
  not_policyd_ = true;
  const bool done = life.engine().Rollback({change.domain, change.id, change.revision, "ann"}).ok();
  life.End();
  not_policyd_ = false;
  texts_ = Live();
  return done;
}

// By hand: the record as it was before the change, beside what else stands there.
void StsSim::PutBack(const ChangeRecord& change) {
  std::vector<std::string> texts = Live();
  std::erase_if(texts, [](const std::string& text) { return !FindStsRecord({text}).none(); });
  for (const RecordChangeRecord& record : change.record_changes) {
    for (const std::string& text : TextsOf(FromPresentations(record.before).value())) {
      if (!FindStsRecord({text}).none()) texts.push_back(text);
    }
  }
  Strangers(std::move(texts));
}

void StsSim::SayYes(StsLife& life, const StsRollout& rollout) {
  if (rollout.state.mode != RolloutMode::kConfirm || !(healed_ || dice_.OneIn(2))) return;
  const auto shown = life.controller().Explain("example.com", rollout.record.id);
  if (!shown.ok() || shown->step.action != StsAction::kReady) return;
  StsAdvanceRequest request{
      .rollout = Asked(shown->rollout), .stage = shown->step.to, .file = shown->step.file};
  if (!healed_ && dice_.OneIn(10)) {  // what was shown to another
    request.file += "mx: evil.example\r\n";
    if (life.controller().Advance(request).ok()) Violation("S5: a yes to another file was taken");
    ++refused;
    return;
  }
  yes_.insert(request.file);
  (void)life.controller().Advance(request);
}

void StsSim::Steer(StsLife& life, const StsRollout& rollout) {
  MtaStsController& controller = life.controller();
  if (dice_.OneIn(120)) (void)controller.Pause(Asked(rollout), "a look");
  std::vector<std::string> names;
  for (const auto& [name, host] : hosts_) names.push_back(name);
  if (names != rollout.state.settings.mx && dice_.OneIn(20)) {
    (void)controller.Update(Asked(rollout), "the patterns", [&names](StsState& state) {
      state.settings.mx = names;
      return absl::OkStatus();
    });
  }
  if (dice_.OneIn(250)) {
    (void)controller.Update(Asked(rollout), "the mode", [](StsState& state) {
      state.mode =
          state.mode == RolloutMode::kConfirm ? RolloutMode::kAutomatic : RolloutMode::kConfirm;
      return absl::OkStatus();
    });
  }
  if (dice_.OneIn(700)) {
    (void)controller.Abort(Asked(rollout), dice_.OneIn(2) ? StsStage::kOff : StsStage::kTesting);
  }
}

void StsSim::Violation(std::string text) {
  violations_.push_back(fmt::format("{}: {}", FormatRfc3339(world_.clock.Now()), text));
}

// In the instant of each write of policyd to the record.
void StsSim::OnWrite(const RrSet& rrset) {
  if (not_policyd_) return;
  std::vector<std::string> now = TextsOf(rrset.records);
  const LiveStsRecord before = FindStsRecord(texts_);
  const LiveStsRecord after = FindStsRecord(now);
  const auto siblings = [](std::vector<std::string> texts) {
    std::erase_if(texts, [](const std::string& text) { return !FindStsRecord({text}).none(); });
    return texts;
  };
  if (siblings(now) != siblings(texts_)) Violation("another TXT record was touched");
  texts_ = std::move(now);
  if (before.records > 1 || after.records > 1) return Violation("S8: two records, and a write");
  const std::optional<StsRollout> rollout = Last();
  if (!rollout.has_value()) return Violation("S5: a write of no rollout");
  if (after.none() && before.none()) return Violation("a write that changes nothing");
  if (!before.none() && before.id != rollout->state.record_id) {
    Violation(fmt::format("S8: over id {}, ours is {}", before.id, rollout->state.record_id));
  }
  if (after.none()) return JudgeRemoved();
  JudgeAnnounced(*rollout, before.id, after.id);
}

void StsSim::JudgeAnnounced(const StsRollout& rollout, const std::string& before,
                            const std::string& after) {
  const StsState& state = rollout.state;
  ++announced;
  const std::optional<std::string> served = Served();
  if (!served.has_value() || !IsStsIdOf(*served, after)) {
    return Violation(fmt::format("S1: id {}, and another file or none is served", after));
  }
  if (before == after) Violation("the same id: senders would not look again");
  const auto policy = ParseMtaStsPolicy(*served);
  if (!policy.ok()) return Violation("S1: the id of what is no policy");
  if (!state.move.has_value()) return Violation("S5: nobody decided it");
  const bool up = state.move->kind == StsMoveKind::kUp || state.move->kind == StsMoveKind::kRefresh;
  const bool abort = state.move->kind == StsMoveKind::kByPerson;
  if (state.mode == RolloutMode::kAdvise && !abort) Violation("S5: it only advises");
  if (state.status == RolloutStatus::kPaused && up) Violation("S5: it is paused");
  if (state.mode == RolloutMode::kConfirm && up && !yes_.contains(*served)) {
    Violation("S5: nobody said yes to the file");
  }
  if (state.move->kind == StsMoveKind::kDown) {
    ++steps_down;
    if (expired_ < state.move->since - kTick) Violation("S7: down, and no certificate expired");
  }
  if (policy->mode == MtaStsMode::kEnforce) {
    const auto last = ParseMtaStsPolicy(announced_file_);
    if (!last.ok() || last->mode == MtaStsMode::kNone) Violation("S2: enforce without testing");
    if (state.target != StsStage::kEnforce) Violation("S2: enforce beyond the target");
    for (const auto& [name, host] : hosts_) {
      if (!host.faults.empty()) Violation(fmt::format("S3: {} is faulty", name));
      if (!policy->AllowsMx(Name(name))) Violation(fmt::format("S3: {} is not named", name));
    }
    int64_t days = 0, failed = 0;
    // Whole days alone: of today nobody has reported, and on the first one the stage was another.
    // And what is older than half a year says nothing of the servers that there are.
    const DayNumber today = DayOf(world_.clock.Now());
    const DayNumber first = std::max(DayOf(state.stage_start) + 1, today - kStsWindowDays);
    for (const auto& [day, count] : sessions_[state.file]) {
      if (day < first || day >= today) continue;
      ++days;
      failed += count;
    }
    const bool from_testing = last.ok() && last->mode == MtaStsMode::kTesting;
    if (from_testing && days < 7) Violation("S4: too few days in testing");
    if (from_testing && failed > 2 * days) {
      Violation(fmt::format("S4: {} of {} sessions failed", failed, 100 * days));
    }
    enforced = std::min(enforced, world_.clock.Now());
  }
  announced_file_ = *served;
}

void StsSim::JudgeRemoved() {
  ++removed;
  const absl::Time now = world_.clock.Now();
  if (now < cached_until_) {
    Violation(fmt::format("S6: the record is gone, and senders keep a policy until {}",
                          FormatRfc3339(cached_until_)));
  }
  const auto served = ParseMtaStsPolicy(Served().value_or(""));
  if (!served.ok() || served->mode != MtaStsMode::kNone) {
    Violation("S6: the record is gone, and what is served is not mode none");
  }
  announced_file_.clear();
}

void StsSim::ReplayAll() {
  const auto all = rollouts_.ListRollouts("-", "", "", 1000).value();
  for (const RolloutRecord& rollout : all) {
    const auto log = rollouts_.ListRolloutLog(rollout.domain, rollout.id, "", 100'000).value();
    for (const RolloutLogRecord& entry : log) {
      if (entry.decision.empty()) continue;
      const auto decision = DecodeStsDecision(entry.decision);
      const absl::Status same = decision.ok() ? Replay(*decision) : decision.status();
      if (!same.ok()) Violation(fmt::format("decided otherwise: {}", MessageOf(same)));
      ++replayed;
    }
  }
}

}  // namespace dmarcate::simulation
