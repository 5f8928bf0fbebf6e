#include "policyd/plan/spf_choice.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/plan/spf_carrier.h"

namespace dmarcate {
namespace {

// What is wider is not the senders of one service.
constexpr int kWidestIpv4 = 8;
constexpr int kWidestIpv6 = 16;
// Sets of terms that are looked at. Beyond it the best so far is taken.
constexpr int kMaxSetsTried = 5000;
// Of these, how many that do not mean the same in one place are passed over.
constexpr size_t kMaxSetsRefused = 20;

struct Candidate {
  FlattenedTerm term;
  IpRangeSet passing;
  bool already = false;
};

const ManagedTerm* FlattenedBefore(const SpfChoiceRequest& request, std::string_view term) {
  const auto found = std::ranges::find_if(
      request.managed, [&](const ManagedTerm& one) { return one.flattened && one.term == term; });
  return found == request.managed.end() ? nullptr : &*found;
}

bool MustNot(const SpfNode& node, const std::set<std::string>& never) {
  if (node.kind == SpfKind::kInclude || node.kind == SpfKind::kRedirect) {
    const absl::StatusOr<DomainName> name = DomainName::Parse(node.target);
    if (name.ok() && never.contains(name->text())) return true;
  }
  return std::ranges::any_of(node.children,
                             [&](const SpfNode& child) { return MustNot(child, never); });
}

bool AsksForAddresses(const SpfNode& node) {
  if (node.reached && (node.kind == SpfKind::kA || node.kind == SpfKind::kMx)) return true;
  return std::ranges::any_of(node.children, AsksForAddresses);
}

// Why the term cannot be replaced by addresses; empty if it can.
std::string WhyNot(const SpfNode& node, const SpfPassSet& set, const SpfCompileOptions& options) {
  if (MustNot(node, options.never_flatten)) return "its operator asks not to";
  if (set.depends) return "depends on more than the address (macros, ptr, exists)";
  if (!options.addresses_followed && AsksForAddresses(node)) {
    return "has a or mx in it, and nobody follows what addresses names have";
  }
  if (set.fails || !node.error.empty()) return "ends in an error";
  if (set.passing.empty()) return "lets nothing through now";
  for (const IpNetwork& network : set.passing.ToNetworks()) {
    const int widest = network.address.is_v4() ? kWidestIpv4 : kWidestIpv6;
    if (network.prefix_length < widest) {
      return fmt::format("lets {} through, which is too wide", network.ToString());
    }
  }
  return "";
}

class Chooser {
 public:
  explicit Chooser(const SpfChoiceRequest& request) : request_(request) {}

  SpfChoice Choose() {
    const int limit = request_.options.max_lookups;
    if (request_.options.flatten == FlattenMode::kNever || request_.intended.has_loop) return {};
    const bool flattened = std::ranges::any_of(request_.managed, &ManagedTerm::flattened);
    if (!flattened && request_.intended.lookup_count <= limit) return {};
    Gather();
    std::vector<size_t> set = forced_;
    if (set.empty() && request_.intended.lookup_count <= limit) return {};
    if (!set.empty() && LookupsWith(AddressesOf(set), set) <= limit && Carry(set)) {
      return Take(set);
    }
    std::vector<size_t> others;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      if (std::ranges::find(forced_, i) == forced_.end()) others.push_back(i);
    }
    for (size_t more = 1; more <= others.size(); ++more) {
      while (refused_.size() < kMaxSetsRefused) {
        best_.reset();
        Try(others, 0, more, set);
        if (!best_.has_value()) break;
        if (Carry(best_->set)) return Take(best_->set);
        refused_.insert(best_->set);
      }
    }
    SpfChoice none;
    none.kept = std::move(kept_);
    if (!why_not_carried_.empty()) {
      none.kept.push_back(why_not_carried_);
    } else if (!candidates_.empty()) {
      none.kept.push_back(
          fmt::format("all that can be flattened would still leave more than {} look-ups", limit));
    }
    return none;
  }

 private:
  struct Best {
    std::vector<size_t> set;
    int already = 0;
    int64_t saved = 0, networks = 1;
  };

  void Gather() {
    for (const SpfNode& node : request_.intended.root.children) {
      const auto own = std::ranges::find(request_.own, node.term, &ManagedTerm::term);
      const bool repeated = std::ranges::any_of(candidates_, [&](const Candidate& candidate) {
        return candidate.term.term == node.term;
      });
      if (own == request_.own.end() || repeated || !node.reached) continue;
      Candidate candidate;
      candidate.term.term = node.term;
      candidate.term.source_id = own->source_id;
      candidate.term.lookup_cost = node.lookup_cost;
      const ManagedTerm* before = FlattenedBefore(request_, node.term);
      candidate.already = before != nullptr;
      if (before != nullptr) candidate.term.networks_before = before->networks;
      const SpfPassSet set = PassSetOfTerm(node, request_.domain.text());
      if (before != nullptr && !IsAddressesOnly(node, set)) {
        candidate.term.remembered = true;
        candidate.term.networks = before->networks;
        candidate.passing = IpRangeSet(ParseNetworks(before->networks));
        forced_.push_back(candidates_.size());
        candidates_.push_back(std::move(candidate));
        continue;
      }
      if (node.lookup_cost == 0) continue;
      if (!node.complete) {
        kept_.push_back(fmt::format("{}: could not be read whole", node.term));
        continue;
      }
      if (std::string why = WhyNot(node, set, request_.options); !why.empty()) {
        kept_.push_back(fmt::format("{}: {}", node.term, why));
        continue;
      }
      candidate.passing = set.passing;
      for (const IpNetwork& network : set.passing.ToNetworks()) {
        candidate.term.networks.push_back(network.ToString());
      }
      candidates_.push_back(std::move(candidate));
    }
  }

  IpRangeSet AddressesOf(const std::vector<size_t>& set) const {
    std::vector<IpRange> ranges;
    for (const size_t i : set) {
      const std::vector<IpRange>& more = candidates_[i].passing.ranges();
      ranges.insert(ranges.end(), more.begin(), more.end());
    }
    return IpRangeSet::Of(std::move(ranges));
  }

  // Whether one carrier can stand for them all, within the limit; then carried_ is what it lets
  // through.
  bool Carry(const std::vector<size_t>& set) {
    std::vector<FlattenedTerm> terms;
    for (const size_t i : set) terms.push_back(candidates_[i].term);
    CarriedSet carried = CarriedBy(request_.intended, terms);
    if (carried.why_not.empty() && carried.passing.empty()) {
      carried.why_not = "what others wrote before them leaves nothing for them to let through";
    } else if (carried.why_not.empty() &&
               LookupsWith(carried.passing, set) > request_.options.max_lookups) {
      carried.why_not = "what others wrote between them cuts their networks into too many";
    }
    carried_ = std::move(carried.passing);
    if (!carried.why_not.empty()) why_not_carried_ = carried.why_not;
    return carried.why_not.empty();
  }

  // `addresses`: what the children let through for the terms of `set`.
  int LookupsWith(const IpRangeSet& addresses, const std::vector<size_t>& set) const {
    int lookups = request_.intended.lookup_count;
    for (const size_t i : set) lookups -= candidates_[i].term.lookup_cost;
    if (lookups >= request_.options.max_lookups) return request_.options.max_lookups + 1;
    const absl::StatusOr<std::vector<SpfChild>> laid =
        LayOutChain({request_.domain, addresses, request_.chain, request_.taken,
                     request_.options.child_octets});
    if (!laid.ok()) return request_.options.max_lookups + 1;
    return lookups + static_cast<int>(laid->size());
  }

  void Try(const std::vector<size_t>& others, size_t from, size_t more, std::vector<size_t>& set) {
    if (more == 0) {
      if (refused_.contains(set) || ++tried_ > kMaxSetsTried) return;
      const IpRangeSet addresses = AddressesOf(set);
      if (LookupsWith(addresses, set) > request_.options.max_lookups) return;
      Best now;
      now.set = set;
      for (const size_t i : set) {
        now.already += candidates_[i].already ? 1 : 0;
        now.saved += candidates_[i].term.lookup_cost;
      }
      now.networks = static_cast<int64_t>(addresses.ToNetworks().size());
      if (!best_.has_value() || IsBetter(now, *best_)) best_ = std::move(now);
      return;
    }
    for (size_t i = from; i + more <= others.size() && tried_ <= kMaxSetsTried; ++i) {
      set.push_back(others[i]);
      Try(others, i + 1, more - 1, set);
      set.pop_back();
    }
  }

  static bool IsBetter(const Best& a, const Best& b) {
    if (a.already != b.already) return a.already > b.already;
    return a.saved * b.networks > b.saved * a.networks;
  }

  SpfChoice Take(std::vector<size_t> set) {
    std::ranges::sort(set);
    SpfChoice choice;
    choice.kept = std::move(kept_);
    choice.carried = std::move(carried_);
    for (const size_t i : set) choice.flattened.push_back(std::move(candidates_[i].term));
    return choice;
  }

  const SpfChoiceRequest& request_;
  std::vector<Candidate> candidates_;  // in the order of the record
  std::vector<size_t> forced_;         // stay flattened whatever the count is
  std::vector<std::string> kept_;
  std::set<std::vector<size_t>> refused_;  // they do not mean the same in one place
  std::string why_not_carried_;            // the last of these
  IpRangeSet carried_;
  std::optional<Best> best_;
  int tried_ = 0;
};

}  // namespace

SpfChoice ChooseFlattened(const SpfChoiceRequest& request) { return Chooser(request).Choose(); }

SpfPassSet PassSetOfTerm(const SpfNode& term, const std::string& domain) {
  SpfNode record;
  record.children.push_back(term);
  return PassSetOf(record, domain);
}

bool IsAddressesOnly(const SpfNode& term, const SpfPassSet& set) {
  return term.complete && term.error.empty() && !set.depends && !set.fails && !set.passing.empty();
}

std::vector<IpNetwork> ParseNetworks(const std::vector<std::string>& texts) {
  std::vector<IpNetwork> out;
  for (const std::string& text : texts) {
    if (const auto network = IpNetwork::Parse(text)) out.push_back(*network);
  }
  return out;
}

}  // namespace dmarcate
