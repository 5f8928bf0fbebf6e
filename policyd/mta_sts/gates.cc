#include "policyd/mta_sts/gates.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/tls_rpt_record.h"
#include "policyd/mta_sts/figures.h"
#include "policyd/mta_sts/live_record.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/mta_sts/result_types.h"
#include "policyd/rollout/window.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kConfirmationLifetime = absl::Hours(7 * 24);
constexpr absl::Duration kFreshLook = absl::Hours(24);
constexpr absl::Duration kQuietAfterDrift = absl::Hours(7 * 24);
constexpr absl::Duration kSoonExpires = absl::Hours(14 * 24);
constexpr int32_t kFreshReports = 7;  // days: a small domain gets no mail on every day
// Only who has waited so long may sign what is left to prove.
constexpr int32_t kDaysBeforeSigning = 30;
constexpr size_t kNamesShown = 5;

std::string Names(const std::vector<std::string>& names) {
  if (names.size() <= kNamesShown) return Join(names, ", ");
  return fmt::format(
      "{} and {} more",
      Join(std::vector<std::string>(names.begin(), names.begin() + kNamesShown), ", "),
      names.size() - kNamesShown);
}

std::string Percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

std::string Age(absl::Time then, absl::Time now) {
  if (then == absl::InfinitePast()) return "never";
  return fmt::format("{} h ago", std::max<int64_t>(0, absl::ToInt64Hours(now - then)));
}

bool IsFresh(absl::Time looked, absl::Time now) {
  return looked != absl::InfinitePast() && now - looked <= kFreshLook;
}

struct Scene {
  const StsState& state;
  const StsEvidence& evidence;
  StsStage next;
  absl::Time now;
  StsFigures figures;
  bool moving = false;  // the file is on its way, by a yes that may be old by now

  // Reports prove something for the step from testing to enforce; before, there are none, and a
  // file that only changes its patterns is judged by the hosts.
  bool proves() const { return state.stage == StsStage::kTesting && next == StsStage::kEnforce; }
  std::string Command(std::string_view format) const {
    return fmt::format(fmt::runtime(format), fmt::arg("domain", state.domain));
  }
};

StsGate NotAsked(StsGate gate, const Scene& scene) {
  gate.holds = true;
  gate.measured = "not looked at";
  gate.required =
      fmt::format("nothing, from {} to {}", ToString(scene.state.stage), ToString(scene.next));
  return gate;
}

StsGate Dwell(const Scene& scene) {
  StsGate gate{.id = StsGateId::kDwell, .name = "days in testing"};
  gate.command = scene.Command("dmarcate tls summary {domain} --days 60");
  if (!scene.proves()) return NotAsked(std::move(gate), scene);
  const int32_t wanted = scene.state.settings.testing_days;
  gate.holds = scene.figures.days >= wanted;
  gate.measured = fmt::format("{} days with TLS reports of good sessions since {}",
                              scene.figures.days, FormatDay(DayOf(scene.state.stage_start)));
  gate.required = fmt::format("{} days", wanted);
  return gate;
}

StsGate Reporters(const Scene& scene) {
  StsGate gate{.id = StsGateId::kReporters, .name = "reporters"};
  gate.command = scene.Command("dmarcate tls summary {domain}");
  if (!scene.proves()) return NotAsked(std::move(gate), scene);
  const StsFigures& figures = scene.figures;
  const auto reporters = std::ssize(figures.reporters);
  const int32_t age = figures.newest.has_value() ? DayOf(scene.now) - *figures.newest : 0;
  gate.holds = reporters >= scene.state.settings.min_reporters && figures.newest.has_value() &&
               age <= kFreshReports;
  gate.measured = fmt::format("{} anchors report sessions under the live policy", reporters);
  if (reporters > 0) {
    gate.measured +=
        fmt::format(" ({}), the last on {}", Names(figures.reporters), FormatDay(*figures.newest));
  }
  gate.required = fmt::format("at least {}, the last within {} days",
                              scene.state.settings.min_reporters, kFreshReports);
  gate.notes = scene.evidence.advisories;
  return gate;
}

// What is missing must be sessions, not health: a share over the bound is nobody's to sign.
bool IsTooLittle(const Scene& scene) {
  const double share = scene.state.settings.failure_share;
  const auto healthy = [share](const StsSessions& sum) {
    return static_cast<double>(sum.failed) <= share * static_cast<double>(sum.sessions);
  };
  return scene.figures.all.sessions > 0 && healthy(scene.figures.all) &&
         healthy(scene.figures.others) &&
         DayOf(scene.now) - DayOf(scene.state.stage_start) > kDaysBeforeSigning;
}

StsGate Failures(const Scene& scene) {
  StsGate gate{.id = StsGateId::kFailures, .name = "failed sessions"};
  gate.command = scene.Command("dmarcate tls summary {domain} --days 180");
  if (!scene.proves()) return NotAsked(std::move(gate), scene);
  const StsFigures& figures = scene.figures;
  const double share = scene.state.settings.failure_share;
  const double bound = std::max(figures.bound, figures.others_bound);
  const bool by_person = IsTooLittle(scene) && scene.state.mode == RolloutMode::kConfirm;
  const std::optional<StsConfirmation>& yes = scene.state.confirmation;
  const bool said_yes = scene.moving
                            ? yes.has_value() && yes->stage == scene.next
                            : IsStsConfirmed(scene.state, scene.evidence, scene.next, scene.now);
  const bool is_signed = by_person && said_yes && yes->accepted_bound >= bound;
  gate.holds = bound <= share || is_signed;
  gate.waits_for_person = !gate.holds && by_person;
  gate.measured = fmt::format("{} of {} sessions failed: at most {}", figures.all.failed,
                              figures.all.sessions, Percent(figures.bound));
  if (figures.without >= 0) {
    gate.measured +=
        fmt::format("; without {}: {} of {}, at most {}",
                    scene.evidence.reporters[static_cast<size_t>(figures.without)].id,
                    figures.others.failed, figures.others.sessions, Percent(figures.others_bound));
  }
  if (is_signed) gate.measured += fmt::format(", signed by {}", scene.state.confirmation->by);
  gate.required = fmt::format(
      "at most {} with 95 % confidence, also without any one reporter; takes {} sessions with {} "
      "failed",
      Percent(share), figures.needed, figures.all.failed);
  for (const StsFailureSum& failure : figures.failures) {
    gate.notes.push_back(fmt::format(
        "{}: {} at {}, by {}, the last on {}: {}", failure.result_type, failure.failed,
        failure.hosts.empty() ? "no host named" : Names(failure.hosts), Names(failure.reporters),
        FormatDay(failure.last_day), ExplainTlsResult(failure.result_type)));
  }
  return gate;
}

StsGate File(const Scene& scene) {
  const FileEvidence& file = scene.evidence.file;
  StsGate gate{.id = StsGateId::kFile, .name = "policy file"};
  gate.command = scene.Command("dmarcate check {domain} --inbound");
  // A file that was on its way, and is to give way to another one, is no stranger's.
  const std::string moving = scene.state.move.has_value() ? scene.state.move->file : "";
  if (scene.state.stage == StsStage::kOff) {
    gate.required = "no other policy is served";
    const bool ours =
        file.sight == FileSight::kServed &&
        (file.body == WantedStsFile(scene.state.settings, scene.next) || file.body == moving);
    const bool other =
        file.sight == FileSight::kServed && !ours && ParseMtaStsPolicy(file.body).ok();
    gate.holds = !other;
    gate.measured = ours    ? "the one that is wanted is served already"
                    : other ? "another policy is served"
                            : "none is served";
    return gate;
  }
  gate.required = "served over https, byte for byte, as text/plain, looked within 24 h";
  const bool same = file.sight == FileSight::kServed && !file.body.empty() &&
                    (file.body == scene.state.file || file.body == moving);
  gate.holds = same && file.plain_text && IsFresh(file.looked, scene.now);
  gate.measured = same ? (file.plain_text ? "the same bytes" : "the same bytes, not as text/plain")
                  : file.sight == FileSight::kServed
                      ? DescribeStsDifference(scene.state.file, file.body)
                  : file.detail.empty() ? std::string("not fetched")
                                        : file.detail;
  gate.measured += fmt::format(", looked {}", Age(file.looked, scene.now));
  return gate;
}

StsGate Record(const Scene& scene) {
  const StsRecordEvidence& records = scene.evidence.records;
  StsGate gate{.id = StsGateId::kRecord, .name = "record"};
  gate.command = scene.Command("dmarcate records lint {domain}");
  const LiveStsRecord live = FindStsRecord(records.mta_sts);
  const bool quiet = records.last_drift == absl::InfinitePast() ||
                     scene.now - records.last_drift >= kQuietAfterDrift;
  const bool fits =
      scene.state.stage == StsStage::kOff ? live.none() : live.id == scene.state.record_id;
  gate.holds = fits && quiet && IsFresh(records.looked, scene.now);
  gate.measured = fmt::format("{}, drift {}, looked {}", live.Describe(),
                              Age(records.last_drift, scene.now), Age(records.looked, scene.now));
  gate.required = fmt::format("{}, no drift for 7 days, looked within 24 h",
                              scene.state.stage == StsStage::kOff
                                  ? std::string("no record")
                                  : fmt::format("one record, id {}", scene.state.record_id));
  return gate;
}

StsGate TlsRpt(const Scene& scene) {
  StsGate gate{.id = StsGateId::kTlsRpt, .name = "reports are asked for"};
  gate.command = scene.Command("dmarcate records lint {domain}");
  gate.required = "one TLS-RPT record with an address (RFC 8460 section 3)";
  const std::vector<std::string>& texts = scene.evidence.records.tls_rpt;
  const RecordSelection selection = SelectTlsRpt(texts);
  if (selection.outcome != RecordSelection::Outcome::kOne) {
    gate.measured =
        fmt::format("{} records at _smtp._tls.{}", selection.indexes.size(), scene.state.domain);
    return gate;
  }
  const auto record = ParseTlsRpt(texts[selection.indexes.front()]);
  gate.holds = record.ok() && std::ranges::any_of(record->rua, &TlsRptAddress::usable);
  gate.measured = !record.ok() ? std::string(MessageOf(record.status()))
                  : gate.holds ? std::string("one record, with an address")
                               : std::string("no address that can be used");
  return gate;
}

StsGate Window(const Scene& scene) {
  StsGate gate{.id = StsGateId::kWindow, .name = "window"};
  RolloutSettings settings;
  settings.freezes = scene.state.settings.freezes;
  settings.hours = scene.state.settings.hours;
  const WindowVerdict verdict = JudgeWindow(settings, scene.now, scene.evidence.rules.freezes);
  const std::string& change = scene.evidence.control.open_change;
  gate.holds = verdict.open && change.empty();
  gate.measured = change.empty() ? verdict.why : fmt::format("change {} is open", change);
  gate.required = "working hours, no freeze, no other change open";
  gate.command = scene.Command("dmarcate changes list {domain}");
  return gate;
}

StsGate Yes(const Scene& scene) {
  StsGate gate{.id = StsGateId::kConfirmation, .name = "a yes"};
  gate.command = scene.Command("dmarcate mta-sts explain {domain}");
  const bool two = scene.evidence.rules.two_people;
  const bool automatic = scene.state.mode == RolloutMode::kAutomatic && !two;
  const bool said = IsStsSaidYes(scene.state, scene.next, scene.now);
  const bool confirmed = IsStsConfirmed(scene.state, scene.evidence, scene.next, scene.now);
  gate.holds = automatic || confirmed;
  gate.waits_for_person = !gate.holds;
  const std::optional<StsConfirmation>& yes = scene.state.confirmation;
  gate.measured = confirmed && two ? fmt::format("{} and {} said yes", yes->by, yes->second_by)
                  : confirmed      ? fmt::format("{} said yes", yes->by)
                  : automatic      ? std::string("automatic: said when it was started")
                  : said           ? fmt::format("{} said yes; another person has not", yes->by)
                                   : std::string("nobody has said yes to this file");
  gate.required =
      fmt::format("{} to {} with exactly the file that is shown",
                  two ? "the yes of two people" : "a person's yes", ToString(scene.next));
  return gate;
}

}  // namespace

std::string_view ToString(MxFault fault) {
  switch (fault) {
    case MxFault::kNotReached:
      return "not reached";
    case MxFault::kNoStartTls:
      return "no STARTTLS";
    case MxFault::kNoTls:
      return "TLS fails";
    case MxFault::kOldTls:
      return "TLS below 1.2";
    case MxFault::kUntrusted:
      return "certificate not trusted";
    case MxFault::kWrongName:
      return "certificate for another name";
    case MxFault::kExpired:
      return "certificate out of date";
    case MxFault::kNotVerified:
      return "certificate not verified";
  }
  return "unknown";
}

bool IsStsConfirmed(const StsState& state, const StsEvidence& evidence, StsStage next,
                    absl::Time now) {
  if (!IsStsSaidYes(state, next, now)) return false;
  const StsConfirmation& yes = *state.confirmation;
  return !evidence.rules.two_people || (!yes.second_by.empty() && yes.second_by != yes.by);
}

StsGate JudgeStsWindow(const StsState& state, const StsEvidence& evidence, absl::Time now) {
  return Window({state, evidence, state.stage, now, {}});
}

bool IsStsSaidYes(const StsState& state, StsStage next, absl::Time now) {
  const std::optional<StsConfirmation>& yes = state.confirmation;
  return yes.has_value() && !yes->by.empty() && yes->stage == next &&
         yes->file == WantedStsFile(state.settings, next) && yes->time <= now &&
         now - yes->time <= kConfirmationLifetime && yes->time >= state.stage_start;
}

StsGate JudgeStsMx(const StsState& state, const StsEvidence& evidence, StsStage next,
                   absl::Time now) {
  const MxEvidence& mx = evidence.mx;
  StsGate gate{.id = StsGateId::kMx, .name = "mail servers"};
  gate.command = fmt::format("dmarcate check {} --inbound", state.domain);
  std::vector<std::string> names;
  std::vector<std::string> faulty;
  for (const MxHost& host : mx.hosts) {
    names.push_back(host.name);
    if (!host.faults.empty()) {
      std::vector<std::string> words;
      for (const MxFault fault : host.faults) words.push_back(std::string(ToString(fault)));
      faulty.push_back(host.name);
      gate.notes.push_back(
          fmt::format("{}: {}{}", host.name, Join(words, ", "),
                      host.detail.empty() ? "" : fmt::format(": {}", host.detail)));
    } else if (host.expires - now < kSoonExpires) {
      gate.notes.push_back(
          fmt::format("{}: the certificate ends on {}", host.name, FormatDay(DayOf(host.expires))));
    }
  }
  const std::vector<std::string> unmatched = HostsNotMatched(state.settings.mx, names);
  const bool strict = next == StsStage::kEnforce;
  const bool looked = IsFresh(mx.looked, now);
  gate.holds = looked && !names.empty() && mx.left_out == 0 && unmatched.empty() &&
               (faulty.empty() || !strict);
  gate.measured = fmt::format(
      "{} MX hosts, {} without a pattern{}, {} with faults{}{}, looked {}", names.size(),
      unmatched.size(), unmatched.empty() ? "" : fmt::format(" ({})", Names(unmatched)),
      faulty.size(), faulty.empty() ? "" : fmt::format(" ({})", Names(faulty)),
      mx.left_out > 0 ? fmt::format(", {} not looked at", mx.left_out) : "", Age(mx.looked, now));
  gate.required = strict
                      ? "each has a pattern, STARTTLS, TLS 1.2 or later and a public certificate "
                        "for its name; looked within 24 h"
                      : "each has a pattern; looked within 24 h";
  return gate;
}

StsGate JudgeStsFailures(const StsState& state, const StsEvidence& evidence, StsStage next,
                         absl::Time now) {
  return Failures({state, evidence, next, now, MeasureSts(state, evidence, now), true});
}

std::vector<StsGate> EvaluateStsGates(const StsState& state, const StsEvidence& evidence,
                                      StsStage next, absl::Time now) {
  const Scene scene{state, evidence, next, now, MeasureSts(state, evidence, now)};
  std::vector<StsGate> gates = {
      Dwell(scene), Reporters(scene), Failures(scene), JudgeStsMx(state, evidence, next, now),
      File(scene),  Record(scene),    TlsRpt(scene),   Window(scene),
      Yes(scene)};
  for (StsGate& gate : gates) {
    gate.since = now;
    for (const StsGateMemory& memory : state.gates) {
      if (memory.id == gate.id && memory.holds == gate.holds) gate.since = memory.since;
    }
  }
  return gates;
}

}  // namespace dmarcate
