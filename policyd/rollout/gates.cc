#include "policyd/rollout/gates.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/rollout/figures.h"
#include "policyd/rollout/window.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kConfirmationLifetime = absl::Hours(7 * 24);
constexpr absl::Duration kFreshRecords = absl::Hours(24);
constexpr absl::Duration kQuietAfterDrift = absl::Hours(7 * 24);
constexpr absl::Duration kLongestIngestGap = absl::Hours(48);
constexpr int32_t kMaxLookups = 10;  // RFC 7208 section 4.6.4
constexpr size_t kNamesShown = 5;

std::string Percent(double share) { return fmt::format("{:.2f} %", share * 100); }

// "one, two, three and 4 more"
std::string Names(const std::vector<std::string>& names) {
  std::vector<std::string> shown(
      names.begin(),
      names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamesShown)));
  std::string text = Join(shown, ", ");
  if (names.size() > kNamesShown) {
    text += fmt::format(" and {} more", names.size() - kNamesShown);
  }
  return text;
}

std::string Age(absl::Time then, absl::Time now) {
  if (then == absl::InfinitePast()) return "never";
  return fmt::format("{} h ago", std::max<int64_t>(0, absl::ToInt64Hours(now - then)));
}

// What every gate of one decision looks at.
struct Scene {
  const RolloutState& state;
  const Evidence& evidence;
  PolicyStage next;
  absl::Time now;
  DayFilter filter;
  Coverage coverage;
  Loss loss;
  PolicyImpact impact;
  std::vector<SourceView> recent;  // of the gate window
  std::vector<int32_t> leave_out;  // -1 first

  const GateSettings& gates() const { return state.settings.gates; }
  std::string Command(std::string_view format) const {
    return fmt::format(fmt::runtime(format), fmt::arg("domain", state.domain));
  }
};

// "" or ", without google.com".
std::string WithoutText(const Scene& scene, int32_t without) {
  if (without < 0) return "";
  return fmt::format(" without {}", scene.evidence.anchors[static_cast<size_t>(without)].id);
}

Gate Dwell(const Scene& scene) {
  Gate gate{.id = GateId::kDwell, .name = "dwell"};
  const int32_t wanted = DwellDays(scene.state, scene.next);
  gate.holds = scene.coverage.since_stage >= wanted;
  gate.measured =
      fmt::format("{} days with reports at {} since {}", scene.coverage.since_stage,
                  ToString(scene.state.stage), FormatDay(DayOf(scene.state.stage_start)));
  gate.required = fmt::format("{} days", wanted);
  gate.command = scene.Command("dmarcate stats {domain} --days 60");
  return gate;
}

Gate CoverageGate(const Scene& scene) {
  const GateSettings& gates = scene.gates();
  const Coverage& coverage = scene.coverage;
  // Of a domain about which even the busiest anchor reports once a week, no report is three days
  // old.
  const absl::Duration freshness =
      std::max(gates.freshness, absl::Hours(24) * (coverage.shortest_gap + kGraceDays));
  Gate gate{.id = GateId::kCoverage, .name = "coverage"};
  const bool fresh =
      coverage.last_report != absl::InfinitePast() && scene.now - coverage.last_report <= freshness;
  gate.holds = coverage.anchors >= gates.min_anchors && coverage.covered >= gates.covered_days &&
               fresh && coverage.silent.empty();
  gate.measured =
      fmt::format("{} anchors, {} of the last {} days, newest report {}", coverage.anchors,
                  coverage.covered, kGateWindowDays, Age(coverage.last_report, scene.now));
  if (!coverage.silent.empty()) {
    gate.measured += fmt::format(", silent: {}", Names(coverage.silent));
  }
  gate.required =
      fmt::format("at least {} anchors, {} of {} days, under {} h, none silent", gates.min_anchors,
                  gates.covered_days, kGateWindowDays, absl::ToInt64Hours(freshness));
  gate.command = "dmarcate reports reporters";
  return gate;
}

Gate SourcesHealthy(const Scene& scene) {
  const GateSettings& gates = scene.gates();
  Gate gate{.id = GateId::kSourcesHealthy, .name = "approved sources healthy"};
  std::vector<std::string> bad;
  size_t rated = 0;
  for (const SourceView& view : scene.recent) {
    if (view.source->standing != SourceStanding::kApproved || view.total.messages == 0) continue;
    if (view.total.direct() < gates.source_floor) {
      gate.notes.push_back(fmt::format("{}: only {} messages, {} aligned", view.source->id,
                                       view.total.direct(), view.total.aligned));
      continue;
    }
    ++rated;
    for (const int32_t without : scene.leave_out) {
      const SourceCounts counts = view.Without(without);
      if (counts.direct() < gates.source_floor || counts.aligned_rate() >= gates.source_aligned) {
        continue;
      }
      bad.push_back(fmt::format("{} {}{}", view.source->id, Percent(counts.aligned_rate()),
                                WithoutText(scene, without)));
      break;
    }
  }
  gate.holds = bad.empty();
  gate.measured = bad.empty() ? fmt::format("all {} sources aligned", rated)
                              : fmt::format("{} of {} too low: {}", bad.size(), rated, Names(bad));
  gate.required = fmt::format("{} aligned of each source from {} messages on",
                              Percent(gates.source_aligned), gates.source_floor);
  gate.command = scene.Command("dmarcate sources list {domain} --state approved");
  return gate;
}

Gate Dkim(const Scene& scene) {
  const GateSettings& gates = scene.gates();
  Gate gate{.id = GateId::kDkim, .name = "DKIM for reject"};
  gate.command = scene.Command("dmarcate records dkim {domain}");
  if (RequestedBy(scene.next) != DmarcPolicy::kReject) {
    gate.holds = true;
    gate.measured = "not asked for";
    gate.required = "nothing before reject";
    return gate;
  }
  std::vector<std::string> bad;
  for (const SourceView& view : scene.recent) {
    if (view.source->standing != SourceStanding::kApproved) continue;
    for (const int32_t without : scene.leave_out) {
      const SourceCounts counts = view.Without(without);
      // A rate of a few messages says little; that none of them is signed says enough.
      const bool unsigned_mail = counts.direct() > 0 && counts.dkim_aligned == 0;
      const bool low =
          counts.direct() >= gates.source_floor && counts.dkim_rate() < gates.source_dkim;
      if (view.source->spf_only || unsigned_mail) {
        bad.push_back(fmt::format("{} SPF only{}", view.source->id, WithoutText(scene, without)));
      } else if (low) {
        bad.push_back(fmt::format("{} {}{}", view.source->id, Percent(counts.dkim_rate()),
                                  WithoutText(scene, without)));
      } else {
        continue;
      }
      break;
    }
  }
  gate.holds = bad.empty();
  gate.measured = bad.empty() ? "every approved source signs"
                              : fmt::format("{} do not: {}", bad.size(), Names(bad));
  gate.required =
      fmt::format("aligned DKIM on {} of every approved source", Percent(gates.source_dkim));
  return gate;
}

Gate NothingUnknown(const Scene& scene) {
  Gate gate{.id = GateId::kNothingUnknown, .name = "nothing unknown"};
  std::vector<std::string> aligned;
  for (const SourceView& view : scene.recent) {
    if (view.source->standing == SourceStanding::kPending && view.total.aligned > 0) {
      aligned.push_back(view.source->id);
    }
  }
  double share = 0;
  for (const int32_t without : scene.leave_out) {
    int64_t unexplained = 0;
    int64_t all = 0;
    for (const SourceView& view : scene.recent) {
      const SourceCounts counts = view.Without(without);
      const bool legitimate =
          view.source->standing == SourceStanding::kPending && view.source->looks_legitimate;
      if (legitimate) unexplained += counts.direct();
      if (legitimate || view.source->standing == SourceStanding::kApproved) all += counts.messages;
    }
    if (all > 0)
      share = std::max(share, static_cast<double>(unexplained) / static_cast<double>(all));
  }
  const double limit = scene.gates().unexplained;
  gate.holds = aligned.empty() && share <= limit;
  gate.measured =
      fmt::format("{} pending sources with aligned mail{}, {} unexplained", aligned.size(),
                  aligned.empty() ? "" : fmt::format(" ({})", Names(aligned)), Percent(share));
  gate.required =
      fmt::format("0 pending with aligned mail, at most {} unexplained", Percent(limit));
  gate.command = scene.Command("dmarcate sources list {domain} --state pending");
  return gate;
}

Gate RareSenders(const Scene& scene) {
  Gate gate{.id = GateId::kRareSenders, .name = "rare senders"};
  std::vector<std::string> open;
  for (const SourceView& view : scene.recent) {
    const SourceEvidence& source = *view.source;
    if (source.standing != SourceStanding::kApproved || view.total.messages > 0) continue;
    const std::vector<std::string>& waived = scene.state.settings.waived_sources;
    if (source.declared_rare || std::ranges::find(waived, source.id) != waived.end()) continue;
    open.push_back(source.id);
  }
  gate.holds = scene.coverage.month_end && open.empty();
  gate.measured = fmt::format("{}; {} approved sources without mail{}",
                              scene.coverage.month_end ? "a month end passed" : "no month end yet",
                              open.size(), open.empty() ? "" : fmt::format(": {}", Names(open)));
  gate.required = "a month end with reports; sources without mail declared rare or waived by name";
  gate.command = scene.Command("dmarcate sources list {domain} --state approved");
  return gate;
}

Gate Records(const Scene& scene) {
  const RecordEvidence& records = scene.evidence.records;
  Gate gate{.id = GateId::kRecords, .name = "records sound"};
  const bool fresh =
      records.looked != absl::InfinitePast() && scene.now - records.looked <= kFreshRecords;
  const bool quiet = records.last_drift == absl::InfinitePast() ||
                     scene.now - records.last_drift >= kQuietAfterDrift;
  gate.holds = fresh && quiet && records.lint_errors == 0 && records.spf_lookups <= kMaxLookups &&
               records.dangling.empty();
  gate.measured = fmt::format(
      "{} lint errors, {} look-ups, {} dangling includes{}, drift {}, "
      "looked {}",
      records.lint_errors, records.spf_lookups, records.dangling.size(),
      records.dangling.empty() ? "" : fmt::format(" ({})", Names(records.dangling)),
      Age(records.last_drift, scene.now), Age(records.looked, scene.now));
  gate.required = fmt::format(
      "0 errors, at most {} look-ups, 0 dangling, no drift for 7 days, "
      "looked within 24 h",
      kMaxLookups);
  gate.command = scene.Command("dmarcate records lint {domain}");
  return gate;
}

Gate Ingest(const Scene& scene) {
  const IngestEvidence& ingest = scene.evidence.ingest;
  Gate gate{.id = GateId::kIngest, .name = "ingest sound"};
  gate.holds = ingest.longest_gap <= kLongestIngestGap && ingest.queued == 0 &&
               ingest.quarantined_unreviewed == 0 && !ingest.disk_full;
  gate.measured = fmt::format("longest gap {} h, {} waiting, {} quarantined in an anchor's name{}",
                              absl::ToInt64Hours(ingest.longest_gap), ingest.queued,
                              ingest.quarantined_unreviewed, ingest.disk_full ? ", disk full" : "");
  gate.required = "no gap over 48 h, 0 waiting, 0 unreviewed, room on disk";
  gate.command = "dmarcate reports quarantine list";
  return gate;
}

Gate Forwarding(const Scene& scene) {
  Gate gate{.id = GateId::kForwarding, .name = "forwarding"};
  double share = 0;
  for (const int32_t without : scene.leave_out) {
    int64_t forwarded = 0;
    int64_t wanted = 0;
    for (const SourceView& view : scene.recent) {
      if (view.source->standing == SourceStanding::kRejected) continue;
      const SourceCounts counts = view.Without(without);
      const bool approved = view.source->standing == SourceStanding::kApproved;
      forwarded += counts.forwarded;
      wanted += approved ? counts.messages : counts.forwarded;
    }
    if (wanted > 0) {
      share = std::max(share, static_cast<double>(forwarded) / static_cast<double>(wanted));
    }
  }
  const RolloutSettings& settings = scene.state.settings;
  const bool small = share <= settings.gates.forwarding_loss;
  const bool accepted = !settings.accepted_loss.empty();
  // RFC 9989 section 7.4: people who write to lists, and reject.
  const bool lists = settings.ordinary_mailboxes && RequestedBy(scene.next) == DmarcPolicy::kReject;
  gate.holds = accepted || (small && !lists);
  gate.measured = fmt::format("{} lost through forwarders and lists{}", Percent(share),
                              accepted ? ", accepted by name" : "");
  gate.required = lists ? std::string(
                              "the loss accepted by name: people of the domain may write to "
                              "lists (RFC 9989 section 7.4)")
                        : fmt::format("at most {}, or accepted by name",
                                      Percent(settings.gates.forwarding_loss));
  gate.command = scene.Command("dmarcate sources list {domain}");
  return gate;
}

Gate BlastRadius(const Scene& scene) {
  Gate gate{.id = GateId::kBlastRadius, .name = "blast radius"};
  // Without any one anchor, too: one that claims much good mail must not hide the rest.
  double share = scene.impact.share();
  for (const int32_t without : scene.leave_out) {
    int64_t wanted = 0;
    int64_t touched = 0;
    for (const SourceView& view : scene.recent) {
      const SourceStanding standing = view.source->standing;
      if (standing == SourceStanding::kRejected ||
          (standing == SourceStanding::kPending && !view.source->looks_legitimate)) {
        continue;
      }
      const SourceCounts counts = view.Without(without);
      wanted += counts.messages;
      touched += counts.messages - counts.aligned;
    }
    if (wanted > 0)
      share = std::max(share, static_cast<double>(touched) / static_cast<double>(wanted));
  }
  const double limit = scene.gates().signed_impact;
  const bool confirmed = IsConfirmed(scene.state, scene.evidence, scene.next, scene.now);
  const bool within =
      scene.state.mode == RolloutMode::kAutomatic && share <= limit && scene.impact.wanted > 0;
  gate.holds = confirmed || within;
  gate.waits_for_person = !gate.holds;
  gate.measured =
      fmt::format("{} of {} wanted messages in 30 days would be touched ({}){}",
                  scene.impact.wanted_touched, scene.impact.wanted, Percent(share),
                  confirmed ? fmt::format(", signed by {}", scene.state.confirmation->by) : "");
  gate.required =
      scene.state.mode == RolloutMode::kAutomatic
          ? fmt::format("at most {}, signed beforehand, or a person's yes", Percent(limit))
          : "a person's yes";
  gate.command = scene.Command("dmarcate rollout simulate {domain}");
  return gate;
}

Gate Window(const Scene& scene) {
  Gate gate{.id = GateId::kWindow, .name = "window"};
  const WindowVerdict verdict = JudgeWindow(scene.state.settings, scene.now);
  const std::string& change = scene.evidence.control.open_change;
  gate.holds = verdict.open && change.empty();
  gate.measured = change.empty() ? verdict.why : fmt::format("change {} is open", change);
  gate.required = "working hours, no freeze, no other change open";
  gate.command = scene.Command("dmarcate changes list {domain}");
  return gate;
}

Gate LossBound(const Scene& scene) {
  const Loss& loss = scene.loss;
  Gate gate{.id = GateId::kLossBound, .name = "loss bound"};
  // What is missing must be mail, not health: a count over the bound is nobody's to sign.
  const auto healthy = [](int64_t failing, int64_t messages) {
    return static_cast<double>(failing) <= kAllowedLoss * static_cast<double>(messages);
  };
  const double bound = std::max(loss.bound, loss.others_bound);
  const bool too_little = loss.messages > 0 && healthy(loss.failing, loss.messages) &&
                          healthy(loss.others_failing, loss.others_messages) &&
                          loss.days == kLongestWindowDays;
  const bool by_person = too_little && scene.state.mode == RolloutMode::kConfirm;
  const bool signed_by_person = by_person &&
                                IsConfirmed(scene.state, scene.evidence, scene.next, scene.now) &&
                                scene.state.confirmation->accepted_bound >= bound;
  gate.holds = bound <= kAllowedLoss || signed_by_person;
  gate.waits_for_person = !gate.holds && by_person;
  gate.measured = fmt::format("{} of {} messages in {} days fail: at most {} lost", loss.failing,
                              loss.messages, loss.days, Percent(loss.bound));
  if (loss.without >= 0) {
    gate.measured +=
        fmt::format(";{}: {} of {}, at most {}", WithoutText(scene, loss.without),
                    loss.others_failing, loss.others_messages, Percent(loss.others_bound));
  }
  if (signed_by_person) {
    gate.measured += fmt::format(", signed by {}", scene.state.confirmation->by);
  }
  gate.required = fmt::format(
      "at most {} with 95 % confidence, also without any one anchor; takes "
      "{} messages with {} failing",
      Percent(kAllowedLoss), loss.needed, loss.failing);
  gate.command = scene.Command("dmarcate stats {domain} --by source --days 180");
  return gate;
}

Gate ReceiverProof(const Scene& scene) {
  Gate gate{.id = GateId::kReceiverProof, .name = "receiver proof"};
  int64_t all = 0;
  int64_t seen = 0;
  int64_t heaviest = 0;  // of those that have seen it: one anchor alone proves nothing
  std::vector<std::string> waiting;
  for (const AnchorEvidence& anchor : scene.evidence.anchors) {
    if (anchor.waived || anchor.days.empty()) continue;
    // One message more each, so that anchors with empty reports can prove it, too.
    const int64_t weight = std::clamp<int64_t>(anchor.messages, 0, int64_t{1} << 40) + 1;
    all += weight;
    const bool has_seen =
        anchor.policy_seen_since.has_value() && *anchor.policy_seen_since <= scene.filter.last();
    if (has_seen) {
      seen += weight;
      heaviest = std::max(heaviest, weight);
    } else {
      waiting.push_back(anchor.id);
    }
  }
  const int64_t rest = all - heaviest;
  const double share =
      rest == 0 ? 0 : static_cast<double>(seen - heaviest) / static_cast<double>(rest);
  gate.holds = all > 0 && share >= scene.gates().receiver_proof;
  gate.measured = fmt::format(
      "{} of the volume, the largest anchor left out, is reported under the "
      "published policy{}",
      Percent(share), waiting.empty() ? "" : fmt::format("; not yet: {}", Names(waiting)));
  gate.required = fmt::format("at least {}", Percent(scene.gates().receiver_proof));
  gate.command = "dmarcate reports reporters";
  return gate;
}

}  // namespace

double PolicyImpact::share() const {
  return wanted == 0 ? 0 : static_cast<double>(wanted_touched) / static_cast<double>(wanted);
}

int32_t DwellDays(const RolloutState& state, PolicyStage next) {
  const GateSettings& gates = state.settings.gates;
  int32_t days = 0;
  switch (state.stage) {
    case PolicyStage::kObserve:
      days = gates.observe_days;
      break;
    case PolicyStage::kQuarantineTest:
    case PolicyStage::kRejectTest:
      days = gates.test_days;
      break;
    case PolicyStage::kQuarantine:
    case PolicyStage::kReject:
      days = gates.quarantine_days;
      break;
  }
  for (const PolicyStage stage : kPolicyStages) {
    if (stage > state.stage && stage < next && IsTestStage(stage)) days += gates.test_days;
  }
  return days;
}

bool IsConfirmed(const RolloutState& state, const Evidence& evidence, PolicyStage next,
                 absl::Time now) {
  const std::optional<Confirmation>& yes = state.confirmation;
  return yes.has_value() && !yes->by.empty() && yes->stage == next &&
         yes->decisions_etag == evidence.decisions_etag && yes->time <= now &&
         now - yes->time <= kConfirmationLifetime && yes->time >= state.stage_start;
}

PolicyImpact MeasureImpact(const RolloutState& state, const Evidence& evidence, absl::Time now) {
  PolicyImpact impact;
  const DayFilter filter(state, evidence, now);
  for (const SourceView& view : ViewSources(evidence, filter, kGateWindowDays)) {
    const SourceEvidence* source = view.source;
    const SourceCounts& counts = view.total;
    const int64_t touched = counts.messages - counts.aligned;
    impact.messages += counts.messages;
    impact.touched += touched;
    const bool wanted = source->standing == SourceStanding::kApproved ||
                        (source->standing == SourceStanding::kPending && source->looks_legitimate);
    if (wanted) {
      impact.wanted += counts.messages;
      impact.wanted_touched += touched;
    }
    if (touched > 0) {
      impact.sources.push_back(
          {source->id, source->standing, counts.messages, touched, counts.forwarded});
    }
  }
  std::ranges::sort(impact.sources, [](const SourceImpact& a, const SourceImpact& b) {
    if (a.touched != b.touched) return a.touched > b.touched;
    return a.source_id < b.source_id;
  });
  return impact;
}

std::vector<Gate> EvaluateGates(const RolloutState& state, const Evidence& evidence,
                                PolicyStage next, absl::Time now) {
  const DayFilter filter(state, evidence, now);
  std::vector<SourceView> recent = ViewSources(evidence, filter, kGateWindowDays);
  std::vector<int32_t> leave_out = AnchorsToLeaveOut(evidence, recent);
  const Scene scene{state,
                    evidence,
                    next,
                    now,
                    filter,
                    MeasureCoverage(state, evidence, filter),
                    MeasureLoss(evidence, filter),
                    MeasureImpact(state, evidence, now),
                    std::move(recent),
                    std::move(leave_out)};
  std::vector<Gate> gates = {Dwell(scene),        CoverageGate(scene),   SourcesHealthy(scene),
                             Dkim(scene),         NothingUnknown(scene), RareSenders(scene),
                             Records(scene),      Ingest(scene),         Forwarding(scene),
                             BlastRadius(scene),  Window(scene),         LossBound(scene),
                             ReceiverProof(scene)};
  for (Gate& gate : gates) {
    gate.since = now;
    for (const GateMemory& memory : state.gates) {
      if (memory.id == gate.id && memory.holds == gate.holds) gate.since = memory.since;
    }
  }
  return gates;
}

}  // namespace dmarcate
