// policyd/evidence/spf_breakage.h
// What the watch has seen broken in a domain's SPF record: the record itself, or a name that it
// includes. Pure.

#ifndef DMARCATE_POLICYD_EVIDENCE_SPF_BREAKAGE_H_
#define DMARCATE_POLICYD_EVIDENCE_SPF_BREAKAGE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "lib/store/observation_store.h"
#include "policyd/evidence/report_evidence.h"
#include "policyd/rollout/evidence.h"

namespace dmarcate {

// Targets of include and redirect that stand in the record itself and have no macros, by the newest
// look at it; `history` newest first.
std::vector<std::string> SpfTargetsOf(const std::vector<Observation>& history);

// Broken is what was one good record in an earlier look, and is none by the word of the
// authoritative servers now. `histories`: of the domain's own SPF record and of what SpfTargetsOf()
// names, by owner, newest first. `sources`: approved ones; it is carried if each of them passes
// without SPF. `interval`: between two looks.
std::optional<Breakage> FindSpfBreakage(
    const std::string& domain, const std::vector<SourceSelectors>& sources,
    const std::map<std::string, std::vector<Observation>>& histories, absl::Duration interval,
    absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_EVIDENCE_SPF_BREAKAGE_H_
