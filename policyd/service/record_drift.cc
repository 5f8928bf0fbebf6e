#include "policyd/service/record_drift.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/view/posture_view.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/record_history.h"
#include "policyd/watch/drift.h"
#include "policyd/watch/history.h"
#include "policyd/watch/look.h"
#include "policyd/watch/names.h"
#include "policyd/watch/remembered.h"

namespace dmarcate {
namespace {

// Changes older than these are not searched for what was last applied.
constexpr size_t kChangesAtOnce = 50;
constexpr size_t kMostChanges = 500;
constexpr size_t kMostIncludedNames = 100;
// Of a text that somebody else publishes: with all names, far below what a client takes (4 MiB).
constexpr size_t kMostIncludedOctets = 2048;

void ToMessage(const std::string& domain, const Drift& drift, v1::RecordDrift* out) {
  out->set_code(drift.code);
  out->set_severity(dmarcate::ToMessage(drift.severity));
  out->set_type(ToMessage(drift.name.kind));
  out->set_owner_name(drift.name.owner);
  out->set_message(drift.message);
  out->set_expected(ToValidUtf8(drift.expected));
  out->set_live(ToValidUtf8(drift.live));
  *out->mutable_since_time() = ToTimestamp(drift.since);
  out->set_fix_hint(drift.fix_hint);
  if (!drift.change_id.empty()) {
    out->set_change(DomainChildResource(domain, kChanges, drift.change_id));
  }
  for (const auto& [key, text] : drift.metadata) (*out->mutable_metadata())[key] = text;
}

void CutText(std::string* text) {
  if (text->size() <= kMostIncludedOctets) return;
  text->resize(kMostIncludedOctets);
  *text += "...";
}

// The histories of a domain; those that do not decode are empty, and told.
class HistoryReader {
 public:
  HistoryReader(ObservationStore& observations, const DomainName& domain,
                v1::InspectRecordsResponse* out)
      : observations_(observations), domain_(domain), out_(out) {}

  absl::StatusOr<std::vector<Observation>> Read(const ObservedName& name) {
    auto history = observations_.GetHistory(domain_.text(), name);
    if (absl::IsDataLoss(history.status())) {
      LogError("record_history_unreadable",
               {{"domain", domain_.text()}, {"owner", name.owner}, {"error", history.status()}});
      Miss(name.owner);
      return std::vector<Observation>();
    }
    return history;
  }
  // What of the record there has drifted is not known.
  void Miss(const std::string& owner) {
    const auto& missed = out_->drift_unknown_names();
    if (std::ranges::find(missed, owner) == missed.end()) out_->add_drift_unknown_names(owner);
  }

 private:
  ObservationStore& observations_;
  const DomainName& domain_;
  v1::InspectRecordsResponse* const out_;
};

}  // namespace

absl::StatusOr<std::vector<ChangeRecord>> NewestChanges(PolicyStore& policies,
                                                        const std::string& domain) {
  std::vector<ChangeRecord> out;
  while (out.size() < kMostChanges) {
    DMARCATE_ASSIGN_OR_RETURN(
        std::vector<ChangeRecord> batch,
        policies.ListChanges(domain, out.empty() ? "" : out.back().id, kChangesAtOnce));
    const bool last = batch.size() < kChangesAtOnce;
    std::ranges::move(batch, std::back_inserter(out));
    if (last) break;
  }
  return out;
}

absl::Status TellDrift(const ServiceParts& parts, ObservationStore& observations,
                       const DomainName& domain, const LiveViews& views, absl::Time looked,
                       v1::InspectRecordsResponse* out) {
  const auto record = parts.policies.GetDomain(domain.text());
  if (record.status().code() == absl::StatusCode::kNotFound) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(record.status());
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ChangeRecord> changes,
                            NewestChanges(parts.policies, domain.text()));
  const std::vector<AppliedRecord> applied = LastApplied(changes);
  HistoryReader histories(observations, domain, out);
  for (const std::string& owner : NothingExpectedAt(changes)) histories.Miss(owner);
  std::vector<Drift> found;
  std::vector<std::string> spf_values;
  for (const RecordView* view : {views.spf, views.dmarc}) {
    if (view == nullptr) continue;
    const ObservedName name{view->owner.text(),
                            view == views.spf ? RecordKind::kSpf : RecordKind::kDmarc};
    DMARCATE_ASSIGN_OR_RETURN(std::vector<Observation> history, histories.Read(name));
    // As if the watcher had looked now; nothing of it is kept.
    const HistoryUpdate update =
        Observe(history, ObserveView(*view, LatestAnswer(history), looked));
    history = Apply(std::move(history), update);
    if (const Observation* answer = LatestAnswer(history); answer != nullptr && view == views.spf) {
      spf_values = answer->values;
    }
    for (const AppliedRecord& one : applied) {
      if (one.record.owner_name != name.owner) continue;
      const Observation* last = LastLook(history);
      const bool whole = last != nullptr && last->values_sha256.empty();
      if (!CanTellDrift(history, looked) || !whole || !CanBeCompared(one)) {
        histories.Miss(name.owner);
      }
      std::ranges::move(FindDrift(*record, one, history, looked), std::back_inserter(found));
    }
  }
  absl::Status read;
  IncludedNames(domain, spf_values, kMostIncludedNames, [&](const DomainName& included) {
    const ObservedName name{included.text(), RecordKind::kSpf};
    const auto history = histories.Read(name);
    if (!history.ok()) {
      read = history.status();
      return std::vector<std::string>();
    }
    const Observation* last = LastLook(*history);
    const bool fresh = last != nullptr && looked - last->last_seen <= kRememberedFor;
    if (!fresh || !last->values_sha256.empty()) histories.Miss(name.owner);
    for (Drift& drift : FindIncludedDrift(domain, name, *history, looked)) {
      CutText(&drift.expected);
      CutText(&drift.live);
      found.push_back(std::move(drift));
    }
    const Observation* answer = LatestAnswer(*history);
    return answer == nullptr ? std::vector<std::string>() : answer->values;
  });
  DMARCATE_RETURN_IF_ERROR(read);
  for (const Drift& drift : found) ToMessage(domain.text(), drift, out->add_drift());
  return absl::OkStatus();
}

}  // namespace dmarcate
