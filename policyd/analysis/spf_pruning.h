// policyd/analysis/spf_pruning.h
// Which terms of a domain's SPF record could go, as far as reports can tell, and why. Proposals for
// a person: nothing takes a term out by itself. Pure.
//
// A term is proposed only where silence says something: ANCHORED reports over a long window without
// a hole, of more than one receiver, over month and quarter ends, with enough mail that did pass.
// No report shows that a term is never needed: who sends once a year is not seen in 100 days. So a
// term of an approved source is never proposed, however long it carries nothing (safety.md R16): a
// person rejects the source first.
//
// Lies help nobody: reports of the other classes can only keep a term, and what one anchor alone
// says, or leaves out, proposes none.

#ifndef DMARCATE_POLICYD_ANALYSIS_SPF_PRUNING_H_
#define DMARCATE_POLICYD_ANALYSIS_SPF_PRUNING_H_

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/policy_store.h"
#include "policyd/analysis/spf_traffic.h"

namespace dmarcate {

inline constexpr int32_t kPruneWindowDays = 100;  // holds three month ends and a quarter end
inline constexpr int32_t kPruneLeastDays = 90;    // shorter ones propose nothing
inline constexpr int32_t kPruneMonthEnds = 3;
inline constexpr size_t kPruneAnchors = 2;
inline constexpr int32_t kPruneLongestHole = 7;           // days without any ANCHORED report
inline constexpr int32_t kPruneLongestHoleOfOthers = 14;  // without the anchor that reports most
// With 95 % confidence at most so much of the mail that passes comes through a term that none of it
// came through: the promise about losses (DESIGN 13.9). Without the anchor that reports most of it,
// which may lie.
inline constexpr double kPruneShare = 0.01;
inline constexpr double kPruneConfidence = 0.95;

enum class TermVerdict : uint8_t {
  kUsed = 1,
  kUnused = 2,     // a proposal
  kAdvised = 3,    // of an approved source
  kOpen = 4,       // nothing was seen, and that says too little
  kNotJudged = 5,  // no list of addresses that are let through
};
std::string_view ToString(TermVerdict verdict);  // "unused"

// An approved source and what SPF has to say for it.
struct SpfClaim {
  std::string source_id;
  AuthorizationSpec::Kind kind = AuthorizationSpec::Kind::kUnspecified;
  std::vector<std::string> terms;
};

struct PruningInput {
  const SpfTree& tree;        // of the record, flattened terms in their places
  const SpfTraffic& traffic;  // over that tree
  const Catalogue& catalogue;
  std::vector<SpfClaim> approved;
  std::vector<ManagedTerm> managed;        // of that record
  std::set<std::string> lead_to_ours;      // terms that do, by their text
  const Regrouping* regrouping = nullptr;  // that of `traffic`
};

struct TermReview {
  std::string term;
  TermVerdict verdict = TermVerdict::kNotJudged;
  std::string reason;                // for people; a clause with the numbers
  std::vector<std::string> sources;  // whom it is for, or whose mail came through it, most first
  bool managed = false;
  int lookup_cost = 0;
};

struct PruningReview {
  std::vector<TermReview> terms;     // in the order of the record
  std::vector<std::string> missing;  // what evidence lacks for a proposal; empty: nothing
  int32_t covered_days = 0, month_ends = 0;
};
PruningReview ReviewSpfTerms(const PruningInput& input);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_SPF_PRUNING_H_
