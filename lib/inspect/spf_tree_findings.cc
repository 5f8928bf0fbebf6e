#include "lib/inspect/spf_tree_findings.h"

#include <algorithm>
#include <cstdint>

#include "fmt/format.h"

#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr size_t kWidestShown = 5;
constexpr size_t kMaxPathPartOctets = 260;
constexpr size_t kMaxFindings = 100;  // spf_tree.h
// The senders of a large company with several large providers stay well below 2^21 addresses.
constexpr int64_t kManyAddresses = int64_t{1} << 21;

LintFinding Finding(std::string_view code, Severity severity, std::string path, std::string message,
                    std::string fix, std::string section) {
  LintFinding finding;
  finding.code = std::string(code);
  finding.severity = severity;
  finding.path = std::move(path);
  finding.message = std::move(message);
  finding.fix_hint = std::move(fix);
  finding.rfc_section = std::move(section);
  return finding;
}

// Each address once, whatever overlaps.
int64_t CountIpv4(const std::vector<IpNetwork>& networks) {
  std::vector<std::pair<int64_t, int64_t>> ranges;  // [first, last)
  for (const IpNetwork& network : networks) {
    if (!network.address.is_v4()) continue;
    const int64_t first = network.address.v4();
    ranges.emplace_back(first, first + (int64_t{1} << (32 - network.prefix_length)));
  }
  std::ranges::sort(ranges);
  int64_t count = 0;
  int64_t counted_to = 0;
  for (const auto& [first, last] : ranges) {
    if (last <= counted_to) continue;
    count += last - std::max(first, counted_to);
    counted_to = last;
  }
  return count;
}

std::vector<std::string> Widest(std::vector<IpNetwork> networks) {
  std::ranges::sort(networks, [](const IpNetwork& a, const IpNetwork& b) {
    const bool a_v4 = a.address.is_v4();
    const bool b_v4 = b.address.is_v4();
    if (a_v4 != b_v4) return a_v4;
    if (a.prefix_length != b.prefix_length) return a.prefix_length < b.prefix_length;
    return a.address < b.address;
  });
  std::vector<std::string> out;
  for (const IpNetwork& network : networks) {
    std::string text = network.ToString();
    if (!out.empty() && out.back() == text) continue;
    out.push_back(std::move(text));
    if (out.size() == kWidestShown) break;
  }
  return out;
}

class Walker {
 public:
  explicit Walker(SpfTree& tree) : tree_(tree) {}

  void Visit(const SpfNode& node, const std::string& path, bool top) {
    for (const SpfNode& child : node.children) {
      if (!child.reached) continue;
      // A term may be as long as a record, and paths are as long as the tree is deep.
      const std::string child_path =
          fmt::format("{}/{}", path, child.term.substr(0, kMaxPathPartOctets));
      tree_.has_dynamic_terms |= child.dynamic;
      Judge(child, child_path, top);
      Visit(child, child_path, /*top=*/false);
    }
  }

 private:
  void Add(LintFinding finding) {
    const auto failed = [](const LintFinding& one) { return one.code == lint_code::kLookupFailed; };
    std::vector<LintFinding>& findings = tree_.findings;
    if (findings.size() >= kMaxFindings) {
      if (failed(finding)) return;
      const auto room = std::ranges::find_if(findings, failed);
      if (room == findings.end()) {
        ++tree_.findings_left_out;
        return;
      }
      findings.erase(room);
    }
    findings.push_back(std::move(finding));
  }

  void Judge(const SpfNode& node, const std::string& path, bool top) {
    if (node.dangling != SpfDangling::kNo) {
      auto finding = Finding(
          lint_code::kSpfDangling, Severity::kError, path,
          node.dangling == SpfDangling::kNxDomain
              ? fmt::format("{} does not exist: receivers say permerror, and whoever registers the "
                            "name can send as this domain",
                            node.target)
              : node.error,
          "Remove the term, or have its owner repair the record.", "RFC 7208 section 5.2");
      finding.metadata["target"] = node.target;
      finding.metadata["dangling"] = std::string(ToString(node.dangling));
      Add(std::move(finding));
    } else if (!node.complete && !node.error.empty()) {
      Add(Finding(lint_code::kLookupFailed, Severity::kWarning, path, node.error,
                  "Try again later.", "RFC 7208 section 4.4"));
    } else if (!node.error.empty()) {
      Add(Finding(lint_code::kSpfSyntax, Severity::kError, path, node.error,
                  "Remove the term, or have its owner repair the record.", "RFC 7208 section 4.6"));
    }
    // The record's own `+all` is found by LintSpf.
    if (!top && node.kind == SpfKind::kAll && node.qualifier == SpfQualifier::kPass) {
      Add(Finding(lint_code::kSpfPlusAll, Severity::kError, path,
                  "an included record lets every address on the internet send as this domain",
                  "Remove the include that leads here.", "RFC 7208 section 5.1"));
    }
  }

  SpfTree& tree_;
};

// The term of the record itself that costs most.
const SpfNode* Costliest(const SpfNode& root) {
  const auto worst = std::ranges::max_element(root.children, {}, &SpfNode::lookup_cost);
  return worst == root.children.end() ? nullptr : &*worst;
}

void JudgeLimits(SpfTree& tree) {
  const SpfNode* worst = Costliest(tree.root);
  const auto with_count = [&tree, worst](LintFinding finding) {
    finding.metadata["lookups"] = std::to_string(tree.lookup_count);
    finding.metadata["limit"] = std::to_string(kMaxSpfLookups);
    if (worst != nullptr) {
      finding.metadata["costliest_term"] = worst->term;
      finding.metadata["costliest_lookups"] = std::to_string(worst->lookup_cost);
    }
    tree.findings.push_back(std::move(finding));
  };
  const std::string at_least = EveryRecordIsRead(tree.root) ? "" : "at least ";
  if (tree.has_loop) {
    with_count(Finding(lint_code::kSpfLookupLimit, Severity::kError, "spf",
                       "an include leads back to itself, so receivers run into the look-up limit",
                       "Break the loop.", "RFC 7208 section 4.6.4"));
  } else if (tree.OverLimit()) {
    with_count(Finding(
        lint_code::kSpfLookupLimit, Severity::kError, "spf",
        fmt::format("{}{} look-ups, the limit is {}: receivers say permerror; {} alone takes {}",
                    at_least, tree.lookup_count, kMaxSpfLookups,
                    Quoted(worst == nullptr ? "" : worst->term),
                    worst == nullptr ? 0 : worst->lookup_cost),
        "Remove what no longer sends, or give a sender a subdomain of its own.",
        "RFC 7208 section 4.6.4"));
  } else if (tree.lookup_count >= kSpfLookupMargin) {
    with_count(Finding(
        lint_code::kSpfLookupMargin, Severity::kInfo, "spf",
        fmt::format("{}{} of {} look-ups are used", at_least, tree.lookup_count, kMaxSpfLookups),
        "Make room before the next sender comes.", "RFC 7208 section 4.6.4"));
  }
  const bool ipv4 = tree.void_lookup_count > kMaxSpfVoidLookups;
  if (ipv4 || tree.void_lookup_count_ipv6 > kMaxSpfVoidLookups) {
    const int count = ipv4 ? tree.void_lookup_count : tree.void_lookup_count_ipv6;
    auto finding =
        Finding(lint_code::kSpfVoidLimit, ipv4 ? Severity::kError : Severity::kInfo, "spf",
                fmt::format("{} terms lead to names without an address{}, the limit is {}", count,
                            ipv4 ? "" : " for senders with an IPv6 address", kMaxSpfVoidLookups),
                "Remove the terms that lead nowhere.", "RFC 7208 section 4.6.4");
    finding.metadata["void_lookups"] = std::to_string(count);
    finding.metadata["limit"] = std::to_string(kMaxSpfVoidLookups);
    tree.findings.push_back(std::move(finding));
  }
}

}  // namespace

void SummarizeSpfTree(SpfTree& tree) {
  const std::vector<IpNetwork> networks = PassNetworks(tree.root);
  tree.ipv4_address_count = CountIpv4(networks);
  tree.widest_ranges = Widest(networks);
  JudgeLimits(tree);
  Walker(tree).Visit(tree.root, "spf", /*top=*/true);
  if (tree.ipv4_address_count > kManyAddresses) {
    auto finding =
        Finding(lint_code::kSpfTooWide, Severity::kWarning, "spf",
                fmt::format("{} IPv4 addresses may send as this domain", tree.ipv4_address_count),
                "Name the networks that really send.", "RFC 7208 section 11.4");
    finding.metadata["ipv4_address_count"] = std::to_string(tree.ipv4_address_count);
    tree.findings.push_back(std::move(finding));
  }
}

}  // namespace dmarcate
