// The guards of spf_plan.h.

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/spf_plan.h"

namespace dmarcate {
namespace {

std::string_view Describe(SpfDangling dangling) {
  switch (dangling) {
    case SpfDangling::kNo:
      break;
    case SpfDangling::kNxDomain:
      return "the name does not exist";
    case SpfDangling::kNoSpf:
      return "the name has no SPF record";
    case SpfDangling::kMultiple:
      return "the name has several SPF records";
  }
  return "";
}

// What every receiver that gets here stumbles over, below this term; empty if nothing is known.
std::string PermerrorBelow(const SpfNode& node) {
  if (!node.reached) return "";
  if (node.dangling != SpfDangling::kNo) {
    return fmt::format("{}: {}", node.target, Describe(node.dangling));
  }
  // An error of an incomplete leaf is a look-up of ours that failed.
  if (!node.error.empty() && node.complete) return node.error;
  for (const SpfNode& child : node.children) {
    if (std::string found = PermerrorBelow(child); !found.empty()) return found;
  }
  return "";
}

std::string CostliestTerm(const SpfMeasure& measure) {
  const auto worst = std::ranges::max_element(measure.cost_by_term, {},
                                              [](const auto& entry) { return entry.second; });
  if (worst == measure.cost_by_term.end()) return "";
  return fmt::format("; {} takes {}", worst->first, worst->second);
}

// The texts of the terms that are not in `managed`, in order; nullopt if the record does not parse.
// A managed term stands for one term of the record, the first that says so.
std::optional<std::vector<std::string>> UnmanagedTerms(const std::string& text,
                                                       const std::vector<ManagedTerm>& managed) {
  std::vector<std::string> terms;
  if (text.empty()) return terms;
  const absl::StatusOr<SpfRecord> record = ParseSpf(text);
  if (!record.ok()) return std::nullopt;
  std::set<std::string> ours;
  for (const ManagedTerm& one : managed) {
    if (!one.flattened) ours.insert(one.term);  // such a one stands in a child record
  }
  for (const SpfTerm& term : record->terms) {
    if (ours.erase(term.text) == 0) terms.push_back(term.text);
  }
  return terms;
}

GuardRecord GuardUnmanaged(const std::string& before, const std::string& after,
                           const std::vector<ManagedTerm>& managed_before,
                           const std::vector<ManagedTerm>& managed_after) {
  if (before.empty() || after.empty()) {
    // A record that is created, or one that we created and take back: nothing else may be in it.
    const std::string& only = before.empty() ? after : before;
    const auto terms = UnmanagedTerms(only, before.empty() ? managed_after : managed_before);
    const bool ours =
        terms.has_value() && (terms->empty() || *terms == std::vector<std::string>{"~all"});
    return ours ? Pass(guard_code::kUnmanagedTermLoss, "the record holds our terms only")
                : Refuse(guard_code::kUnmanagedTermLoss,
                         "the record that would come or go holds terms of others");
  }
  const auto terms_before = UnmanagedTerms(before, managed_before);
  const auto terms_after = UnmanagedTerms(after, managed_after);
  if (!terms_before.has_value() || !terms_after.has_value()) {
    return Refuse(guard_code::kUnmanagedTermLoss,
                  "a record that does not parse cannot be compared");
  }
  if (*terms_before != *terms_after) {
    return Refuse(guard_code::kUnmanagedTermLoss, "terms of others would vanish, move or change",
                  {{"before", Join(*terms_before, " ")}, {"after", Join(*terms_after, " ")}});
  }
  return Pass(guard_code::kUnmanagedTermLoss,
              fmt::format("{} terms of others keep their bytes and order", terms_before->size()));
}

GuardRecord GuardVoid(const SpfMeasure& before, const SpfMeasure& after) {
  const std::map<std::string, std::string> voids = {
      {"void_lookups", std::to_string(after.void_lookups)},
      {"void_lookups_ipv6", std::to_string(after.void_lookups_ipv6)},
      {"limit", std::to_string(kMaxSpfVoidLookups)},
      {"before", std::to_string(before.void_lookups)},
      {"before_ipv6", std::to_string(before.void_lookups_ipv6)}};
  if (after.void_lookups <= kMaxSpfVoidLookups && after.void_lookups_ipv6 > kMaxSpfVoidLookups) {
    const std::string text =
        fmt::format("{} void look-ups for senders with an IPv6 address, limit {}, before {}",
                    after.void_lookups_ipv6, kMaxSpfVoidLookups, before.void_lookups_ipv6);
    return before.void_lookups_ipv6 <= kMaxSpfVoidLookups
               ? Refuse(guard_code::kSpfVoidLimit, text, voids)
               : Warn(guard_code::kSpfVoidLimit, text, voids);
  }
  const std::string text =
      fmt::format("{} void look-ups, limit {}", after.void_lookups, kMaxSpfVoidLookups);
  return after.void_lookups > kMaxSpfVoidLookups ? Refuse(guard_code::kSpfVoidLimit, text, voids)
                                                 : Pass(guard_code::kSpfVoidLimit, text, voids);
}

}  // namespace

GuardRecord GuardPlusAll(const std::string& after) {
  const absl::StatusOr<SpfRecord> record = ParseSpf(after);
  if (record.ok()) {
    const std::optional<size_t> all = record->IndexOfAll();
    if (all.has_value() && record->terms[*all].qualifier == SpfQualifier::kPass) {
      return Refuse(
          guard_code::kSpfPlusAll,
          "the record would let everybody through (+all); nothing that follows from it is "
          "worth publishing");
    }
  }
  return Pass(guard_code::kSpfPlusAll, "the record lets not everybody through");
}

SpfMeasure MeasureOf(const SpfTree& tree) {
  SpfMeasure measure;
  measure.lookups = tree.lookup_count;
  measure.void_lookups = tree.void_lookup_count;
  measure.void_lookups_ipv6 = tree.void_lookup_count_ipv6;
  measure.complete = tree.complete;
  measure.incomplete_reason = tree.incomplete_reason;
  for (const SpfNode& term : tree.root.children) {
    measure.cost_by_term[term.term] = term.lookup_cost;
    if (!measure.permerror.empty()) continue;
    measure.permerror = PermerrorBelow(term);
    if (!measure.permerror.empty()) measure.permerror_term = term.term;
  }
  return measure;
}

std::vector<GuardRecord> GuardSpfCost(const SpfMeasure& before, const SpfMeasure& after) {
  std::vector<GuardRecord> guards;
  std::map<std::string, std::string> numbers = {{"lookups", std::to_string(after.lookups)},
                                                {"limit", std::to_string(kMaxSpfLookups)},
                                                {"before", std::to_string(before.lookups)}};
  const std::string counted = fmt::format("{} look-ups, limit {}, before {}", after.lookups,
                                          kMaxSpfLookups, before.lookups);
  if (after.lookups > kMaxSpfLookups) {
    guards.push_back(Refuse(guard_code::kSpfLookupLimit, counted + CostliestTerm(after), numbers));
  } else if (!after.complete) {
    numbers["incomplete"] = after.incomplete_reason;
    guards.push_back(Refuse(guard_code::kSpfLookupLimit,
                            fmt::format("at least {} look-ups; counting all of them failed: {}",
                                        after.lookups, after.incomplete_reason),
                            numbers));
  } else {
    guards.push_back(Pass(guard_code::kSpfLookupLimit, counted, numbers));
    if (after.lookups >= kSpfLookupMargin) {
      guards.push_back(Warn(guard_code::kSpfLookupMargin,
                            fmt::format("{} of {} look-ups: one change at a vendor can break it{}",
                                        after.lookups, kMaxSpfLookups, CostliestTerm(after)),
                            numbers));
    }
  }

  guards.push_back(GuardVoid(before, after));
  if (!after.permerror.empty()) {
    guards.push_back(Refuse(
        guard_code::kDanglingInclude,
        fmt::format("{} makes every receiver fail: {}", after.permerror_term, after.permerror),
        {{"term", after.permerror_term}, {"error", after.permerror}}));
  }
  return guards;
}

std::vector<GuardRecord> TellNotNeeded(const std::vector<SpfNotNeeded>& sources,
                                       const std::vector<TermChangeRecord>& changes) {
  std::vector<GuardRecord> guards;
  for (const SpfNotNeeded& source : sources) {
    std::vector<std::string> terms;
    int lookups = 0;
    for (const TermChangeRecord& change : changes) {
      if (change.source_id != source.source_id || change.action == TermAction::kRemove) continue;
      terms.push_back(change.term);
      lookups += change.lookup_cost;
    }
    if (terms.empty()) continue;
    guards.push_back(Warn(
        guard_code::kSpfNotNeeded,
        fmt::format("{} passes DMARC without SPF: {}; {} take{} {} look-ups; approve it with DKIM "
                    "only to free them",
                    source.source_id, source.evidence, Join(terms, " "),
                    terms.size() == 1 ? "s" : "", lookups),
        {{"source", source.source_id}, {"terms", Join(terms, " ")}}));
  }
  return guards;
}

std::vector<GuardRecord> GuardSpfText(const std::vector<std::string>& before,
                                      const std::vector<std::string>& after,
                                      const std::vector<ManagedTerm>& managed_before,
                                      const std::vector<ManagedTerm>& managed_after) {
  const SpfSelection old_records = SelectSpf(before);
  const SpfSelection new_records = SelectSpf(after);
  std::vector<GuardRecord> guards;
  if (old_records.outcome == SpfSelection::Outcome::kMultiple ||
      new_records.outcome == SpfSelection::Outcome::kMultiple) {
    guards.push_back(
        Refuse(guard_code::kSpfMultiple,
               fmt::format("SPF records before: {}, after: {}; at most one each is right",
                           old_records.indexes.size(), new_records.indexes.size()),
               {{"records", std::to_string(new_records.indexes.size())}}));
    return guards;
  }
  const auto only = [](const std::vector<std::string>& texts, const SpfSelection& selection) {
    return selection.indexes.empty() ? std::string() : texts[selection.indexes.front()];
  };
  const std::string text_before = only(before, old_records);
  const std::string text_after = only(after, new_records);
  guards.push_back(Pass(guard_code::kSpfMultiple, "at most one SPF record"));
  guards.push_back(GuardPlusAll(text_after));
  guards.push_back(GuardUnmanaged(text_before, text_after, managed_before, managed_after));
  return guards;
}

}  // namespace dmarcate
