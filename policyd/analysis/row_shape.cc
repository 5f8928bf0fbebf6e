#include "policyd/analysis/row_shape.h"

#include <algorithm>
#include <vector>

#include "lib/mailauth/domain_name.h"
#include "policyd/analysis/counts.h"

namespace dmarcate {
namespace {

// Pairs of names whose alignment is remembered.
constexpr size_t kMaxPairs = 10'000;

}  // namespace

bool RowShaper::AlignsRelaxed(const std::string& author, const std::string& identifier) {
  if (author.empty() || identifier.empty()) return false;
  if (author == identifier) return true;
  if (aligned_.size() >= kMaxPairs) aligned_.clear();
  const auto [it, inserted] = aligned_.try_emplace({author, identifier}, false);
  if (inserted) {
    const auto a = DomainName::Parse(author), b = DomainName::Parse(identifier);
    it->second = a.ok() && b.ok() && IsAligned(DmarcAlignmentMode::kRelaxed, *a, *b, suffixes_);
  }
  return it->second;
}

uint32_t RowShaper::SelectorsOf(const AggregateRecord& record, std::string_view one) {
  std::vector<uint32_t> numbers;
  const auto add = [&](std::string_view selector) {
    if (selector.empty()) return;
    const uint32_t number = names_.AddText(selector);
    if (std::ranges::find(numbers, number) == numbers.end()) numbers.push_back(number);
  };
  add(one);
  for (const DkimAuth& auth : record.dkim) {
    if (auth.result == AuthResult::kPass && IsAtOrBelow(auth.domain, domain_) && auth.selector) {
      add(*auth.selector);
    }
  }
  return names_.AddText(
      {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(numbers[0])});
}

RowShape RowShaper::ShapeOf(const AggregateRecord& record, const PublishedPolicy& published,
                            const Attribution& attribution) {
  RowShape shape;
  shape.header_from = names_.AddText(record.header_from);
  const RowFacts facts(record);
  shape.dkim_aligned = facts.dkim_aligned();
  shape.spf_aligned = facts.spf_aligned();
  shape.dkim_pass = facts.dkim_pass();
  shape.spf_pass = facts.spf_pass();
  shape.forwarded_by_override = attribution.forward_hint == ForwardHint::kOverride;
  shape.forwarded_by_broken_spf = attribution.forward_hint == ForwardHint::kBrokenSpf;
  shape.own_signature = attribution.own_signature;
  shape.own_envelope_denied = attribution.own_envelope_denied;
  if (attribution.own_signature) shape.selectors = SelectorsOf(record, attribution.own_selector);
  shape.disposition = static_cast<uint8_t>(record.disposition);
  for (const OverrideReason& reason : record.reasons) {
    shape.overrides |= static_cast<uint8_t>(1u << (static_cast<unsigned>(reason.type) % 8));
  }
  shape.published_strict_dkim = published.adkim == AlignmentMode::kStrict;
  shape.published_strict_spf = published.aspf == AlignmentMode::kStrict;
  for (const DkimAuth& auth : record.dkim) {
    if (auth.result != AuthResult::kPass || auth.domain.empty()) continue;
    shape.dkim_any = 1;
    shape.dkim_relaxed |= AlignsRelaxed(record.header_from, auth.domain);
    shape.dkim_strict |= record.header_from == auth.domain;
  }
  for (const SpfAuth& auth : record.spf) {
    if (auth.scope == SpfScope::kHelo || !auth.domain || auth.domain->empty()) continue;
    const bool relaxed = AlignsRelaxed(record.header_from, *auth.domain);
    const bool strict = record.header_from == *auth.domain;
    shape.spf_would_relaxed |= relaxed;
    shape.spf_would_strict |= strict;
    if (auth.result != AuthResult::kPass) continue;
    shape.spf_any = 1;
    shape.spf_relaxed |= relaxed;
    shape.spf_strict |= strict;
  }
  return shape;
}

}  // namespace dmarcate
