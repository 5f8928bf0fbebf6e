#include "policyd/service/policy_simulation.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/analysis/attribution.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

absl::StatusOr<std::optional<DmarcPolicy>> ReadPolicy(v1::PolicyKind kind, std::string_view field) {
  switch (kind) {
    case v1::POLICY_KIND_UNSPECIFIED:
      return std::optional<DmarcPolicy>();
    case v1::POLICY_KIND_NONE:
      return std::optional(DmarcPolicy::kNone);
    case v1::POLICY_KIND_QUARANTINE:
      return std::optional(DmarcPolicy::kQuarantine);
    case v1::POLICY_KIND_REJECT:
      return std::optional(DmarcPolicy::kReject);
    default:
      return FieldError(field, "unknown policy");
  }
}

absl::StatusOr<Treatment> ReadTreatment(v1::SourceTreatment::Kind kind) {
  switch (kind) {
    case v1::SourceTreatment::KIND_SPF_AUTHORIZED:
      return Treatment::kSpfAuthorized;
    case v1::SourceTreatment::KIND_SIGNED:
      return Treatment::kSigned;
    case v1::SourceTreatment::KIND_SPF_WITHDRAWN:
      return Treatment::kSpfWithdrawn;
    case v1::SourceTreatment::KIND_UNSPECIFIED:
      return FieldRequired("treatments.kind");
    default:
      return FieldError("treatments.kind", "unknown");
  }
}

void Fill(const WhatIfCounts& counts, v1::SimulationCounts* out) {
  out->set_message_count(counts.messages);
  out->set_passed_count(counts.passed);
  out->set_quarantined_then_count(counts.quarantined_then);
  out->set_rejected_then_count(counts.rejected_then);
  out->set_would_pass_count(counts.would_pass);
  out->set_quarantine_count(counts.quarantined);
  out->set_reject_count(counts.rejected);
  out->set_newly_refused_count(counts.newly_refused);
  out->set_newly_delivered_count(counts.newly_delivered);
  out->set_excused_count(counts.excused);
  out->set_assumed_count(counts.assumed);
}

template <typename Slices>
void Fill(const std::array<WhatIfCounts, kTrustClasses>& by_trust, Slices* out) {
  for (size_t trust = 0; trust < kTrustClasses; ++trust) {
    if (by_trust[trust].messages == 0) continue;
    v1::SimulationTrustSlice* slice = out->Add();
    slice->set_trust(ToMessage(static_cast<TrustClass>(trust)));
    Fill(by_trust[trust], slice->mutable_counts());
  }
}

// The number of rows that found no room.
template <typename Rows>
int32_t Fill(const std::vector<WhatIfRow>& rows, size_t limit, Rows* out) {
  for (size_t i = 0; i < std::min(limit, rows.size()); ++i) {
    v1::SimulationRow* row = out->Add();
    row->set_key(rows[i].key);
    Fill(rows[i].counts, row->mutable_counts());
    Fill(rows[i].by_trust, row->mutable_trust());
  }
  return static_cast<int32_t>(rows.size() - std::min(limit, rows.size()));
}

}  // namespace

absl::StatusOr<WhatIf> ReadWhatIf(const v1::SimulatePolicyRequest& in, std::string_view domain) {
  WhatIf out;
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<DmarcPolicy> p, ReadPolicy(in.p(), "p"));
  if (!p) return FieldRequired("p");
  out.policy.p = *p;
  DMARCATE_ASSIGN_OR_RETURN(out.policy.sp, ReadPolicy(in.sp(), "sp"));
  DMARCATE_ASSIGN_OR_RETURN(out.policy.np, ReadPolicy(in.np(), "np"));
  out.policy.testing = in.testing();
  if (in.strict_dkim()) out.policy.adkim = DmarcAlignmentMode::kStrict;
  if (in.strict_spf()) out.policy.aspf = DmarcAlignmentMode::kStrict;
  if (in.treatments_size() > kMaxTreatments) {
    return FieldError("treatments", fmt::format("more than {}", kMaxTreatments));
  }
  for (const v1::SourceTreatment& treatment : in.treatments()) {
    if (treatment.source().empty()) return FieldRequired("treatments.source");
    DMARCATE_ASSIGN_OR_RETURN(const Treatment kind, ReadTreatment(treatment.kind()));
    if (!out.treatments.emplace(treatment.source(), kind).second) {
      return FieldError("treatments", fmt::format("{} occurs twice", treatment.source()));
    }
  }
  if (in.missing_names_size() > kMaxMissingNames) {
    return FieldError("missing_names", fmt::format("more than {}", kMaxMissingNames));
  }
  for (const std::string& text : in.missing_names()) {
    const auto name = DomainName::Parse(text);
    if (!name.ok()) return FieldError("missing_names", MessageOf(name.status()));
    if (name->text() == domain || !IsAtOrBelow(name->text(), domain)) {
      return FieldError("missing_names",
                        fmt::format("{} does not lie below {}", name->text(), domain));
    }
    out.missing_names.emplace(name->text());
  }
  return out;
}

absl::Status PolicySimulation::Run(const Call& call, const v1::SimulatePolicyRequest& in,
                                   v1::SimulatePolicyResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.parent(), "parent"));
  DMARCATE_ASSIGN_OR_RETURN(const DayRange range, ReadRange(in.date_range(), parts_.clock));
  DMARCATE_ASSIGN_OR_RETURN(const WhatIf what_if, ReadWhatIf(in, domain));
  if (in.row_limit() < 0 || in.row_limit() > kMaxSimulationRows) {
    return FieldError("row_limit", fmt::format("want 0 to {}", kMaxSimulationRows));
  }
  const int limit = in.row_limit() == 0 ? kDefaultSimulationRows : in.row_limit();
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, domain).status());
  std::optional<WhatIfPage> page;
  DMARCATE_RETURN_IF_ERROR(parts_.analysis
                               .WithRows(call, domain, range,
                                         [&](const RowDays& rows) {
                                           page =
                                               SumWhatIf(rows, what_if, static_cast<size_t>(limit));
                                         })
                               .status());
  if (!page) {
    DMARCATE_ASSIGN_OR_RETURN(page, CountRows(call, domain, range, what_if));
  }
  const WhatIfResult& result = page->result;
  Fill(result.total, out->mutable_total());
  Fill(result.by_trust, out->mutable_trust());
  out->set_sources_left_out(
      static_cast<int32_t>(page->sources_left_out) +
      Fill(result.sources, static_cast<size_t>(limit), out->mutable_sources()));
  out->set_reporters_left_out(
      static_cast<int32_t>(page->reporters_left_out) +
      Fill(result.reporters, static_cast<size_t>(limit), out->mutable_reporters()));
  out->set_expired_message_count(page->expired.messages);
  return absl::OkStatus();
}

absl::StatusOr<WhatIfPage> PolicySimulation::CountRows(const Call& call, const std::string& domain,
                                                       const DayRange& range,
                                                       const WhatIf& what_if) {
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  const std::unique_lock lock(mutex_, absl::ToChronoTime(call.deadline()));
  if (!lock.owns_lock() || call.cancelled()) return Cancelled();
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<DayTotals> expired,
                            reader->ReadExpiredTotals(domain, range.first, range.last));
  DMARCATE_ASSIGN_OR_RETURN(const SourceGroupings grouped, parts_.analysis.Groupings(domain));
  const Regrouping regrouping(grouped.rules);
  const NetworkView network = parts_.analysis.network();
  const CatalogueView services = parts_.analysis.services();
  WhatIfBuilder builder(domain, range, *services.catalogue, suffixes_, what_if,
                        network.evidence.get(), &regrouping);
  DMARCATE_RETURN_IF_ERROR(
      reader->ForEachReport(domain, range.first, range.last, [&](const StoredReport& report) {
        if (!call.cancelled()) builder.Add(report);
        return !call.cancelled();
      }));
  if (call.cancelled()) return Cancelled();
  WhatIfPage page{.result = builder.Finish()};
  for (const DayTotals& day : expired) page.expired.Add(ToCounts(day));
  return page;
}

}  // namespace dmarcate
