// The gates about mail, of gates.h.

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/rollout/gate_scene.h"

namespace dmarcate {

namespace {

constexpr size_t kNamesShown = 5;

// Who has said yes to this step: "", ", signed by ann", ", signed by ann; another person is
// wanted".
std::string SignedText(const GateScene& scene) {
  if (!IsSaidYes(scene.state, scene.evidence, scene.next, scene.now)) return "";
  const Confirmation& yes = *scene.state.confirmation;
  std::string text = fmt::format(", signed by {}", yes.by);
  if (!yes.second_by.empty()) {
    text += fmt::format(" and {}", yes.second_by);
  } else if (scene.evidence.rules.two_people) {
    text += "; another person is wanted";
  }
  return text;
}

}  // namespace

std::string Percent(double share) { return fmt::format("{:.2f} %", share * 100); }

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

std::string WithoutText(const GateScene& scene, int32_t without) {
  if (without < 0) return "";
  return fmt::format(" without {}", scene.evidence.anchors[static_cast<size_t>(without)].id);
}

Gate JudgeSources(const GateScene& scene) {
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

Gate JudgeDkim(const GateScene& scene) {
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

Gate JudgeUnknown(const GateScene& scene) {
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

Gate JudgeRareSenders(const GateScene& scene) {
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

Gate JudgeForwarding(const GateScene& scene) {
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

Gate JudgeBlastRadius(const GateScene& scene) {
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
  const bool two = scene.evidence.rules.two_people;
  const bool confirmed = IsConfirmed(scene.state, scene.evidence, scene.next, scene.now);
  // What one person signed beforehand is not what two people are wanted for.
  const bool within = scene.state.mode == RolloutMode::kAutomatic && !two && share <= limit &&
                      scene.impact.wanted > 0;
  gate.holds = confirmed || within;
  gate.waits_for_person = !gate.holds;
  gate.measured = fmt::format("{} of {} wanted messages in 30 days would be touched ({}){}",
                              scene.impact.wanted_touched, scene.impact.wanted, Percent(share),
                              SignedText(scene));
  gate.required =
      two ? "the yes of two people"
      : scene.state.mode == RolloutMode::kAutomatic
          ? fmt::format("at most {}, signed beforehand, or a person's yes", Percent(limit))
          : "a person's yes";
  gate.command = scene.Command("dmarcate rollout simulate {domain}");
  return gate;
}

Gate JudgeLossBound(const GateScene& scene) {
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
  if (signed_by_person) gate.measured += SignedText(scene);
  gate.required = fmt::format(
      "at most {} with 95 % confidence, also without any one anchor; takes "
      "{} messages with {} failing",
      Percent(kAllowedLoss), loss.needed, loss.failing);
  gate.command = scene.Command("dmarcate stats breakdown {domain} --by source --days 180");
  return gate;
}

}  // namespace dmarcate
