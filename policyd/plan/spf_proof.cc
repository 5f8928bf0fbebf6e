#include "policyd/plan/spf_proof.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "policyd/plan/guard.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxNetworksShown = 20;

// The terms of `one` that `other` does not have, as a record of their own: it is not neutral about
// exactly those addresses that one of them speaks about.
SpfNode Differing(const SpfNode& one, const SpfNode& other) {
  std::multiset<std::string> there;
  for (const SpfNode& term : other.children) there.insert(term.term);
  SpfNode out;
  for (const SpfNode& term : one.children) {
    if (const auto found = there.find(term.term); found != there.end()) {
      there.erase(found);
    } else {
      out.children.push_back(term);
    }
  }
  return out;
}

std::string Show(const IpRangeSet& set) {
  std::vector<std::string> texts;
  const std::vector<IpNetwork> networks = set.ToNetworks();
  for (const IpNetwork& network : networks) {
    if (texts.size() == kMaxNetworksShown) {
      texts.push_back(fmt::format("and {} more", networks.size() - kMaxNetworksShown));
      break;
    }
    texts.push_back(network.ToString());
  }
  return Join(texts, " ");
}

}  // namespace

SpfProof ProveSpf(const SpfProofInput& input) {
  const SpfNode gone = Differing(*input.before, *input.intended);
  const SpfNode come = Differing(*input.intended, *input.before);
  enum : size_t { kBefore, kIntended, kAfter, kGone, kCome, kBetween };
  std::vector<SpfSubject> subjects = {{input.before, input.domain},
                                      {input.intended, input.domain},
                                      {input.after, input.domain},
                                      {&gone, input.domain},
                                      {&come, input.domain}};
  for (const SpfNode* record : input.between) subjects.push_back({record, input.domain});

  SpfOutcomes outcomes;
  const auto pass = outcomes.Leaf(SpfResult::kPass);
  const auto silent = outcomes.Leaf(SpfResult::kNeutral);
  SpfProof proof;
  std::vector<IpRange> gained;
  std::vector<IpRange> lost;
  const auto fail = [&](const SpfSpan& span, std::string why) {
    if (!proof.failure.empty()) return;
    proof.failure =
        fmt::format("{} to {}: {}", span.first.ToString(), span.last.ToString(), std::move(why));
  };
  for (const SpfSpan& span : CompareSpf(subjects, outcomes)) {
    ++proof.intervals;
    const auto before = span.outcomes[kBefore];
    const auto after = span.outcomes[kAfter];
    if (after != span.outcomes[kIntended]) {
      fail(span, fmt::format("flattened {}, not flattened {}", outcomes.ToText(after),
                             outcomes.ToText(span.outcomes[kIntended])));
    }
    if (before != after && span.outcomes[kGone] == silent && span.outcomes[kCome] == silent) {
      fail(span, fmt::format("{} before, {} after, and no term that comes or goes is about it",
                             outcomes.ToText(before), outcomes.ToText(after)));
    }
    for (size_t i = kBetween; i < span.outcomes.size(); ++i) {
      if (span.outcomes[i] == before || span.outcomes[i] == after) continue;
      fail(span,
           fmt::format("{} after write {} of {}, {} before and {} at the end",
                       outcomes.ToText(span.outcomes[i]), i - kBetween + 1,
                       input.between.size() + 1, outcomes.ToText(before), outcomes.ToText(after)));
    }
    if (outcomes.overflowed()) break;
    if (before != pass && after == pass) gained.push_back({span.first, span.last});
    if (before == pass && after != pass) lost.push_back({span.first, span.last});
  }
  if (outcomes.overflowed()) {  // then what seemed equal may not be
    proof.failure = "what the records ask besides the address is too much to compare";
  }
  for (size_t i = 0; i < input.between.size() && proof.failure.empty(); ++i) {
    const int lookups = input.between[i]->lookup_cost;
    if (lookups <= std::max(kMaxSpfLookups, input.before->lookup_cost)) continue;
    proof.failure = fmt::format("{} look-ups after write {} of {}, limit {}", lookups, i + 1,
                                input.between.size() + 1, kMaxSpfLookups);
  }
  proof.gained = IpRangeSet::Of(std::move(gained));
  proof.lost = IpRangeSet::Of(std::move(lost));
  proof.holds = proof.failure.empty();
  return proof;
}

GuardRecord GuardSpfProof(const SpfProof& proof) {
  if (!proof.holds) {
    return Refuse(guard_code::kSpfFlattenProof,
                  fmt::format("the flattened record does not mean the same: {}", proof.failure),
                  {{"failure", proof.failure}});
  }
  const size_t gained = proof.gained.ToNetworks().size();
  const size_t lost = proof.lost.ToNetworks().size();
  return Pass(
      guard_code::kSpfFlattenProof,
      fmt::format("proved in {} intervals of IPv4 and IPv6: flattening changes no result; "
                  "{} networks begin to pass, {} no longer do, all by terms that come or go",
                  proof.intervals, gained, lost),
      {{"intervals", std::to_string(proof.intervals)},
       {"gained", Show(proof.gained)},
       {"lost", Show(proof.lost)}});
}

}  // namespace dmarcate
