#include "policyd/service/domain_status.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/view/posture_view.h"
#include "policyd/analysis/health.h"
#include "policyd/rollout/codec.h"
#include "policyd/service/change_view.h"
#include "policyd/service/convert.h"
#include "policyd/service/insight_view.h"
#include "policyd/service/mta_sts_rollout_view.h"
#include "policyd/service/mta_sts_status.h"
#include "policyd/service/names.h"
#include "policyd/service/rollout_view.h"
#include "policyd/watch/remembered_posture.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxSelectorsJudged = 50;
constexpr int kMaxKeysShown = 10;
constexpr int kMaxInsightsShown = 3;
constexpr size_t kMaxRollouts = 100;
constexpr size_t kLogEntriesRead = 8;  // of which one has a decision, but for a rollout of minutes
constexpr size_t kChangesRead = 200;
constexpr int kMaxChangesShown = 10;

// What is missing, in the answer and, if it is our fault, in the log.
void Miss(const DomainRecord& domain, std::string_view part, const absl::Status& why,
          v1::DomainStatus* out) {
  out->add_unknown(fmt::format("{}: {}", part, ToValidUtf8(MessageOf(why))));
  if (absl::IsDataLoss(why)) {
    LogError("status_unreadable", {{"domain", domain.name}, {"part", part}, {"error", why}});
  }
}

v1::PolicyKind KindOf(DmarcPolicy policy) {
  switch (policy) {
    case DmarcPolicy::kNone:
      return v1::POLICY_KIND_NONE;
    case DmarcPolicy::kQuarantine:
      return v1::POLICY_KIND_QUARANTINE;
    case DmarcPolicy::kReject:
      return v1::POLICY_KIND_REJECT;
  }
  return v1::POLICY_KIND_UNSPECIFIED;
}

void FillRate(const Rate& rate, v1::RateBounds* out) {
  out->set_count(rate.part);
  out->set_total(rate.whole);
  out->set_lower(rate.lower);
  out->set_upper(rate.upper);
}

void AddPolicy(const DomainName& name, const RememberedPosture& seen, v1::DomainStatus* out) {
  const DmarcPosture& dmarc = seen.dmarc;
  if (!dmarc.discovery.has_value()) {
    out->add_unknown(fmt::format("policy: {}", dmarc.judgement.reason.empty()
                                                   ? "nobody has looked yet"
                                                   : dmarc.judgement.reason));
    return;
  }
  v1::PolicyStatus* policy = out->mutable_policy();
  policy->set_verdict(ToMessage(dmarc.judgement.verdict));
  policy->set_meaning(ToValidUtf8(DescribePolicy(*dmarc.discovery)));
  if (seen.dmarc_look) *policy->mutable_look_time() = ToTimestamp(seen.dmarc_look->looked);
  const DmarcDiscovery& found = *dmarc.discovery;
  if (!found.policy_domain || !found.record) return;
  policy->set_record(ToValidUtf8(found.record->Render()));
  policy->set_owner_name(fmt::format("_dmarc.{}", found.policy_domain->text()));
  policy->set_inherited(*found.policy_domain != name);
  if (!policy->inherited() && seen.dmarc_look) {
    *policy->mutable_since_time() = ToTimestamp(seen.dmarc_look->since);
  }
  const DmarcVerdict& now = found.record->Verdict(DmarcStandard::kRfc9989);
  const DmarcVerdict& older = found.record->Verdict(DmarcStandard::kRfc7489);
  const auto in_force = [](const DmarcVerdict& verdict) {
    return verdict.reading == DmarcReading::kPolicy ||
           verdict.reading == DmarcReading::kTreatedAsNone;
  };
  if (!in_force(now)) return;
  policy->set_requested(KindOf(now.Requested(found.subject)));
  policy->set_applied(KindOf(std::min(now.Applied(found.subject), older.Applied(found.subject))));
}

// By the worst finding, but for look-ups that were not made.
void JudgeByFindings(const std::vector<LintFinding>& findings, v1::SpfStatus* status) {
  const LintFinding* worst = nullptr;
  for (const LintFinding& finding : findings) {
    if (finding.code == lint_code::kLookupFailed || finding.severity == Severity::kInfo) continue;
    if (worst == nullptr || finding.severity > worst->severity) worst = &finding;
  }
  status->set_reason(worst == nullptr ? "" : ToValidUtf8(worst->message));
  status->set_verdict(worst == nullptr                      ? v1::VERDICT_PASS
                      : worst->severity == Severity::kError ? v1::VERDICT_FAIL
                                                            : v1::VERDICT_WARN);
}

void AddSpf(const RememberedPosture& seen, v1::DomainStatus* out) {
  const SpfPosture& spf = seen.spf;
  if (!spf.view.resolver.ok()) {
    out->add_unknown(fmt::format("spf: {}", seen.spf_look
                                                ? MessageOf(spf.view.resolver.status())
                                                : std::string_view("nobody has looked yet")));
    return;
  }
  v1::SpfStatus* status = out->mutable_spf();
  status->set_record(ToValidUtf8(spf.text));
  status->set_verdict(ToMessage(spf.judgement.verdict));
  status->set_reason(ToValidUtf8(spf.judgement.reason));
  if (spf.tree) {
    status->set_lookup_count(spf.tree->lookup_count);
    // Addresses are not watched; the terms that ask for them cost the same whatever the answer.
    status->set_complete(EveryRecordIsRead(spf.tree->root));
    // What hangs on them alone would never be known here.
    if (status->complete() && spf.judgement.verdict == Verdict::kUnknown) {
      JudgeByFindings(spf.judgement.findings, status);
    }
  }
  if (seen.spf_look) {
    *status->mutable_since_time() = ToTimestamp(seen.spf_look->since);
    *status->mutable_look_time() = ToTimestamp(seen.spf_look->looked);
  }
}

void AddKeys(const RememberedPosture& seen, v1::DomainStatus* out) {
  std::vector<v1::DkimKeyView> keys;
  v1::DkimStatus* status = out->mutable_dkim();
  for (const DkimPosture& dkim : seen.dkim) {
    v1::LiveRecord record;
    ToMessage(dkim, &record);
    const v1::DkimKeyState state = record.dkim_key().state();
    if (state == v1::DKIM_KEY_STATE_USABLE) {
      status->set_usable_count(status->usable_count() + 1);
    } else if (state == v1::DKIM_KEY_STATE_UNKNOWN) {
      status->set_unknown_count(status->unknown_count() + 1);
    } else {
      status->set_unusable_count(status->unusable_count() + 1);
    }
    keys.push_back(std::move(*record.mutable_dkim_key()));
  }
  std::ranges::stable_sort(keys, {}, [](const v1::DkimKeyView& key) {
    return key.state() == v1::DKIM_KEY_STATE_USABLE;
  });
  for (v1::DkimKeyView& key : keys) {
    if (status->keys_size() < kMaxKeysShown) *status->add_keys() = std::move(key);
  }
}

// Nobody approves what only claims to be the domain, or what passes on the mail of others.
bool WaitsForDecision(const SourceStatistics& source) {
  return source.kind != SourceKind::kSuspicious && source.kind != SourceKind::kForwarder;
}

void AddReports(const DomainStatistics& statistics, v1::DomainStatus* out) {
  v1::ReportsStatus* reports = out->mutable_reports();
  *reports->mutable_date_range() = ToMessage(statistics.range);
  *reports->mutable_counts() = ToMessage(statistics.total);
  const SourceHealth health = HealthOf(statistics.total);
  FillRate(health.dmarc, reports->mutable_dmarc_pass_rate());
  FillRate(health.dkim, reports->mutable_dkim_aligned_rate());
  FillRate(health.spf, reports->mutable_spf_aligned_rate());
  reports->set_reporter_count(static_cast<int32_t>(statistics.by_reporter.size()));
  if (statistics.last_report_day) {
    *reports->mutable_last_report_date() = ToMessage(*statistics.last_report_day);
  }
  reports->set_anchored_message_count(
      statistics.by_trust[static_cast<size_t>(TrustClass::kAnchored)].messages);
  reports->set_expired_message_count(statistics.expired.messages);
}

void AddSources(const DomainStatistics& statistics, const std::vector<SourceDecision>& decisions,
                v1::DomainStatus* out) {
  std::map<std::string, SourceState> states;
  for (const SourceDecision& decision : decisions) states[decision.source_id] = decision.state;
  v1::SourcesStatus* sources = out->mutable_sources();
  const auto group_of = [&](SourceState state) {
    switch (state) {
      case SourceState::kApproved:
        return sources->mutable_approved();
      case SourceState::kRejected:
        return sources->mutable_rejected();
      default:
        return sources->mutable_pending();
    }
  };
  Counts sums[3];
  const auto sum_of = [&sums](SourceState state) -> Counts& {
    return sums[state == SourceState::kApproved ? 0 : state == SourceState::kRejected ? 1 : 2];
  };
  const auto count = [&](SourceState state) {
    group_of(state)->set_source_count(group_of(state)->source_count() + 1);
  };
  std::set<std::string_view> with_mail;
  for (const SourceStatistics& source : statistics.sources) {
    with_mail.insert(source.id);
    const auto decided = states.find(source.id);
    const SourceState state = decided == states.end() ? SourceState::kPending : decided->second;
    count(state);
    sum_of(state).Add(source.counts);
    // They come with most messages first.
    if (state != SourceState::kPending || !sources->largest_pending().empty() ||
        !WaitsForDecision(source)) {
      continue;
    }
    sources->set_largest_pending(DomainChildResource(statistics.domain, kSources, source.id));
    sources->set_largest_pending_message_count(source.counts.messages);
  }
  for (const auto& [id, state] : states) {
    if (state != SourceState::kPending && !with_mail.contains(id)) count(state);
  }
  for (const SourceState state :
       {SourceState::kApproved, SourceState::kRejected, SourceState::kPending}) {
    *group_of(state)->mutable_counts() = ToMessage(sum_of(state));
  }
}

// The last decision that was written down, and its gates, made again from what it was made from.
void AddDecision(const Rollout& rollout, const std::vector<RolloutLogRecord>& log,
                 v1::RolloutStatus* out) {
  for (const RolloutLogRecord& entry : log) {
    if (entry.decision.empty()) continue;
    const absl::StatusOr<Decision> decision = DecodeDecision(entry.decision);
    if (!decision.ok()) return;
    out->set_decision(std::string(ToString(decision->action)));
    out->set_reason(ToValidUtf8(decision->reason));
    *out->mutable_decide_time() = ToTimestamp(decision->time);
    // Of another stage, or before a person spoke: its gates say nothing about now.
    if (decision->from != rollout.state.stage) return;
    const absl::StatusOr<DecisionInput> input = DecodeInput(decision->input);
    if (!input.ok()) return;
    const Gate* nearest = nullptr;
    const Step step = NextStep(input->state, input->evidence, input->now);
    int32_t closed = 0;
    for (const Gate& gate : step.gates) {
      if (gate.holds) continue;
      ++closed;
      if (nearest == nullptr || (nearest->waits_for_person && !gate.waits_for_person)) {
        nearest = &gate;
      }
    }
    out->set_closed_gate_count(closed);
    if (nearest != nullptr) *out->mutable_nearest_gate() = ToMessage(*nearest);
    return;
  }
}

bool IsOpen(const v1::Change& change) {
  switch (change.state()) {
    case v1::Change::STATE_PLANNED:
      return !change.record_changes().empty();
    case v1::Change::STATE_APPLYING:
    case v1::Change::STATE_VERIFYING:
    case v1::Change::STATE_ROLLING_BACK:
      return true;
    default:
      return false;
  }
}

v1::ChangesStatus::Brief BriefOf(const v1::Change& change, const ChangeRecord& record) {
  v1::ChangesStatus::Brief out;
  out.set_name(change.name());
  out.set_state(change.state());
  for (const v1::RecordChange& edit : change.record_changes()) {
    out.add_owner_names(edit.owner_name());
  }
  *out.mutable_create_time() = change.create_time();
  out.set_requested_by(change.requested_by());
  out.set_waits_for_person(change.state() == v1::Change::STATE_APPLYING &&
                           std::ranges::any_of(record.steps, [](const StepRecord& step) {
                             return step.step == "WAITING";
                           }));
  const bool announces =
      record.intent.mta_sts.has_value() && !record.intent.mta_sts->rollout_id.empty();
  out.set_of_rollout((record.intent.policy.has_value() || announces) &&
                     record.intent.rollback_of.empty());
  if (change.has_apply_after_time()) {
    *out.mutable_apply_after_time() = change.apply_after_time();
  }
  if (change.has_plan_expire_time()) {
    *out.mutable_plan_expire_time() = change.plan_expire_time();
  }
  return out;
}

}  // namespace

v1::DomainStatus DomainStatusGatherer::Gather(const Call& call, const DomainRecord& domain,
                                              v1::GetDomainStatusRequest::View view) {
  v1::DomainStatus out;
  out.set_name(DomainResource(domain.name));
  if (!domain.dns_provider.empty()) out.set_dns_provider(ProviderResource(domain.dns_provider));
  AddRecords(domain, &out);
  AddInsights(domain, &out);
  AddRollouts(domain, &out);
  AddMtaSts(domain, &out);
  AddChanges(domain, &out);
  if (view != v1::GetDomainStatusRequest::VIEW_BASIC) AddMail(call, domain, &out);
  return out;
}

void DomainStatusGatherer::AddRecords(const DomainRecord& domain, v1::DomainStatus* out) {
  const auto name = DomainName::Parse(domain.name);
  const auto observed = observations_.ListObserved(domain.name);
  if (!name.ok() || !observed.ok()) {
    return Miss(domain, "records", name.ok() ? observed.status() : name.status(), out);
  }
  std::vector<RememberedName> names;
  for (const ObservedName& one : *observed) {
    auto history = observations_.GetHistory(domain.name, one);
    if (!history.ok()) {
      Miss(domain, one.owner, history.status(), out);
      continue;
    }
    names.push_back({one, *std::move(history)});
  }
  const RememberedPosture seen =
      JudgeRemembered(*name, names, kMaxSelectorsJudged, parts_.clock.Now());
  AddPolicy(*name, seen, out);
  AddSpf(seen, out);
  AddKeys(seen, out);
}

void DomainStatusGatherer::AddMail(const Call& call, const DomainRecord& domain,
                                   v1::DomainStatus* out) {
  const auto statistics = parts_.analysis.Get(call, domain.name, DefaultRange(parts_.clock));
  if (!statistics.ok()) return Miss(domain, "reports", statistics.status(), out);
  AddReports(**statistics, out);
  const auto decisions = parts_.policies.ListDecisions(domain.name);
  if (!decisions.ok()) return Miss(domain, "sources", decisions.status(), out);
  AddSources(**statistics, *decisions, out);
}

void DomainStatusGatherer::AddInsights(const DomainRecord& domain, v1::DomainStatus* out) {
  auto records = insights_.ListInsights(domain.name);
  if (!records.ok()) return Miss(domain, "insights", records.status(), out);
  const auto look = insights_.GetInsightLook(domain.name);
  v1::InsightsStatus* insights = out->mutable_insights();
  if (!look.ok()) {
    Miss(domain, "insights", look.status(), out);
  } else if (look->has_value()) {
    *insights->mutable_look_time() = ToTimestamp((*look)->time);
  }
  std::erase_if(*records,
                [](const InsightRecord& one) { return one.state != InsightState::kActive; });
  std::ranges::sort(*records, ComesBefore);
  for (const InsightRecord& one : *records) {
    switch (one.severity) {
      case Severity::kError:
        insights->set_error_count(insights->error_count() + 1);
        break;
      case Severity::kWarning:
        insights->set_warning_count(insights->warning_count() + 1);
        break;
      case Severity::kInfo:
        insights->set_info_count(insights->info_count() + 1);
        break;
    }
    if (insights->worst_size() < kMaxInsightsShown) {
      *insights->add_worst() = MakeInsight(domain.name, one);
    }
  }
}

void DomainStatusGatherer::AddRollouts(const DomainRecord& domain, v1::DomainStatus* out) {
  const auto records = rollouts_.ListRollouts(domain.name, "", "", kMaxRollouts);
  if (!records.ok()) return Miss(domain, "rollout", records.status(), out);
  std::vector<Rollout> shown;
  std::optional<Rollout> last;
  for (const RolloutRecord& record : *records) {
    absl::StatusOr<Rollout> rollout = ToRollout(record);
    if (!rollout.ok()) {
      Miss(domain, "rollout", rollout.status(), out);
      continue;
    }
    const RolloutStatus status = rollout->state.status;
    const bool moves = status == RolloutStatus::kActive || status == RolloutStatus::kPaused ||
                       rollout->state.abort_to.has_value();
    if (moves) {
      shown.push_back(*std::move(rollout));
    } else {
      last = *std::move(rollout);
    }
  }
  if (shown.empty() && last) shown.push_back(*std::move(last));
  for (const Rollout& rollout : shown) {
    v1::RolloutStatus* status = out->add_rollouts();
    *status->mutable_rollout() = ToMessage(rollout);
    const auto log = rollouts_.ListRolloutLog(domain.name, rollout.state.id, "", kLogEntriesRead);
    if (!log.ok()) {
      Miss(domain, "rollout", log.status(), out);
    } else {
      AddDecision(rollout, *log, status);
    }
  }
}

void DomainStatusGatherer::AddMtaSts(const DomainRecord& domain, v1::DomainStatus* out) {
  const auto records = mta_sts_.ListRollouts(domain.name, "", "", kMaxRollouts);
  if (!records.ok()) return Miss(domain, "mta-sts", records.status(), out);
  if (records->empty()) return;
  const absl::StatusOr<StsRollout> rollout = ToStsRollout(records->back());
  if (!rollout.ok()) return Miss(domain, "mta-sts", rollout.status(), out);
  const auto log = mta_sts_.ListRolloutLog(domain.name, rollout->state.id, "", kLogEntriesRead);
  if (!log.ok()) Miss(domain, "mta-sts", log.status(), out);
  *out->mutable_mta_sts() = MtaStsStatusOf(*rollout, log.value_or(std::vector<RolloutLogRecord>()));
}

void DomainStatusGatherer::AddChanges(const DomainRecord& domain, v1::DomainStatus* out) {
  const auto records = parts_.policies.ListChanges(domain.name, "", kChangesRead);
  if (!records.ok()) return Miss(domain, "changes", records.status(), out);
  std::set<std::string> settled;  // owner names, by a newer change that has ended
  v1::ChangesStatus* changes = out->mutable_changes();
  for (const ChangeRecord& record : *records) {
    const v1::Change change = ToMessage(record, parts_.clock.Now());
    const bool attention = change.state() == v1::Change::STATE_NEEDS_ATTENTION;
    bool newest = false;
    if (attention || change.state() == v1::Change::STATE_SUCCEEDED) {
      for (const RecordChangeRecord& edit : record.record_changes) {
        newest = settled.insert(edit.owner_name).second || newest;
      }
    }
    const bool needs_attention = attention && newest;
    if (!IsOpen(change) && !needs_attention) continue;
    changes->set_open_count(changes->open_count() + 1);
    if (changes->open_size() < kMaxChangesShown) *changes->add_open() = BriefOf(change, record);
  }
}

}  // namespace dmarcate
