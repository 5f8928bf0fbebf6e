#include "policyd/plan/spf_children.h"

#include <algorithm>
#include <utility>

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/spf_record.h"

namespace dmarcate {
namespace {

constexpr size_t kDigits = 12;
constexpr std::string_view kLabel = "_spf-";
constexpr std::string_view kBegin = "v=spf1";
constexpr std::string_view kEnd = " -all";  // an include of it matches nothing more

std::string TermOf(const IpNetwork& network) {
  const bool ipv4 = network.address.is_v4();
  const bool single = network.prefix_length == network.address.bits();
  return fmt::format("{}:{}", ipv4 ? "ip4" : "ip6",
                     single ? network.address.ToString() : network.ToString());
}

// The terms of each child, shallowest first, each term with a blank before it.
//   kResourceExhausted  one term has no room, or there would be more children than look-ups
absl::StatusOr<std::vector<std::string>> Pack(const SpfChainRequest& request,
                                              const std::vector<IpNetwork>& networks) {
  // Room is kept for an include of the next, so that a chain can always go on.
  const size_t owner = kLabel.size() + kDigits + 1 + request.domain.text().size();
  const size_t reserved = 2 * owner + kBegin.size() + kEnd.size() + std::string(" include:").size();
  const auto exhausted = [&](std::string_view why) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     fmt::format("child records of {}: {}", request.domain.text(), why));
  };
  std::vector<std::string> terms;
  terms.reserve(networks.size());
  for (const IpNetwork& network : networks) terms.push_back(fmt::format(" {}", TermOf(network)));
  std::vector<std::string> children;
  while (!terms.empty()) {
    if (children.size() == size_t{kMaxSpfLookups}) {
      return exhausted(
          fmt::format("{} networks need more than {} of them", networks.size(), kMaxSpfLookups));
    }
    std::string& child = children.emplace_back();
    std::vector<std::string> left;
    for (std::string& term : terms) {
      if (reserved + child.size() + term.size() > request.max_octets) {
        left.push_back(std::move(term));
      } else {
        child += term;
      }
    }
    if (child.empty()) {
      return exhausted(
          fmt::format("{} has no room in {} octets", left.front().substr(1), request.max_octets));
    }
    terms = std::move(left);
  }
  return children;
}

absl::StatusOr<DomainName> FreeName(const SpfChainRequest& request, const std::string& text) {
  for (int number = 0; number < kSpfChildNames; ++number) {
    DMARCATE_ASSIGN_OR_RETURN(DomainName name, SpfChildName(request.domain, text, number));
    if (!request.taken.contains(name)) return name;
  }
  return MakeError(absl::StatusCode::kResourceExhausted,
                   fmt::format("child records of {}: all {} names for one are taken",
                               request.domain.text(), kSpfChildNames));
}

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
  if (!label.starts_with(kLabel) || label.size() != kLabel.size() + kDigits) return false;
  return std::ranges::all_of(label.substr(kLabel.size()), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

absl::StatusOr<DomainName> SpfChildName(const DomainName& domain, std::string_view text,
                                        int number) {
  const std::string digest = Sha256Hex(fmt::format("{}\n{}\n{}", number, domain.text(), text));
  return domain.Child(fmt::format("{}{}", kLabel, digest.substr(0, kDigits)));
}

bool IsNamedAfterText(const SpfChild& child, const DomainName& domain) {
  for (int number = 0; number < kSpfChildNames; ++number) {
    const absl::StatusOr<DomainName> name = SpfChildName(domain, child.text, number);
    if (name.ok() && *name == child.owner) return true;
  }
  return false;
}

std::vector<SpfChild> ChainFrom(const DomainName& domain, const DomainName& first,
                                const std::vector<SpfChild>& children) {
  std::vector<SpfChild> chain;
  DomainName name = first;
  while (std::ranges::find(chain, name, &SpfChild::owner) == chain.end()) {
    const auto found = std::ranges::find(children, name, &SpfChild::owner);
    if (found == children.end()) return {};
    const absl::StatusOr<SpfChildContent> content = ParseSpfChild(found->text);
    if (!content.ok() || !IsNamedAfterText(*found, domain)) return {};
    chain.push_back(*found);
    if (!content->next.has_value()) return chain;
    name = *content->next;
  }
  return {};  // it leads back to itself
}

absl::StatusOr<std::vector<SpfChild>> LayOutChain(const SpfChainRequest& request) {
  // What the end of the chain from there on lets through.
  std::vector<IpRangeSet> tails(request.chain.size() + 1);
  for (size_t i = request.chain.size(); i-- > 0;) {
    DMARCATE_ASSIGN_OR_RETURN(const SpfChildContent content, ParseSpfChild(request.chain[i].text));
    tails[i] = content.passing.Union(tails[i + 1]);
  }
  size_t best_tail = request.chain.size();
  std::vector<std::string> best;
  absl::Status none = absl::OkStatus();  // why no way was found
  bool any = false;
  for (size_t tail = 0; tail < tails.size(); ++tail) {
    if (!request.wanted.Contains(tails[tail])) continue;
    absl::StatusOr<std::vector<std::string>> fresh =
        Pack(request, request.wanted.Minus(tails[tail]).ToNetworks());
    if (!fresh.ok()) {
      none = fresh.status();
      continue;
    }
    const size_t length = fresh->size() + request.chain.size() - tail;
    if (any && length >= best.size() + request.chain.size() - best_tail) continue;
    any = true;
    best = *std::move(fresh);
    best_tail = tail;
  }
  if (!any) return none;
  std::vector<SpfChild> out(request.chain.begin() + static_cast<std::ptrdiff_t>(best_tail),
                            request.chain.end());
  for (auto terms = best.rbegin(); terms != best.rend(); ++terms) {  // each names the next
    const std::string next =
        out.empty() ? std::string() : fmt::format(" include:{}", out.front().owner.text());
    std::string text = fmt::format("{}{}{}{}", kBegin, *terms, next, kEnd);
    DMARCATE_ASSIGN_OR_RETURN(DomainName name, FreeName(request, text));
    out.insert(out.begin(), {std::move(name), std::move(text)});
  }
  return out;
}

}  // namespace dmarcate
