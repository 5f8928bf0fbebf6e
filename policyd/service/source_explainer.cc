#include "policyd/service/source_explainer.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/lint.h"
#include "policyd/analysis/advice.h"
#include "policyd/analysis/declared.h"
#include "policyd/analysis/network_claims.h"
#include "policyd/analysis/term_traffic.h"
#include "policyd/analysis/trusted.h"
#include "policyd/service/convert.h"
#include "policyd/service/insight_view.h"
#include "policyd/service/source_view.h"
#include "policyd/service/spf_preview.h"

namespace dmarcate {

DanglingTargets DanglingTargetsOf(InsightStore* insights, std::string_view domain, absl::Time now) {
  DanglingTargets out;
  if (insights == nullptr) return out;
  // A record of the insights that does not decode keeps nobody from the sources.
  const auto look = insights->GetInsightLook(domain);
  if (!look.ok() || !*look) return out;
  const auto found = insights->ListInsights(domain);
  if (!found.ok()) return out;
  out.known = now - (*look)->time <= kStaleLook && (*look)->left_out == 0 &&
              (*look)->forgotten_unknown == 0 && (*look)->unknown_names_left_out == 0;
  out.targets.insert((*look)->unknown_names.begin(), (*look)->unknown_names.end());
  for (const InsightRecord& insight : *found) {
    const auto target = insight.metadata.find("target");
    if (insight.code == lint_code::kSpfDangling && insight.state != InsightState::kResolved &&
        target != insight.metadata.end()) {
      out.targets.insert(AsciiLower(target->second));
    }
  }
  return out;
}

void Suggest(const SourceStatistics& source, const DanglingTargets& dangling, v1::Source* out) {
  if (out->state() != v1::Source::STATE_PENDING) return;
  const bool dangles =
      !dangling.known ||
      (source.service != nullptr &&
       std::ranges::any_of(source.service->spf_includes, [&dangling](const std::string& include) {
         return dangling.targets.contains(include);
       }));
  const Suggestion suggestion = SuggestApproval(source, dangles);
  out->set_suggested(suggestion.suggested);
  out->set_suggestion_reason(suggestion.reason);
}

void SourceExplainer::Explain(const SourceCase& found, v1::ExplainSourceResponse* out) const {
  *out->mutable_source() = found.ToMessage();
  Suggest(*found.source, DanglingTargetsOf(insights_, found.domain.name, parts_.clock.Now()),
          out->mutable_source());
  out->set_evidence_etag(out->source().evidence_etag());
  AddEvidence(found, out);
  for (const std::string& code : WarningsFor(*found.source)) out->add_warnings(code);
  const Advice advice = found.Advised();
  if (advice.proposal.kind != AuthorizationSpec::Kind::kUnspecified) {
    *out->mutable_proposed_authorization() = ToMessage(advice.proposal);
  }
  out->set_advice(advice.sentence);
  AddCosts(found, out);
  AddPreview(found, advice.proposal, out);
}

void SourceExplainer::AddEvidence(const SourceCase& found, v1::ExplainSourceResponse* out) const {
  std::vector<EvidenceItem> evidence;
  if (found.source->counts.messages > 0 || found.declarations.empty()) {
    evidence = EvidenceFor(*found.source, *found.statistics);
  }
  std::ranges::move(DeclaredEvidence(found.declarations, *found.source),
                    std::back_inserter(evidence));
  if (network_ != nullptr) {
    const NetworkView known = network_->Get();
    std::ranges::move(
        NetworkClaims(*found.source, *known.evidence, network_->OwnTermsOf(found.domain.name),
                      parts_.analysis.catalogue()),
        std::back_inserter(evidence));
  }
  for (const EvidenceItem& item : evidence) {
    v1::EvidenceItem* message = out->add_evidence();
    message->set_claim(item.claim);
    message->set_checked_against(item.checked_against);
    message->set_verdict(item.verdict);
    message->set_message_count(item.messages);
  }
  for (const BreakdownEntry& entry : found.source->by_header_from) {
    v1::HeaderFromCounts* message = out->add_header_froms();
    message->set_header_from(ToValidUtf8(entry.key));
    *message->mutable_counts() = ToMessage(entry.counts);
  }
  for (const AnchorCounts& anchor : found.source->anchors) {
    v1::AnchorVoice* voice = out->add_anchors();
    voice->set_reporter(found.statistics->reporters[anchor.reporter]);
    *voice->mutable_counts() = ToMessage(anchor.counts);
    voice->set_proved_count(anchor.proved);
    *voice->mutable_first_seen_date() = ToMessage(anchor.first_day);
    *voice->mutable_last_seen_date() = ToMessage(anchor.last_day);
  }
}

void SourceExplainer::AddCosts(const SourceCase& found, v1::ExplainSourceResponse* out) const {
  const Counts& counts = found.source->counts;
  out->set_would_be_refused_count(counts.messages - counts.dmarc_pass);
  out->set_spf_only_count(std::max<int64_t>(0, counts.dmarc_pass - counts.dkim_aligned));
  if (network_ == nullptr) return;
  for (const TermShare& traffic :
       TrafficOfTerms(*found.statistics, *found.source, network_->OwnTermsOf(found.domain.name))) {
    v1::SpfTermTraffic* message = out->add_spf_terms();
    message->set_term(ToValidUtf8(traffic.term));
    message->set_message_count(traffic.of_source);
    message->set_domain_message_count(traffic.of_domain);
    message->set_complete(traffic.complete);
  }
}

void SourceExplainer::AddPreview(const SourceCase& found, const AuthorizationSpec& proposal,
                                 v1::ExplainSourceResponse* out) const {
  const auto run = [&]() -> absl::Status {
    DMARCATE_ASSIGN_OR_RETURN(std::vector<SourceDecision> decisions,
                              parts_.policies.ListDecisions(found.domain.name));
    SpfPreviewer previewer(found.domain, std::move(decisions), resolver_, parts_.clock);
    DMARCATE_RETURN_IF_ERROR(previewer.ReadLive());
    SourceDecision decision;
    decision.source_id = found.source->id;
    decision.state = SourceState::kApproved;
    // What somebody decided already is what approving means.
    decision.authorization = found.decision && found.decision->state == SourceState::kApproved
                                 ? found.decision->authorization
                                 : proposal;
    DMARCATE_ASSIGN_OR_RETURN(*out->mutable_if_approved(), previewer.If(decision));
    decision.state = SourceState::kRejected;
    DMARCATE_ASSIGN_OR_RETURN(*out->mutable_if_rejected(), previewer.If(decision));
    return absl::OkStatus();
  };
  if (const absl::Status status = run(); !status.ok()) {
    out->clear_if_approved();
    out->clear_if_rejected();
    out->set_preview_error(std::string(MessageOf(status)));
  }
}

}  // namespace dmarcate
