#include "policyd/service/source_desk.h"

#include <utility>

#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"
#include "policyd/analysis/advice.h"
#include "policyd/service/authorization.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/source_view.h"

namespace dmarcate {
namespace {

absl::StatusOr<std::optional<SourceDecision>> FindDecision(PolicyStore& policies,
                                                           std::string_view domain,
                                                           std::string_view source_id) {
  absl::StatusOr<SourceDecision> decision = policies.GetDecision(domain, source_id);
  if (decision.ok()) return std::optional<SourceDecision>(*std::move(decision));
  if (decision.status().code() == absl::StatusCode::kNotFound) {
    return std::optional<SourceDecision>();
  }
  return decision.status();
}

absl::Status EvidenceChanged(const std::string& fresh) {
  return ReasonError(Reason::kSourceEvidenceChanged,
                     "evidence_etag: the evidence is not what it saw; look at the source again",
                     {{"evidence_etag", fresh}});
}

// The source within the statistics, kept alive by them; null if it is not there.
std::shared_ptr<const SourceStatistics> SourceIn(
    const std::shared_ptr<const DomainStatistics>& statistics, std::string_view id) {
  const SourceStatistics* source = statistics->FindSource(id);
  if (source == nullptr) return nullptr;
  return {statistics, source};
}

std::string_view StateName(SourceState state) {
  switch (state) {
    case SourceState::kPending:
      return "pending";
    case SourceState::kApproved:
      return "approved";
    case SourceState::kRejected:
      return "rejected";
  }
  return "";
}

}  // namespace

v1::Source SourceCase::ToMessage() const {
  v1::Source out = MakeSource(*source, *statistics, decision);
  Declare(declarations, *source, statistics->domain, &out);
  return out;
}

Advice SourceCase::Advised() const {
  return source->counts.messages == 0 ? AdviseDeclared(declarations, *source, statistics->domain)
                                      : Advise(*source, statistics->domain);
}

absl::StatusOr<SourceCase> SourceDesk::Find(const Call& call, std::string_view name,
                                            const DayRange& range) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child, ParseDomainChild(name, kSources, "name"));
  SourceCase found;
  DMARCATE_ASSIGN_OR_RETURN(found.domain, FindDomain(parts_.policies, child.domain));
  DMARCATE_ASSIGN_OR_RETURN(found.statistics, parts_.analysis.Get(call, child.domain, range));
  DMARCATE_ASSIGN_OR_RETURN(found.decision, FindDecision(parts_.policies, child.domain, child.id));
  found.source = SourceIn(found.statistics, child.id);
  found.declarations =
      DeclarationsOf(network_, child.domain, parts_.analysis.catalogue(), child.id);
  if (found.source == nullptr && (found.decision || !found.declarations.empty())) {
    found.source = std::make_shared<const SourceStatistics>(
        SilentSource(child.id, parts_.analysis.catalogue()));
  } else if (found.source == nullptr) {
    return ReasonError(Reason::kResourceNotFound,
                       fmt::format("{}: no mail from {} to {}", name, FormatDay(range.first),
                                   FormatDay(range.last)),
                       {{"resource", std::string(name)}});
  }
  return found;
}

absl::StatusOr<std::optional<SourceDecision>> SourceDesk::Draft(const Call& call,
                                                                const SourceCase& found,
                                                                const DecisionRequest& request) {
  SourceDecision draft{.domain = found.domain.name,
                       .source_id = found.source->id,
                       .state = request.state,
                       .decided_by = call.principal().name,
                       .note = request.note,
                       .evidence_etag = request.evidence_etag,
                       .decide_time = parts_.clock.Now(),
                       .revision = found.decision ? found.decision->revision : 0};
  const bool same_state =
      (found.decision ? found.decision->state : SourceState::kPending) == request.state;
  if (request.state == SourceState::kApproved) {
    if (request.authorization != nullptr) {
      DMARCATE_ASSIGN_OR_RETURN(draft.authorization,
                                ReadAuthorization(*request.authorization, found.domain.name));
    } else if (same_state) {
      return std::optional<SourceDecision>();
    } else {
      draft.authorization = found.Advised().proposal;
      if (draft.authorization.kind == AuthorizationSpec::Kind::kUnspecified) {
        return ReasonError(
            Reason::kFieldRequired,
            "authorization: none can be proposed for this source; say how it shall be realised",
            {{"field", "authorization"}});
      }
    }
    DMARCATE_RETURN_IF_ERROR(CheckInclude(draft.authorization, resolver_));
  }
  const bool same_authorization =
      !found.decision || found.decision->authorization == draft.authorization;
  if (same_state && same_authorization) return std::optional<SourceDecision>();
  return std::optional<SourceDecision>(std::move(draft));
}

absl::StatusOr<v1::Source> SourceDesk::Decide(const Call& call, const DecisionRequest& request) {
  DMARCATE_RETURN_IF_ERROR(CheckLength("note", request.note, kMaxNoteCharacters));
  if (request.evidence_etag.empty()) {
    return ReasonError(Reason::kEtagRequired, "evidence_etag: required; look at the source first",
                       {{"field", "evidence_etag"}});
  }
  // The evidence is gathered again for the days that the etag saw.
  const DayRange today = DefaultRange(parts_.clock);
  const std::optional<DayRange> seen = RangeOfEtag(request.evidence_etag);
  const bool usable = seen && seen->days() <= kMaxRangeDays;
  DMARCATE_ASSIGN_OR_RETURN(SourceCase found, Find(call, request.name, usable ? *seen : today));
  if (const std::string fresh = EvidenceEtag(*found.source, *found.statistics);
      fresh != request.evidence_etag) {
    return EvidenceChanged(fresh);
  }
  DMARCATE_ASSIGN_OR_RETURN(std::optional<SourceDecision> decision, Draft(call, found, request));
  if (decision) {
    if (!request.validate_only) {
      DMARCATE_ASSIGN_OR_RETURN(decision, parts_.policies.PutDecision(*std::move(decision)));
      LogInfo("source_decided", {{"domain", found.domain.name},
                                 {"source", found.source->id},
                                 {"state", StateName(request.state)},
                                 {"by", call.principal().name}});
    }
    found.decision = std::move(decision);
  }
  if (found.statistics->range == today) return found.ToMessage();
  // Shown as GetSource would show it.
  DMARCATE_ASSIGN_OR_RETURN(found.statistics, parts_.analysis.Get(call, found.domain.name, today));
  auto source = SourceIn(found.statistics, found.source->id);
  found.source = source != nullptr ? std::move(source)
                                   : std::make_shared<const SourceStatistics>(SilentSource(
                                         found.source->id, parts_.analysis.catalogue()));
  return found.ToMessage();
}

}  // namespace dmarcate
