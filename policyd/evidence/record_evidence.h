// policyd/evidence/record_evidence.h
// What a rollout is decided by, out of the live DNS and what the watch remembers of it. Pure.

#ifndef DMARCATE_POLICYD_EVIDENCE_RECORD_EVIDENCE_H_
#define DMARCATE_POLICYD_EVIDENCE_RECORD_EVIDENCE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "lib/inspect/posture.h"
#include "lib/mailauth/policy_ladder.h"
#include "lib/store/insight_store.h"
#include "lib/store/observation_store.h"
#include "policyd/evidence/report_evidence.h"
#include "policyd/rollout/evidence.h"

namespace dmarcate {

// `looked`: when the look began. The DMARC record is what every authoritative server that answered
// says; `looked` stays InfinitePast where none did, where they disagree, and where the SPF record
// could not be judged. `adopted`: when a person began or resumed the rollout on what was live then;
// drift that is older, or that a person has decided about, is told on and counts from that time.
RecordEvidence JudgeRecords(const SpfPosture& spf, const DmarcPosture& dmarc, absl::Time looked,
                            const std::vector<InsightRecord>& insights,
                            absl::Time adopted = absl::InfinitePast());
// Until when the record of somebody else that `drift` tells of was news.
absl::Time LastDriftOf(const InsightRecord& drift, absl::Time adopted);

// What the watch has seen broken for approved sources: selectors with which their mail passed and
// which answer NXDOMAIN, NODATA or with a revoked key, by the word of the authoritative servers.
// `histories`: of "<selector>._domainkey.<domain>", newest first. `interval`: between two looks.
std::vector<Breakage> FindBreakages(
    const std::string& domain, const std::vector<SourceSelectors>& sources,
    const std::map<std::string, std::vector<Observation>>& histories, absl::Duration interval,
    absl::Time now);

// When the policy changed, by the history of _dmarc.<domain>, newest first.
std::vector<PolicyChange> PolicyChangesOf(const std::vector<Observation>& history);
// Since when the record has stood on `stage`, by the same history; `now`: not known.
absl::Time StageSinceOf(const std::vector<Observation>& history, PolicyScope scope,
                        PolicyStage stage, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_EVIDENCE_RECORD_EVIDENCE_H_
