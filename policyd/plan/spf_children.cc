#include "policyd/plan/spf_children.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/spf_record.h"

namespace dmarcate {
namespace {

constexpr int kMaxChildNumber = 99;
constexpr std::string_view kLabel = "_spf";
constexpr std::string_view kBegin = "v=spf1";
constexpr std::string_view kEnd = " -all";  // an include of it matches nothing more

std::string TermOf(const IpNetwork& network) {
  const bool ipv4 = network.address.is_v4();
  const bool single = network.prefix_length == network.address.bits();
  return fmt::format("{}:{}", ipv4 ? "ip4" : "ip6",
                     single ? network.address.ToString() : network.ToString());
}

// One child while it is filled.
struct Filling {
  DomainName owner;
  std::string terms;  // each with a blank before
  IpRangeSet holds;
};

class Packer {
 public:
  explicit Packer(const SpfChainRequest& request) : request_(request) {
    // Room is kept for the longest include there can be, so that a chain can always go on.
    const size_t include = fmt::format(" include:{}{}.", kLabel, kMaxChildNumber).size() +
                           request.domain.text().size();
    reserved_ = kBegin.size() + kEnd.size() + include;
  }

  // What of `networks` has no room in `child` any more.
  std::vector<IpNetwork> Put(const std::vector<IpNetwork>& networks, Filling& child) const {
    std::vector<IpNetwork> left;
    std::vector<IpNetwork> put;
    for (const IpNetwork& network : networks) {
      const std::string term = fmt::format(" {}", TermOf(network));
      const size_t octets = child.owner.text().size() + reserved_ + child.terms.size();
      if (octets + term.size() > request_.max_octets) {
        left.push_back(network);
        continue;
      }
      child.terms += term;
      put.push_back(network);
    }
    child.holds = child.holds.Union(IpRangeSet(put));
    return left;
  }

  absl::StatusOr<DomainName> FreeName(const std::vector<Filling>& children) const {
    for (int number = 1; number <= kMaxChildNumber; ++number) {
      DMARCATE_ASSIGN_OR_RETURN(const DomainName name, SpfChildName(request_.domain, number));
      const bool used =
          std::ranges::find(children, name, &Filling::owner) != children.end() ||
          std::ranges::find(request_.chain, name, &SpfChild::owner) != request_.chain.end();
      if (!used && !request_.taken.contains(name)) return name;
    }
    return MakeError(absl::StatusCode::kResourceExhausted,
                     fmt::format("spf of {}: all names {}1 to {}{} are taken",
                                 request_.domain.text(), kLabel, kLabel, kMaxChildNumber));
  }

 private:
  const SpfChainRequest& request_;
  size_t reserved_ = 0;
};

}  // namespace

absl::StatusOr<SpfChildContent> ParseSpfChild(std::string_view text) {
  DMARCATE_ASSIGN_OR_RETURN(const SpfRecord record, ParseSpf(text));
  const auto refuse = [](const SpfTerm& term) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("{} stands in no child record of ours", term.text));
  };
  SpfChildContent content;
  std::vector<IpNetwork> networks;
  for (size_t i = 0; i < record.terms.size(); ++i) {
    const SpfTerm& term = record.terms[i];
    const bool last = i + 1 == record.terms.size();
    if (last && term.kind == SpfKind::kAll && term.qualifier == SpfQualifier::kFail) {
      content.passing = IpRangeSet(networks);
      return content;
    }
    if (term.qualifier != SpfQualifier::kPass || term.is_modifier()) return refuse(term);
    if (term.network.has_value() && !content.next.has_value()) {
      networks.push_back(*term.network);
    } else if (term.kind == SpfKind::kInclude && !content.next.has_value() && !term.has_macros()) {
      DMARCATE_ASSIGN_OR_RETURN(content.next, DomainName::Parse(term.domain_spec));
    } else {
      return refuse(term);
    }
  }
  return MakeError(absl::StatusCode::kInvalidArgument, "a child record of ours ends in -all");
}

bool IsSpfChildOf(const DomainName& owner, const DomainName& domain) {
  if (owner.IsRoot() || owner.Parent() != domain) return false;
  const std::string_view label = owner.labels().front();
  if (!label.starts_with(kLabel) || label.size() == kLabel.size()) return false;
  return std::ranges::all_of(label.substr(kLabel.size()),
                             [](char c) { return c >= '0' && c <= '9'; });
}

absl::StatusOr<DomainName> SpfChildName(const DomainName& domain, int number) {
  return domain.Child(fmt::format("{}{}", kLabel, number));
}

std::vector<SpfChild> ChainFrom(const DomainName& first, const std::vector<SpfChild>& children) {
  std::vector<SpfChild> chain;
  DomainName name = first;
  while (std::ranges::find(chain, name, &SpfChild::owner) == chain.end()) {
    const auto found = std::ranges::find(children, name, &SpfChild::owner);
    if (found == children.end()) break;
    const absl::StatusOr<SpfChildContent> content = ParseSpfChild(found->text);
    if (!content.ok()) break;
    chain.push_back(*found);
    if (!content->next.has_value()) break;
    name = *content->next;
  }
  return chain;
}

absl::StatusOr<std::vector<SpfChild>> LayOutChain(const SpfChainRequest& request) {
  const Packer packer(request);
  std::vector<Filling> children;
  IpRangeSet placed;
  std::vector<IpNetwork> carried;  // had no room above
  IpRangeSet fresh = request.wanted;
  std::vector<IpRangeSet> held;
  for (const SpfChild& child : request.chain) {
    DMARCATE_ASSIGN_OR_RETURN(const SpfChildContent content, ParseSpfChild(child.text));
    held.push_back(content.passing.Intersection(request.wanted));
    fresh = fresh.Minus(content.passing);
  }
  for (size_t i = 0; i < request.chain.size(); ++i) {
    Filling child{request.chain[i].owner, "", {}};
    const IpRangeSet stays = held[i].Minus(placed).Union(IpRangeSet(carried));
    // Old and new in as few networks as can be, if there is room for all of it.
    Filling both = child;
    if (packer.Put(stays.Union(fresh).ToNetworks(), both).empty()) {
      child = std::move(both);
      carried.clear();
      fresh = {};
    } else {
      carried = packer.Put(stays.ToNetworks(), child);
      if (carried.empty()) fresh = IpRangeSet(packer.Put(fresh.ToNetworks(), child));
    }
    placed = placed.Union(child.holds).Union(IpRangeSet(carried));
    children.push_back(std::move(child));
  }
  std::vector<IpNetwork> left = IpRangeSet(carried).Union(fresh).ToNetworks();
  while (!left.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(const DomainName name, packer.FreeName(children));
    Filling child{name, "", {}};
    std::vector<IpNetwork> next = packer.Put(left, child);
    if (next.size() == left.size()) {
      return MakeError(
          absl::StatusCode::kResourceExhausted,
          fmt::format("{}: one term has no room in {} octets", name.text(), request.max_octets));
    }
    left = std::move(next);
    children.push_back(std::move(child));
  }
  std::erase_if(children, [](const Filling& child) { return child.terms.empty(); });
  std::vector<SpfChild> out;
  for (size_t i = 0; i < children.size(); ++i) {
    const std::string next = i + 1 < children.size()
                                 ? fmt::format(" include:{}", children[i + 1].owner.text())
                                 : std::string();
    out.push_back(
        {children[i].owner, fmt::format("{}{}{}{}", kBegin, children[i].terms, next, kEnd)});
  }
  return out;
}

}  // namespace dmarcate
