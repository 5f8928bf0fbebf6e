// lib/inspect/spf_tree.h
// What an SPF record really says: every include and redirect followed, look-ups counted exactly,
// also beyond the limit, addresses gathered per branch.
//
// Counts are the worst case of RFC 7208 section 4.6.4: all terms in order, none matching before.
// A look-up that failed makes the tree incomplete: its counts are then lower bounds, never zero.

#ifndef DMARCATE_LIB_INSPECT_SPF_TREE_H_
#define DMARCATE_LIB_INSPECT_SPF_TREE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/base/ip_address.h"
#include "lib/dns/resolver.h"
#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/lint.h"
#include "lib/mailauth/spf_record.h"

namespace dmarcate {

// What one expansion may spend. Beyond it the tree is cut and incomplete, never wrong.
struct SpfTreeBudget {
  int max_queries = 200;
  absl::Duration max_time = absl::Seconds(20);  // checked between queries
  int max_depth = 20;                           // of nested includes
  int max_nodes = 5000;
  size_t max_text_octets = 1 << 20;  // of all records followed
  // Asked before each question; true: nobody waits for the answer any more. Empty: never.
  std::function<bool()> stop;
};

// Why an include or redirect does not lead to one SPF record.
enum class SpfDangling : uint8_t {
  kNo,
  kNxDomain,  // the name does not exist: whoever registers it can send as this domain
  kNoSpf,     // the name exists and has no SPF record: permerror
  kMultiple,  // two SPF records: permerror
};
std::string_view ToString(SpfDangling dangling);  // "NXDOMAIN"

struct SpfNode {
  std::string term;  // as written; empty for the root
  SpfQualifier qualifier = SpfQualifier::kPass;
  SpfKind kind = SpfKind::kAll;  // meaningless for the root
  std::string target;            // the name asked; with macros as written, and then never asked
  // This term and all below it, none matching. A target with macros counts as 1: what it costs
  // depends on client and sender.
  int lookup_cost = 0;
  int void_lookups = 0;       // this term and all below it, for a client with an IPv4 address
  int void_lookups_ipv6 = 0;  // for one with an IPv6 address
  bool complete = true;       // nothing below failed or was cut
  std::string error;          // why receivers say permerror, or why we know nothing
  SpfDangling dangling = SpfDangling::kNo;
  bool reached = true;       // false after `all`: receivers never get there, so it costs nothing
  bool dynamic = false;      // what it matches depends on client or sender: macros, ptr; or exists
  std::string record_text;   // root, include, redirect: the SPF record found there
  uint32_t ttl_seconds = 0;  // of the records found
  // What the term itself matches: ip4, ip6, a, mx, and all. An include has none, its children do.
  std::vector<IpNetwork> networks;
  std::vector<SpfNode> children;
};

struct SpfTree {
  DomainName domain;
  SpfNode root;
  int lookup_count = 0;
  // Queries that find nothing (RFC 7208 section 4.6.4), in the worst case as for look-ups.
  int void_lookup_count = 0;       // for a client with an IPv4 address
  int void_lookup_count_ipv6 = 0;  // names without AAAA count here
  // Addresses that get pass, those in several branches counted once; exceptions ("-ip4:...") are
  // not subtracted. What dynamic terms match is not counted.
  int64_t ipv4_address_count = 0;
  bool has_dynamic_terms = false;
  bool has_loop = false;  // an include leads back to itself; lookup_count is then over the limit
  bool complete = true;
  std::string incomplete_reason;           // the first failed look-up, or the budget that ran out
  std::vector<std::string> widest_ranges;  // at most 5, widest first, IPv4 before IPv6
  int query_count = 0;                     // DNS questions really asked
  // Those that need the tree: limits, dangling, too wide. At most 100 of limits and terms; look-ups
  // that failed make room for what was found, since `complete` tells of them already.
  std::vector<LintFinding> findings;
  int findings_left_out = 0;  // beyond those 100, failed look-ups not counted

  bool OverLimit() const { return lookup_count > kMaxSpfLookups; }
};

// The live record of `domain`.
//   kNotFound            the domain has no SPF record (or does not exist); the message says which
//   kFailedPrecondition  it has several: permerror
//   kInvalidArgument     its record does not parse: permerror; the message names the position
//   otherwise            the look-up's own error: nothing was learned
absl::StatusOr<SpfTree> ExpandSpf(const DomainName& domain, Resolver& resolver, const Clock& clock,
                                  const SpfTreeBudget& budget = {});

// A record that is not live yet: `text` as if `domain` published it. An include of `domain` itself
// sees `text` too.   kInvalidArgument  it does not parse
absl::StatusOr<SpfTree> ExpandSpfText(const DomainName& domain, std::string_view text,
                                      Resolver& resolver, const Clock& clock,
                                      const SpfTreeBudget& budget = {});

// Whether `address` passes by the networks of the tree, walking it as a receiver does: a term that
// does not pass ends the walk. kUnknown when what is missing (failed look-ups, macros, ptr, exists)
// could decide.
enum class SpfCoverage : uint8_t { kInside, kOutside, kUnknown };
SpfCoverage Covers(const SpfTree& tree, const IpAddress& address);

// Whether every record that `node` leads to was read, so that `lookup_cost` is exact but for names
// with macros, which differ from mail to mail. The terms that ask for addresses lead to no record,
// and cost the same whatever their answer.
bool EveryRecordIsRead(const SpfNode& node);

// All networks that pass by `node` and what is below it, in order; exceptions are not subtracted.
std::vector<IpNetwork> PassNetworks(const SpfNode& node);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_SPF_TREE_H_
