#include "policyd/reconcile/journal.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/numbers.h"

#include "lib/base/status_macros.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

constexpr int kDomainTries = 5;  // a person may edit the domain at the same time

constexpr std::string_view kLeftOut = "LEFT_OUT";  // detail: how many steps are not kept there

// Of a list that is full, one more from its middle goes: how it began and how it stands stay, and
// that something is missing is told where it is missing.
void LeaveOneOut(std::vector<StepRecord>& steps, absl::Time now) {
  const auto middle = steps.begin() + static_cast<ptrdiff_t>(steps.size() / 2);
  const auto mark = std::ranges::find(steps, kLeftOut, &StepRecord::step);
  if (mark == steps.end()) {
    // Two go, and the mark comes in their place.
    steps.erase(middle);
    *middle = {std::string(kLeftOut), "2 steps", now};
    return;
  }
  int64_t count = 0;
  if (!absl::SimpleAtoi(mark->detail.substr(0, mark->detail.find(' ')), &count)) count = 0;
  mark->detail = fmt::format("{} steps", count + 1);
  mark->time = now;
  steps.erase(mark + 1);
}

}  // namespace

void Journal::Step(std::string_view name, std::string_view detail) {
  std::vector<StepRecord>& steps = change_.steps;
  if (!steps.empty() && steps.back().step == name && steps.back().detail == detail) {
    steps.back().time = clock_.Now();
    return;
  }
  if (steps.size() >= kMaxSteps) LeaveOneOut(steps, clock_.Now());
  steps.push_back({std::string(name), std::string(detail), clock_.Now()});
}

bool Journal::HasStep(std::string_view name, std::string_view detail) const {
  return std::ranges::any_of(change_.steps, [&](const StepRecord& step) {
    return step.step == name && step.detail == detail;
  });
}

absl::Status Journal::Explain(const absl::Status& status) const {
  const std::string context = fmt::format("change {}", change_.id);
  if (status.code() != absl::StatusCode::kAborted) return Annotate(status, context);
  return MakeReasonedError(absl::StatusCode::kAborted, "LEASE_LOST",
                           fmt::format("{}: {}", context, MessageOf(status)));
}

absl::Status Journal::Save() {
  absl::StatusOr<ChangeRecord> saved = store_.PutChange(change_);
  if (!saved.ok()) return Explain(saved.status());
  change_ = *std::move(saved);
  return absl::OkStatus();
}

absl::Status Journal::SaveWithTerms(const std::vector<ManagedTerm>& managed_terms) {
  for (int attempt = 1;; ++attempt) {
    absl::StatusOr<DomainRecord> domain = store_.GetDomain(change_.domain);
    if (!domain.ok()) return Explain(domain.status());
    domain->managed_terms = managed_terms;
    domain->update_time = clock_.Now();
    const absl::Status saved = store_.PutChangeAndDomain(change_, *domain);
    if (!saved.ok() && (saved.code() != absl::StatusCode::kAborted || attempt == kDomainTries)) {
      return Explain(saved);
    }
    if (!saved.ok()) continue;
    absl::StatusOr<ChangeRecord> change = store_.GetChange(change_.domain, change_.id);
    if (!change.ok()) return Explain(change.status());
    change_ = *std::move(change);
    return absl::OkStatus();
  }
}

}  // namespace dmarcate
