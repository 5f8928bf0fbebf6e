#include "policyd/service/source_view.h"

#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "policyd/analysis/advice.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

v1::Source::Kind ToMessage(SourceKind kind) {
  switch (kind) {
    case SourceKind::kSender:
      return v1::Source::KIND_SENDER;
    case SourceKind::kForwarder:
      return v1::Source::KIND_FORWARDER;
    case SourceKind::kUnknown:
      return v1::Source::KIND_UNKNOWN;
    case SourceKind::kInternal:
      return v1::Source::KIND_INTERNAL;
    case SourceKind::kSuspicious:
      return v1::Source::KIND_SUSPICIOUS;
  }
  return v1::Source::KIND_UNSPECIFIED;
}

v1::Identity::Kind IdentityKindOf(Rule rule) {
  switch (rule) {
    case Rule::kCatalogueDkim:
    case Rule::kCatalogueSelector:
    case Rule::kOwnDkim:
    case Rule::kOtherDkim:
      return v1::Identity::KIND_DKIM_DOMAIN;
    case Rule::kCatalogueEnvelope:
    case Rule::kOwnEnvelope:
    case Rule::kForwarderEnvelope:
    case Rule::kOtherEnvelope:
      return v1::Identity::KIND_SPF_DOMAIN;
    case Rule::kCatalogueRange:
      return v1::Identity::KIND_ADDRESS_RANGE;
    case Rule::kCatalogueReverseName:
      return v1::Identity::KIND_REVERSE_NAME;
    case Rule::kAddress:
      return v1::Identity::KIND_ADDRESS;
    case Rule::kOverflow:
      break;
  }
  return v1::Identity::KIND_UNSPECIFIED;
}

v1::Source::State ToMessage(SourceState state) {
  return static_cast<v1::Source::State>(state);  // both number the states alike
}
static_assert(static_cast<int>(SourceState::kPending) == v1::Source::STATE_PENDING &&
              static_cast<int>(SourceState::kApproved) == v1::Source::STATE_APPROVED &&
              static_cast<int>(SourceState::kRejected) == v1::Source::STATE_REJECTED);

void FillRate(const Rate& rate, v1::RateBounds* out) {
  out->set_count(rate.part);
  out->set_total(rate.whole);
  out->set_lower(rate.lower);
  out->set_upper(rate.upper);
}

v1::SourceChange::Kind ToMessage(SourceNews news) {
  switch (news) {
    case SourceNews::kNew:
      return v1::SourceChange::KIND_NEW;
    case SourceNews::kVanished:
      return v1::SourceChange::KIND_VANISHED;
    case SourceNews::kWorse:
      return v1::SourceChange::KIND_WORSE;
    case SourceNews::kBetter:
      return v1::SourceChange::KIND_BETTER;
    case SourceNews::kMore:
      return v1::SourceChange::KIND_MORE;
    case SourceNews::kLess:
      return v1::SourceChange::KIND_LESS;
  }
  return v1::SourceChange::KIND_UNSPECIFIED;
}

void FillStats(const SourceStatistics& source, const DayRange& range, v1::SourceStats* out) {
  *out->mutable_date_range() = ToMessage(range);
  *out->mutable_counts() = ToMessage(source.counts);
  for (size_t trust = 0; trust < kTrustClasses; ++trust) {
    if (source.by_trust[trust].messages == 0) continue;
    v1::TrustSlice* slice = out->add_trust();
    slice->set_trust(ToMessage(static_cast<TrustClass>(trust)));
    *slice->mutable_counts() = ToMessage(source.by_trust[trust]);
  }
  for (size_t reason = 0; reason < kReasonTypes; ++reason) {
    if (source.overrides[reason] > 0) {
      (*out->mutable_override_counts())[std::string(OverrideKey(reason))] =
          source.overrides[reason];
    }
  }
  out->set_reporter_count(static_cast<int32_t>(source.reporters.size()));
  out->set_address_count(static_cast<int32_t>(source.address_count));
  const SourceHealth health = HealthOf(source.counts);
  FillRate(health.dmarc, out->mutable_dmarc_pass_rate());
  FillRate(health.dkim, out->mutable_dkim_aligned_rate());
  FillRate(health.spf, out->mutable_spf_aligned_rate());
}

}  // namespace

v1::Source MakeSource(const SourceStatistics& source, const DomainStatistics& statistics,
                      const std::optional<SourceDecision>& decision) {
  v1::Source out;
  out.set_name(DomainChildResource(statistics.domain, kSources, source.id));
  out.set_display_name(DisplayName(source));
  out.set_state(decision ? ToMessage(decision->state) : v1::Source::STATE_PENDING);
  out.set_kind(ToMessage(source.kind));
  if (source.counts.messages > 0) out.set_kind_reason(KindReason(source));
  out.mutable_identity()->set_kind(IdentityKindOf(source.rule));
  // The domain itself where a selector of it decided.
  out.mutable_identity()->set_value(source.rule == Rule::kCatalogueSelector ? statistics.domain
                                                                            : source.value);
  if (source.service != nullptr) out.set_catalogue_id(std::string(source.service->id));
  const Advice advice = Advise(source, statistics.domain);
  out.set_proposed_spf_term(advice.spf_term);
  out.set_spf_needed(advice.spf_needed);
  FillStats(source, statistics.range, out.mutable_stats());
  if (decision) {
    v1::Decision* message = out.mutable_decision();
    message->set_state(ToMessage(decision->state));
    message->set_decided_by(decision->decided_by);
    *message->mutable_decide_time() = ToTimestamp(decision->decide_time);
    message->set_note(decision->note);
    message->set_evidence_etag(decision->evidence_etag);
    if (decision->authorization.kind != AuthorizationSpec::Kind::kUnspecified) {
      *message->mutable_authorization() = ToMessage(decision->authorization);
    }
  }
  if (source.counts.messages > 0) {
    *out.mutable_first_seen_date() = ToMessage(source.first_day);
    *out.mutable_last_seen_date() = ToMessage(source.last_day);
  }
  out.set_evidence_etag(EvidenceEtag(source, statistics));
  return out;
}

SourceStatistics SilentSource(std::string_view id, const Catalogue& catalogue) {
  SourceStatistics source;
  source.id = id;
  source.service = catalogue.FindById(id);
  if (source.service != nullptr) {
    source.rule = Rule::kCatalogueDkim;
    source.kind = SourceKind::kSender;
    if (!source.service->dkim_domains.empty()) source.value = source.service->dkim_domains.front();
    return source;
  }
  const std::pair<std::string_view, Rule> kPrefixes[] = {{"own-", Rule::kOwnDkim},
                                                         {"dkim-", Rule::kOtherDkim},
                                                         {"spf-", Rule::kOtherEnvelope},
                                                         {"ip-", Rule::kAddress}};
  for (const auto& [prefix, rule] : kPrefixes) {
    if (!id.starts_with(prefix)) continue;
    source.rule = rule;
    source.value = id.substr(prefix.size());
    if (rule == Rule::kOwnDkim) source.kind = SourceKind::kInternal;
  }
  if (id == kOverflowSourceId) source.rule = Rule::kOverflow;
  return source;
}

Declarations DeclarationsOf(const NetworkBook* network, std::string_view domain,
                            const Catalogue& catalogue) {
  Declarations out;
  if (network == nullptr) return out;
  const auto facts = network->DeclaredOf(domain);
  if (!facts) return out;
  for (DeclaredSource& source : DeclaredBy(*facts, domain, catalogue)) {
    out[source.id] = std::move(source.declarations);
  }
  return out;
}

std::vector<Declaration> DeclarationsOf(const NetworkBook* network, std::string_view domain,
                                        const Catalogue& catalogue, std::string_view id) {
  Declarations all = DeclarationsOf(network, domain, catalogue);
  const auto found = all.find(id);
  return found == all.end() ? std::vector<Declaration>() : std::move(found->second);
}

void Declare(const std::vector<Declaration>& declarations, const SourceStatistics& source,
             std::string_view domain, v1::Source* out) {
  if (declarations.empty()) return;
  for (const Declaration& declaration : declarations) {
    v1::SourceDeclaration* message = out->add_declarations();
    message->set_kind(static_cast<v1::SourceDeclaration::Kind>(
        static_cast<int>(declaration.kind) + v1::SourceDeclaration::KIND_SPF_TERM));
    message->set_value(ToValidUtf8(declaration.value));
  }
  if (source.counts.messages > 0) return;
  out->set_kind_reason(fmt::format("no mail in these days; {}",
                                   DeclaredEvidence(declarations, source).front().claim));
  out->set_spf_needed(AdviseDeclared(declarations, source, domain).spf_needed);
}
static_assert(static_cast<int>(DeclarationKind::kMx) + v1::SourceDeclaration::KIND_SPF_TERM ==
              v1::SourceDeclaration::KIND_MX);

v1::SourceChange MakeSourceChange(const SourceChange& change, std::string_view domain) {
  v1::SourceChange out;
  out.set_name(DomainChildResource(domain, kSources, change.id));
  out.set_kind(ToMessage(change.news));
  *out.mutable_before() = ToMessage(change.before);
  *out.mutable_after() = ToMessage(change.after);
  out.set_sentence(ToValidUtf8(change.sentence));
  return out;
}

v1::Authorization ToMessage(const AuthorizationSpec& spec) {
  v1::Authorization out;
  switch (spec.kind) {
    case AuthorizationSpec::Kind::kDkimOnly:
      out.mutable_dkim_only();
      break;
    case AuthorizationSpec::Kind::kSpfInclude:
      out.mutable_spf_include()->set_domain(spec.include_domain);
      break;
    case AuthorizationSpec::Kind::kSpfAddresses:
      for (const std::string& range : spec.ranges) {
        out.mutable_spf_addresses()->add_ranges(range);
      }
      break;
    case AuthorizationSpec::Kind::kAlreadyAuthorized:
      out.mutable_already_authorized();
      break;
    case AuthorizationSpec::Kind::kUnspecified:
      break;
  }
  return out;
}

}  // namespace dmarcate
