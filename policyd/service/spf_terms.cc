#include "policyd/service/spf_terms.h"

#include <set>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "lib/rpc/errors.h"
#include "policyd/plan/delegation.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/service/convert.h"

namespace dmarcate {
namespace {

// Terms by which the record leads to records that Dmarcate keeps.
std::set<std::string> LeadToOurs(const DomainRecord& domain, const DomainName& name) {
  std::set<std::string> terms;
  for (const ManagedTerm& term : domain.managed_terms) {
    if (term.source_id == kFlattenedSourceId) terms.insert(term.term);
  }
  if (domain.delegation_zone.empty()) return terms;
  const absl::StatusOr<DomainName> zone = DomainName::Parse(domain.delegation_zone);
  if (!zone.ok()) return terms;
  const absl::StatusOr<DomainName> target = DelegatedOwner(RecordRole::kSpf, name, *zone);
  if (target.ok()) terms.insert(fmt::format("include:{}", target->text()));
  return terms;
}

std::vector<SpfClaim> ApprovedOf(const std::vector<SourceDecision>& decisions) {
  std::vector<SpfClaim> approved;
  for (const SourceDecision& decision : decisions) {
    if (decision.state != SourceState::kApproved) continue;
    approved.push_back(
        {decision.source_id, decision.authorization.kind, TermsOf(decision.authorization)});
  }
  return approved;
}

}  // namespace

absl::Status SpfTermDesk::ReadTree(const DomainRecord& domain, SpfTermsSeen& seen) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(domain.name));
  const absl::StatusOr<DnsAnswer> answer = resolver_.Lookup(name, RrType::kTxt);
  if (!answer.ok()) {
    return ReasonError(Reason::kDnsUnavailable,
                       fmt::format("spf of {}: {}", domain.name, MessageOf(answer.status())));
  }
  std::vector<std::string> live;
  for (const TxtRecord& record : answer->txt) live.push_back(record.Joined());
  const SpfSelection selection = SelectSpf(live);
  if (selection.outcome == SpfSelection::Outcome::kNone) {
    return ReasonError(Reason::kResourceNotFound, fmt::format("{} has no SPF record", domain.name));
  }
  if (selection.outcome == SpfSelection::Outcome::kMultiple) {
    return ReasonError(Reason::kSpfMultiple,
                       fmt::format("{} has {} SPF records; make one of them first (changes plan {} "
                                   "--repair spf)",
                                   domain.name, selection.indexes.size(), domain.name));
  }
  seen.record = UnflattenedText(name, live[selection.indexes.front()], domain.managed_terms);
  absl::StatusOr<SpfTree> tree = ExpandSpfText(name, seen.record, resolver_, parts_.clock);
  if (!tree.ok()) {
    return ReasonError(Reason::kRecordSyntax,
                       fmt::format("spf of {}: {}", domain.name, MessageOf(tree.status())));
  }
  seen.tree = *std::move(tree);
  PutRemembered(domain.managed_terms, seen.tree);
  return absl::OkStatus();
}

absl::StatusOr<SpfTermsSeen> SpfTermDesk::Look(const Call& call, const DomainRecord& domain,
                                               int32_t days) {
  SpfTermsSeen seen;
  DMARCATE_ASSIGN_OR_RETURN(ReportReader * reader, reports_.Reader());
  DMARCATE_RETURN_IF_ERROR(ReadTree(domain, seen));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<SourceDecision> decisions,
                            parts_.policies.ListDecisions(domain.name));
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(domain.name));
  const DayNumber last = DayOf(parts_.clock.Now()) - 1;
  const DayRange range{last - days + 1, last};
  const NetworkView known = parts_.analysis.network();
  const CatalogueView services = parts_.analysis.services();
  DMARCATE_ASSIGN_OR_RETURN(const SourceGroupings grouped, parts_.analysis.Groupings(domain.name));
  const Regrouping regrouping(grouped.rules);
  SpfTrafficBuilder builder(domain.name, range, seen.tree, *services.catalogue,
                            known.evidence.get(), &regrouping);
  bool cancelled = false;
  DMARCATE_RETURN_IF_ERROR(
      reader->ForEachReport(domain.name, range.first, range.last, [&](const StoredReport& report) {
        cancelled = call.cancelled();
        if (!cancelled) builder.Add(report);
        return !cancelled;
      }));
  if (cancelled) return Cancelled();
  seen.traffic = builder.Finish();
  seen.review = ReviewSpfTerms({seen.tree, seen.traffic, *services.catalogue, ApprovedOf(decisions),
                                UnflattenedTerms(domain.managed_terms), LeadToOurs(domain, name),
                                &regrouping});
  return seen;
}

void ToMessage(const SpfTermsSeen& seen, v1::ReviewSpfTermsResponse* out) {
  const SpfTraffic& traffic = seen.traffic;
  out->set_record(seen.record);
  int32_t freed = 0;
  for (size_t i = 0; i < seen.review.terms.size(); ++i) {
    const TermReview& term = seen.review.terms[i];
    const TermTraffic& mail = traffic.terms[i];
    v1::SpfTermReview* message = out->add_terms();
    message->set_term(term.term);
    message->set_verdict(static_cast<v1::SpfTermReview::Verdict>(term.verdict));  // numbered alike
    message->set_reason(ToValidUtf8(term.reason));
    for (const std::string& source : term.sources) message->add_sources(source);
    message->set_managed(term.managed);
    message->set_lookup_cost(term.lookup_cost);
    message->set_message_count(mail.anchored);
    message->set_other_message_count(mail.others);
    if (mail.last_day.has_value()) *message->mutable_last_date() = ToMessage(*mail.last_day);
    if (term.verdict == TermVerdict::kUnused) freed += term.lookup_cost;
  }
  *out->mutable_date_range() = ToMessage(traffic.range);
  out->set_covered_days(seen.review.covered_days);
  out->set_month_ends(seen.review.month_ends);
  out->set_anchor_count(static_cast<int32_t>(traffic.anchors.size()));
  out->set_message_count(traffic.passed);
  out->set_unexplained_message_count(traffic.unexplained);
  for (const std::string& text : seen.review.missing) out->add_missing(text);
  out->set_lookup_count(seen.tree.lookup_count);
  out->set_freed_lookup_count(freed);
}
static_assert(static_cast<int>(TermVerdict::kUsed) == v1::SpfTermReview::VERDICT_USED &&
              static_cast<int>(TermVerdict::kNotJudged) == v1::SpfTermReview::VERDICT_NOT_JUDGED);

std::vector<PruneFact> ToFacts(const SpfTermsSeen& seen) {
  std::vector<PruneFact> facts;
  for (const TermReview& term : seen.review.terms) {
    facts.push_back({term.term, std::string(ToString(term.verdict)), term.reason, term.sources});
  }
  return facts;
}

}  // namespace dmarcate
