// policyd/watch/insight_look.h
// What a person should know about one domain, out of what the watch has seen at its names. Pure:
// the last looks are judged by what judges the live DNS (lib/inspect) and compared as drift is;
// here it is only selected and made one list. docs/insights.md has the codes.
//
// What was not learned is part of the answer: an insight of before may be gone only where a look
// could have found it.

#ifndef DMARCATE_POLICYD_WATCH_INSIGHT_LOOK_H_
#define DMARCATE_POLICYD_WATCH_INSIGHT_LOOK_H_

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/mailauth/domain_name.h"
#include "lib/store/observation_store.h"
#include "lib/store/policy_store.h"
#include "policyd/watch/drift.h"
#include "policyd/watch/insight_finding.h"
#include "policyd/watch/remembered.h"

namespace dmarcate {

struct InsightLook {
  std::vector<InsightFinding> found;  // by id, each once
  std::set<std::string> scopes;       // that were judged
  std::set<std::string> learned;      // of these, all that can be known is
  // The look is at reports (report_look.h) or at rollouts (rollout_look.h), and says nothing of
  // records; or the other way round.
  bool of_reports = false;
  bool includes_known = false;   // all names that the SPF record leads to are among `scopes`
  bool selectors_known = false;  // all selectors in use are
  bool reports_known = false;    // all names by which report hosts agree are
  int findings_left_out = 0;     // of an SPF tree, over its limit
  // Owner names, sorted: where not all could be learned, or what the last change left is not known.
  std::vector<std::string> unknown_names;
  std::vector<ObservedName> missing;  // looks at these would tell more
};

// Whether a look would have found what belongs to `scope`, had it been there.
bool IsLearned(const InsightLook& look, std::string_view scope);

// What the watch knows about one domain, name by name.
class DomainSight {
 public:
  // `changes` of the domain, newest first. `name`: that of `domain`.
  DomainSight(DomainRecord domain, DomainName name, const std::vector<ChangeRecord>& changes,
              absl::Time now);

  // `history` newest first, as it is after the last look; each name once.
  void Add(const ObservedName& name, const std::vector<Observation>& history);
  // Those that reports name. `complete`: there are no others, and all were looked at.
  void SetSelectors(std::vector<std::string> selectors, bool complete);

  InsightLook Judge() const;

 private:
  // The last look at a name.
  struct Sight {
    bool fresh = false;  // within kRememberedFor
    ObservedOutcome outcome = ObservedOutcome::kServfail;
    bool whole = true;  // all values were kept
    bool alias = false;
    absl::Time since;  // first found so

    bool Learned() const { return fresh && whole && IsAnswer(outcome); }
  };

  bool IsIncluded(const ObservedName& name) const;
  // A child record of ours (policyd/plan/spf_children.h): it drifts as other records of ours do.
  bool IsOwnChild(const ObservedName& name) const;
  // What was seen last at the name; null: nobody looked.
  const Sight* SightOf(const ObservedName& name) const;
  void AddDrift(const ObservedName& name, const std::vector<Observation>& history);
  // Parts of Judge().
  void JudgeSpf(InsightLook& look) const;
  void JudgeFlattened(InsightLook& look) const;
  void JudgeDmarc(InsightLook& look) const;
  void JudgeKeys(InsightLook& look) const;
  void JudgeDnssec(InsightLook& look) const;
  void TellDrift(InsightLook& look) const;
  void Select(const std::vector<LintFinding>& findings, const ObservedName& name,
              InsightLook& look) const;

  const DomainRecord domain_;
  const DomainName name_;
  const std::vector<AppliedRecord> applied_;
  const absl::Time now_;
  RememberedAnswers answers_;
  std::map<ObservedName, Sight> sights_;
  std::vector<Drift> drift_;
  std::set<std::string> scopes_, learned_;  // of drift and included names
  std::set<std::string> outcome_unknown_;   // owner names: of the last change there
  std::vector<std::string> selectors_;
  bool selectors_complete_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_INSIGHT_LOOK_H_
