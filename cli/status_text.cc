#include "cli/status_text.h"

#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "cli/app.h"
#include "cli/change_text.h"
#include "cli/messages.h"
#include "cli/mta_sts_text.h"
#include "cli/posture_text.h"
#include "cli/rollout_text.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

// "spf       ..." and what follows it, below each other.
class Screen {
 public:
  void Add(std::string_view part, std::string_view text) {
    text_ += fmt::format("{:<10}{}\n", part == last_ ? "" : part, EscapeForTerminal(text));
    last_ = part;
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
  std::string_view last_;
};

std::string StandingText(v1::DomainStatus::Standing standing) {
  return EnumText(v1::DomainStatus::Standing_Name(standing), "STANDING_");
}

std::string PolicyWord(v1::PolicyKind kind) {
  return kind == v1::POLICY_KIND_UNSPECIFIED ? "none in force"
                                             : EnumText(v1::PolicyKind_Name(kind), "POLICY_KIND_");
}

void AddPolicy(const v1::DomainStatus& status, Screen& screen) {
  if (!status.has_policy()) return screen.Add("policy", "?");
  const v1::PolicyStatus& policy = status.policy();
  std::string head = policy.meaning();
  if (policy.has_since_time()) head += fmt::format(" (since {})", Text(policy.since_time()));
  if (policy.inherited()) head += fmt::format(" (by {})", policy.owner_name());
  screen.Add("policy", head);
  if (!policy.record().empty()) screen.Add("policy", policy.record());
}

void AddSpf(const v1::DomainStatus& status, Screen& screen) {
  if (!status.has_spf()) return screen.Add("spf", "?");
  const v1::SpfStatus& spf = status.spf();
  if (spf.record().empty()) return screen.Add("spf", spf.reason());
  const std::string lookups = fmt::format("{} of 10 look-ups", spf.lookup_count());
  if (spf.complete() && spf.reason().starts_with(lookups)) {
    return screen.Add("spf", fmt::format("{}: {}", VerdictText(spf.verdict()), spf.reason()));
  }
  screen.Add("spf", fmt::format("{}{} of 10 look-ups; {}{}{}", spf.complete() ? "" : "at least ",
                                spf.lookup_count(), VerdictText(spf.verdict()),
                                spf.reason().empty() ? "" : ": ", spf.reason()));
}

void AddDkim(const v1::DomainStatus& status, Screen& screen) {
  const v1::DkimStatus& dkim = status.dkim();
  const int all = dkim.usable_count() + dkim.unusable_count() + dkim.unknown_count();
  if (all == 0) {
    return screen.Add("dkim", fmt::format("no key has been looked at: reports name selectors; now: "
                                          "dmarcate records dkim {}",
                                          LastSegment(status.name())));
  }
  std::string text = fmt::format("{} of {} usable", dkim.usable_count(), Counted(all, "key"));
  for (const v1::DkimKeyView& key : dkim.keys()) {
    if (key.state() == v1::DKIM_KEY_STATE_USABLE) continue;
    text += fmt::format("; {} {}", key.selector(),
                        EnumText(v1::DkimKeyState_Name(key.state()), "DKIM_KEY_STATE_"));
  }
  screen.Add("dkim", text);
}

void AddReports(const v1::DomainStatus& status, Screen& screen) {
  if (!status.has_reports()) return;
  const v1::ReportsStatus& reports = status.reports();
  const v1::MessageCounts& counts = reports.counts();
  const int64_t n = counts.message_count();
  screen.Add("mail", fmt::format("{} in 30 days, by {}; last report {}", Counted(n, "message"),
                                 Counted(reports.reporter_count(), "reporter"),
                                 Text(reports.last_report_date())));
  if (n == 0) return;
  screen.Add("mail", fmt::format("aligned {} (95 % sure of {:.1f} to {:.1f} %), DKIM {}, SPF {}",
                                 FormatRate(counts.dmarc_pass_count(), n),
                                 100 * reports.dmarc_pass_rate().lower(),
                                 100 * reports.dmarc_pass_rate().upper(),
                                 FormatRate(counts.dkim_aligned_count(), n),
                                 FormatRate(counts.spf_aligned_count(), n)));
  if (reports.anchored_message_count() < n) {
    screen.Add("mail", fmt::format("{} of them in reports that open gates (anchored)",
                                   FormatCount(reports.anchored_message_count())));
  }
}

void AddSources(const v1::DomainStatus& status, Screen& screen) {
  if (!status.has_sources()) return;
  const v1::SourcesStatus& sources = status.sources();
  const auto text = [](const v1::SourcesStatus::Group& group, std::string_view state) {
    return fmt::format("{} {} ({})", group.source_count(), state,
                       Counted(group.counts().message_count(), "message"));
  };
  screen.Add("sources",
             fmt::format("{}, {}, {}", text(sources.approved(), "approved"),
                         text(sources.pending(), "pending"), text(sources.rejected(), "rejected")));
}

void AddInsights(const v1::DomainStatus& status, Screen& screen) {
  if (!status.has_insights()) return screen.Add("insights", "?");
  const v1::InsightsStatus& insights = status.insights();
  if (!insights.has_look_time() && insights.worst().empty()) {
    return screen.Add("insights", "nobody has looked yet");
  }
  screen.Add("insights",
             fmt::format("{}, {}, {} for information", Counted(insights.error_count(), "error"),
                         Counted(insights.warning_count(), "warning"), insights.info_count()));
  for (const v1::Insight& insight : insights.worst()) {
    screen.Add("insights", fmt::format("{:<7} {}: {}",
                                       EnumText(v1::Severity_Name(insight.severity()), "SEVERITY_"),
                                       insight.code(), insight.message()));
  }
}

void AddRollouts(const v1::DomainStatus& status, Screen& screen) {
  if (status.rollouts().empty()) return screen.Add("rollout", "none");
  for (const v1::RolloutStatus& one : status.rollouts()) {
    const v1::Rollout& rollout = one.rollout();
    const std::string scope = rollout.scope() == v1::Rollout::SCOPE_SUBDOMAINS     ? "sp: "
                              : rollout.scope() == v1::Rollout::SCOPE_NON_EXISTENT ? "np: "
                                                                                   : "";
    screen.Add("rollout",
               fmt::format("{}{} since {}, target {}, {}, {}", scope, StageText(rollout.stage()),
                           Text(rollout.stage_start_time()), StageText(rollout.target()),
                           EnumText(v1::Rollout::Mode_Name(rollout.mode()), "MODE_"),
                           EnumText(v1::Rollout::State_Name(rollout.state()), "STATE_")));
    if (rollout.state() == v1::Rollout::STATE_PAUSED) {
      screen.Add("rollout",
                 fmt::format("paused ({}): {}", rollout.pause_reason(), rollout.pause_detail()));
    } else if (!one.reason().empty()) {
      screen.Add("rollout", fmt::format("{} ({})", one.reason(), Text(one.decide_time())));
    }
    if (!one.has_nearest_gate()) continue;
    const v1::RolloutGate& gate = one.nearest_gate();
    const std::string title = gate.title() == gate.id() ? "" : " " + gate.title();
    screen.Add("rollout", fmt::format("{}{}: {}; wants {}", gate.id(), title, gate.measured(),
                                      gate.required()));
  }
}

void AddMtaSts(const v1::DomainStatus& status, Screen& screen) {
  if (!status.has_mta_sts()) return;
  const v1::MtaStsStatus& one = status.mta_sts();
  const v1::MtaStsRollout& rollout = one.rollout();
  screen.Add("mta-sts",
             fmt::format("{} since {}, target {}, {}, {}", StsStageText(rollout.stage()),
                         Text(rollout.stage_start_time()), StsStageText(rollout.target()),
                         EnumText(v1::Rollout::Mode_Name(rollout.mode()), "MODE_"),
                         EnumText(v1::Rollout::State_Name(rollout.state()), "STATE_")));
  if (rollout.state() == v1::Rollout::STATE_PAUSED) {
    screen.Add("mta-sts",
               fmt::format("paused ({}): {}", rollout.pause_reason(), rollout.pause_detail()));
  } else if (!one.reason().empty()) {
    screen.Add("mta-sts", fmt::format("{} ({})", one.reason(), Text(one.decide_time())));
  }
  if (!one.has_nearest_gate()) return;
  const v1::RolloutGate& gate = one.nearest_gate();
  screen.Add("mta-sts", fmt::format("{} {}: {}; wants {}", gate.id(), gate.title(), gate.measured(),
                                    gate.required()));
}

void AddChanges(const v1::DomainStatus& status, Screen& screen) {
  if (!status.has_changes()) return screen.Add("changes", "?");
  if (status.changes().open().empty()) return screen.Add("changes", "none open");
  for (const v1::ChangesStatus::Brief& change : status.changes().open()) {
    std::string text = fmt::format("{} {}", LastSegment(change.name()), StateText(change.state()));
    if (change.waits_for_person()) text += ", set by hand";
    if (change.has_apply_after_time()) {
      text += fmt::format(", applied at {}", Text(change.apply_after_time()));
    } else if (change.state() == v1::Change::STATE_PLANNED) {
      text += fmt::format(", expires {}", Text(change.plan_expire_time()));
    }
    text +=
        fmt::format(": {}", Join({change.owner_names().begin(), change.owner_names().end()}, " "));
    screen.Add("changes", text);
  }
  if (const int more = status.changes().open_count() - status.changes().open_size(); more > 0) {
    screen.Add("changes", fmt::format("and {} more", more));
  }
}

}  // namespace

std::string StatusText(const v1::DomainStatus& status) {
  Screen screen;
  std::string out =
      fmt::format("{}: {}: {}\n", EscapeForTerminal(LastSegment(status.name())),
                  StandingText(status.standing()), EscapeForTerminal(status.reason()));
  AddPolicy(status, screen);
  AddSpf(status, screen);
  AddDkim(status, screen);
  AddReports(status, screen);
  AddSources(status, screen);
  AddInsights(status, screen);
  AddRollouts(status, screen);
  AddMtaSts(status, screen);
  AddChanges(status, screen);
  for (const std::string& unknown : status.unknown()) screen.Add("unknown", unknown);
  if (status.next_command().empty()) {
    screen.Add("next", "nothing to do");
  } else {
    screen.Add("next", status.next_command());
    if (status.next_reason() != status.reason()) screen.Add("next", status.next_reason());
  }
  return out + screen.Take();
}

Table StatusTable(const v1::DomainStatus& status) {
  Table table({{"DOMAIN"},
               {"STANDING"},
               {"POLICY"},
               {"APPLIED"},
               {"LOOKUPS", Align::kRight},
               {"MESSAGES", Align::kRight},
               {"PASS", Align::kRight},
               {"PENDING", Align::kRight},
               {"ERRORS", Align::kRight},
               {"WARNINGS", Align::kRight},
               {"STAGE"},
               {"OPEN_CHANGES", Align::kRight},
               {"REASON"},
               {"NEXT"}});
  const v1::MessageCounts& counts = status.reports().counts();
  const std::string stage =
      status.rollouts().empty() ? "-" : StageText(status.rollouts(0).rollout().stage());
  table.Add(
      status.name(),
      {std::string(LastSegment(status.name())), StandingText(status.standing()),
       status.has_policy() ? PolicyWord(status.policy().requested()) : "?",
       status.has_policy() ? PolicyWord(status.policy().applied()) : "?",
       status.has_spf() ? std::to_string(status.spf().lookup_count()) : "?",
       status.has_reports() ? CountCell(counts.message_count()) : Cell("?"),
       RateCell(counts.dmarc_pass_count(), counts.message_count()),
       status.has_sources() ? std::to_string(status.sources().pending().source_count()) : "?",
       std::to_string(status.insights().error_count()),
       std::to_string(status.insights().warning_count()), stage,
       std::to_string(status.changes().open_count()), status.reason(), status.next_command()});
  return table;
}

}  // namespace dmarcate::cli
