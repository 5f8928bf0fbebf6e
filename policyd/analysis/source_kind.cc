#include "policyd/analysis/source_kind.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace dmarcate {
namespace {

bool SendsAsUs(Rule rule) { return rule == Rule::kOwnDkim || rule == Rule::kOwnEnvelope; }

KindGrounds GroundsOf(const SourceStatistics& source) {
  if (source.believed.messages > 0) return source.believed;
  return {.messages = source.counts.messages,
          .dmarc_pass = source.counts.dmarc_pass,
          .forwarded_by_override = source.forwarded_by_override,
          .own_envelope_denied = source.own_envelope_denied,
          .own_signature = source.own_signature,
          .own_dkim = source.by_rule[static_cast<size_t>(Rule::kOwnDkim)],
          .own_selectors = source.own_selectors,
          .own_selectors_known = source.own_selectors_known};
}

}  // namespace

std::string_view ToString(SourceKind kind) {
  switch (kind) {
    case SourceKind::kSender:
      return "sender";
    case SourceKind::kForwarder:
      return "forwarder";
    case SourceKind::kUnknown:
      return "unknown";
    case SourceKind::kInternal:
      return "internal";
    case SourceKind::kSuspicious:
      return "suspicious";
  }
  return "";
}

std::set<std::string> HomeSelectors(const std::vector<SourceStatistics>& sources) {
  const bool anybody =
      std::ranges::any_of(sources, [](const auto& source) { return source.believed.messages > 0; });
  std::set<std::string> out;
  for (const SourceStatistics& source : sources) {
    if (anybody && source.believed.messages == 0) continue;
    const KindGrounds grounds = GroundsOf(source);
    if (source.service == nullptr && grounds.own_dkim == 0) continue;
    out.insert(grounds.own_selectors.begin(), grounds.own_selectors.end());
  }
  return out;
}

SourceKind KindOf(const SourceStatistics& source, const std::set<std::string>& home_selectors) {
  if (source.service != nullptr) {
    return source.service->kind == ServiceKind::kForwarder ? SourceKind::kForwarder
                                                           : SourceKind::kSender;
  }
  if (SendsAsUs(source.rule)) return SourceKind::kInternal;
  const KindGrounds grounds = GroundsOf(source);
  if (grounds.forwarded_by_override > grounds.messages / 2) return SourceKind::kForwarder;
  if (grounds.own_signature == 0) {
    const bool unsupported =
        source.rule == Rule::kAddress || grounds.own_envelope_denied > grounds.messages / 2;
    return unsupported && grounds.dmarc_pass == 0 ? SourceKind::kSuspicious : SourceKind::kUnknown;
  }
  const bool relayed =
      grounds.own_selectors_known && !grounds.own_selectors.empty() &&
      std::ranges::all_of(grounds.own_selectors, [&home_selectors](const std::string& selector) {
        return home_selectors.contains(selector);
      });
  if (relayed || grounds.forwarded_by_override > 0) return SourceKind::kForwarder;
  return SourceKind::kSender;
}

}  // namespace dmarcate
