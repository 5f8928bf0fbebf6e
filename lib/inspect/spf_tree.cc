#include "lib/inspect/spf_tree.h"

#include <algorithm>
#include <set>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/inspect/spf_tree_findings.h"
#include "lib/mailauth/spf_macro.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxExchanges = 10;   // RFC 7208 section 4.6.4: more is permerror
constexpr size_t kMaxAddresses = 200;  // of one name; a larger RRset is somebody's joke

// The name a domain-spec stands for inside the record of `domain`, if it is the same for every
// client and sender: only %{d} may occur.
std::optional<std::string> StaticTarget(std::string_view spec, const DomainName& domain) {
  if (spec.empty()) return domain.text();
  const auto pieces = ParseMacroString(spec, SpfMacroUse::kDomainSpec);
  if (!pieces.ok()) return std::nullopt;
  for (const SpfMacroPiece& piece : *pieces) {
    if (piece.letter != 0 && piece.letter != 'd') return std::nullopt;
  }
  SpfMacroValues values;
  values.domain = domain.text();
  return FitDomain(ExpandMacros(*pieces, values));
}

class Expander {
 public:
  Expander(Resolver& resolver, const Clock& clock, const SpfTreeBudget& budget)
      : resolver_(resolver), clock_(clock), budget_(budget), start_(clock.Monotonic()) {}

  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) {
    const auto key = std::make_pair(name, type);
    if (const auto found = cache_.find(key); found != cache_.end()) return found->second;
    if (budget_.stop && budget_.stop()) {
      return MakeError(absl::StatusCode::kCancelled, "told to stop");
    }
    if (queries_ >= budget_.max_queries) {
      return MakeError(absl::StatusCode::kResourceExhausted,
                       fmt::format("the budget of {} queries is used up", budget_.max_queries));
    }
    if (clock_.Monotonic() - start_ > budget_.max_time) {
      return MakeError(absl::StatusCode::kDeadlineExceeded,
                       fmt::format("the budget of {} seconds is used up",
                                   absl::ToInt64Seconds(budget_.max_time)));
    }
    ++queries_;
    return cache_.emplace(key, resolver_.Lookup(name, type)).first->second;
  }

  // Fills `node` with the terms of `record`, the record of `domain`.
  void ExpandRecord(const DomainName& domain, const SpfRecord& record, SpfNode& node) {
    path_.push_back(domain);
    const auto all = record.IndexOfAll();
    for (size_t i = 0; i < record.terms.size(); ++i) {
      const SpfTerm& term = record.terms[i];
      if (term.kind == SpfKind::kUnknownModifier || term.kind == SpfKind::kExp) continue;
      if (++nodes_ > budget_.max_nodes) {
        Cut(node, fmt::format("the budget of {} terms is used up", budget_.max_nodes));
        break;
      }
      SpfNode child;
      child.term = term.text;
      child.qualifier = term.qualifier;
      child.kind = term.kind;
      child.target = term.domain_spec;
      child.reached = !all.has_value() || (i <= *all && term.kind != SpfKind::kRedirect);
      if (child.reached) ExpandTerm(domain, term, child);
      node.lookup_cost += child.lookup_cost;
      node.void_lookups += child.void_lookups;
      node.void_lookups_ipv6 += child.void_lookups_ipv6;
      node.complete &= child.complete;
      node.children.push_back(std::move(child));
    }
    path_.pop_back();
  }

  void Remember(const DomainName& name, std::string_view text) {
    DnsAnswer answer;
    answer.outcome = DnsOutcome::kRecords;
    answer.txt.push_back(MakeTxtRecord(text));
    cache_.insert_or_assign({name, RrType::kTxt}, std::move(answer));
  }

  int queries() const { return queries_; }
  bool loop() const { return loop_; }
  const std::string& incomplete_reason() const { return incomplete_reason_; }

 private:
  void Cut(SpfNode& node, std::string reason) {
    node.complete = false;
    if (node.error.empty()) node.error = reason;
    if (incomplete_reason_.empty()) incomplete_reason_ = std::move(reason);
  }
  void Cut(SpfNode& node, const DomainName& name, const absl::Status& status) {
    Cut(node, fmt::format("{}: {}", name.text(), MessageOf(status)));
  }

  void ExpandTerm(const DomainName& domain, const SpfTerm& term, SpfNode& node) {
    node.lookup_cost = term.costs_lookup() ? 1 : 0;
    if (UsesMacro(term.domain_spec, 'p')) ++node.lookup_cost;  // as ptr does, section 4.6.4
    if (term.kind == SpfKind::kAll) {
      node.networks = {*IpNetwork::Parse("0.0.0.0/0"), *IpNetwork::Parse("::/0")};
      return;
    }
    if (term.kind == SpfKind::kIp4 || term.kind == SpfKind::kIp6) {
      if (term.network.has_value()) node.networks = {*term.network};
      return;
    }
    const auto target = StaticTarget(term.domain_spec, domain);
    node.dynamic =
        !target.has_value() || term.kind == SpfKind::kPtr || term.kind == SpfKind::kExists;
    if (!target.has_value() || term.kind == SpfKind::kPtr) return;
    node.target = *target;
    const auto name = DomainName::Parse(*target);
    if (!name.ok()) {
      if (term.kind == SpfKind::kInclude || term.kind == SpfKind::kRedirect) {
        node.error = fmt::format("permerror: {}", MessageOf(name.status()));
      }
      return;
    }
    switch (term.kind) {
      case SpfKind::kInclude:
      case SpfKind::kRedirect:
        return FollowRecord(*name, node);
      case SpfKind::kA:
        return AddAddresses(*name, term, node);
      case SpfKind::kMx:
        return ExpandMx(*name, term, node);
      default:
        return ExpandExists(*name, node);
    }
  }

  void FollowRecord(const DomainName& name, SpfNode& node) {
    if (std::ranges::find(path_, name) != path_.end()) {
      loop_ = true;
      node.error = fmt::format("permerror: {} leads back to itself", name.text());
      return;
    }
    if (path_.size() > static_cast<size_t>(budget_.max_depth)) {
      return Cut(node, fmt::format("more than {} includes deep", budget_.max_depth));
    }
    const auto answer = Lookup(name, RrType::kTxt);
    if (!answer.ok()) return Cut(node, name, answer.status());
    node.ttl_seconds = answer->ttl_seconds;
    if (answer->outcome != DnsOutcome::kRecords) CountVoid(node, /*ipv4=*/true, /*ipv6=*/true);
    if (answer->outcome == DnsOutcome::kNxDomain) {
      node.dangling = SpfDangling::kNxDomain;
      node.error = fmt::format("permerror: {} does not exist", name.text());
      return;
    }
    std::vector<std::string> texts;
    for (const TxtRecord& txt : answer->txt) texts.push_back(txt.Joined());
    const SpfSelection selection = SelectSpf(texts);
    if (selection.outcome == SpfSelection::Outcome::kNone) {
      node.dangling = SpfDangling::kNoSpf;
      node.error = fmt::format("permerror: {} has no SPF record", name.text());
      return;
    }
    if (selection.outcome == SpfSelection::Outcome::kMultiple) {
      node.dangling = SpfDangling::kMultiple;
      node.error =
          fmt::format("permerror: {} has {} SPF records", name.text(), selection.indexes.size());
      return;
    }
    text_octets_ += texts[selection.indexes[0]].size();
    if (text_octets_ > budget_.max_text_octets) {
      return Cut(node, fmt::format("the budget of {} octets is used up", budget_.max_text_octets));
    }
    node.record_text = texts[selection.indexes[0]];
    const auto record = ParseSpf(node.record_text);
    if (!record.ok()) {
      node.error =
          fmt::format("permerror: record of {}: {}", name.text(), MessageOf(record.status()));
      return;
    }
    ExpandRecord(name, *record, node);
  }

  static void CountVoid(SpfNode& node, bool ipv4, bool ipv6) {
    node.void_lookups += ipv4 ? 1 : 0;
    node.void_lookups_ipv6 += ipv6 ? 1 : 0;
  }

  // Adds the networks around the addresses of `name`. A receiver asks for one family, its client's.
  void AddAddresses(const DomainName& name, const SpfTerm& term, SpfNode& node) {
    for (const RrType type : {RrType::kA, RrType::kAaaa}) {
      const bool ipv4 = type == RrType::kA;
      const auto answer = Lookup(name, type);
      if (!answer.ok()) {
        Cut(node, name, answer.status());
        continue;
      }
      node.ttl_seconds = answer->ttl_seconds;
      if (answer->texts.empty()) CountVoid(node, ipv4, !ipv4);
      for (const std::string& text : answer->texts) {
        const auto address = IpAddress::Parse(text);
        if (!address.has_value() || address->is_v4() != ipv4) continue;
        if (node.networks.size() >= kMaxAddresses) {
          Cut(node, fmt::format("more than {} addresses", kMaxAddresses));
          break;
        }
        const int length = ipv4 ? term.ipv4_prefix_length : term.ipv6_prefix_length;
        node.networks.push_back({address->Masked(length), length});
      }
    }
  }

  void ExpandMx(const DomainName& name, const SpfTerm& term, SpfNode& node) {
    const auto answer = Lookup(name, RrType::kMx);
    if (!answer.ok()) return Cut(node, name, answer.status());
    if (answer->mx.empty()) CountVoid(node, /*ipv4=*/true, /*ipv6=*/true);
    // Each record is looked up, also where two name one exchange: receivers count both.
    std::multiset<DomainName> exchanges;
    for (const MxRecord& mx : answer->mx) {
      if (!mx.exchange.IsRoot()) exchanges.insert(mx.exchange);
    }
    if (exchanges.size() > kMaxExchanges) {
      node.error = fmt::format("permerror: {} has {} mail exchanges, the limit is {}", name.text(),
                               exchanges.size(), kMaxExchanges);
      return;
    }
    for (const DomainName& exchange : exchanges) AddAddresses(exchange, term, node);
  }

  void ExpandExists(const DomainName& name, SpfNode& node) {
    const auto answer = Lookup(name, RrType::kA);
    if (!answer.ok()) return Cut(node, name, answer.status());
    node.ttl_seconds = answer->ttl_seconds;
    const bool empty = answer->texts.empty();
    CountVoid(node, empty, empty);
  }

  Resolver& resolver_;
  const Clock& clock_;
  SpfTreeBudget budget_;
  absl::Duration start_;
  std::map<std::pair<DomainName, RrType>, absl::StatusOr<DnsAnswer>> cache_;
  std::vector<DomainName> path_;  // whose records are being expanded, outermost first
  int queries_ = 0;
  int nodes_ = 0;
  size_t text_octets_ = 0;
  bool loop_ = false;
  std::string incomplete_reason_;
};

SpfTree Finish(const DomainName& domain, const Expander& expander, SpfNode root) {
  SpfTree tree;
  tree.domain = domain;
  tree.root = std::move(root);
  tree.lookup_count = tree.root.lookup_cost;
  tree.void_lookup_count = tree.root.void_lookups;
  tree.void_lookup_count_ipv6 = tree.root.void_lookups_ipv6;
  tree.has_loop = expander.loop();
  if (tree.has_loop) tree.lookup_count = std::max(tree.lookup_count, kMaxSpfLookups + 1);
  tree.complete = tree.root.complete;
  tree.incomplete_reason = expander.incomplete_reason();
  tree.query_count = expander.queries();
  SummarizeSpfTree(tree);
  return tree;
}

}  // namespace

std::string_view ToString(SpfDangling dangling) {
  switch (dangling) {
    case SpfDangling::kNo:
      return "NO";
    case SpfDangling::kNxDomain:
      return "NXDOMAIN";
    case SpfDangling::kNoSpf:
      return "NO_SPF";
    case SpfDangling::kMultiple:
      return "MULTIPLE";
  }
  return "NO";
}

bool EveryRecordIsRead(const SpfNode& node) {
  const bool addresses =
      node.kind == SpfKind::kA || node.kind == SpfKind::kMx || node.kind == SpfKind::kExists;
  if (!node.complete && !node.error.empty() && !addresses) return false;
  return std::ranges::all_of(node.children, EveryRecordIsRead);
}

absl::StatusOr<SpfTree> ExpandSpf(const DomainName& domain, Resolver& resolver, const Clock& clock,
                                  const SpfTreeBudget& budget) {
  Expander expander(resolver, clock, budget);
  const auto answer = expander.Lookup(domain, RrType::kTxt);
  if (!answer.ok()) return Annotate(answer.status(), fmt::format("spf of {}", domain.text()));
  std::vector<std::string> texts;
  for (const TxtRecord& txt : answer->txt) texts.push_back(txt.Joined());
  const SpfSelection selection = SelectSpf(texts);
  switch (selection.outcome) {
    case SpfSelection::Outcome::kNone:
      return MakeError(
          absl::StatusCode::kNotFound,
          fmt::format("spf of {}: {}", domain.text(),
                      answer->outcome == DnsOutcome::kNxDomain ? "the name does not exist"
                                                               : "there is no record"));
    case SpfSelection::Outcome::kMultiple:
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       fmt::format("spf of {}: there are {} records, so receivers say permerror",
                                   domain.text(), selection.indexes.size()));
    case SpfSelection::Outcome::kOne:
      break;
  }
  SpfNode root;
  root.record_text = texts[selection.indexes[0]];
  root.ttl_seconds = answer->ttl_seconds;
  const auto record = ParseSpf(root.record_text);
  if (!record.ok()) return Annotate(record.status(), fmt::format("spf of {}", domain.text()));
  expander.ExpandRecord(domain, *record, root);
  return Finish(domain, expander, std::move(root));
}

absl::StatusOr<SpfTree> ExpandSpfText(const DomainName& domain, std::string_view text,
                                      Resolver& resolver, const Clock& clock,
                                      const SpfTreeBudget& budget) {
  const auto record = ParseSpf(text);
  if (!record.ok()) return Annotate(record.status(), fmt::format("spf of {}", domain.text()));
  Expander expander(resolver, clock, budget);
  expander.Remember(domain, text);
  SpfNode root;
  root.record_text = std::string(text);
  expander.ExpandRecord(domain, *record, root);
  return Finish(domain, expander, std::move(root));
}

}  // namespace dmarcate
