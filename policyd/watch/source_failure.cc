#include "policyd/watch/source_failure.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "policyd/analysis/trusted.h"

namespace dmarcate {
namespace {

// It passes less than that for certain; and until it passes that again.
constexpr double kPassComes = 0.95, kPassStays = 0.98;

}  // namespace

std::optional<SourceFailure> FailureOf(const SourceStatistics& source,
                                       const std::vector<std::string>& reporters, bool open) {
  const auto fails = [open](const Rate& rate) {
    if (rate.whole == 0) return false;
    return open ? static_cast<double>(rate.part) < kPassStays * static_cast<double>(rate.whole)
                : rate.upper < kPassComes;
  };
  const TrustedEvidence trusted = TrustedOf(source);
  const Rate believed = RateOf(trusted.counts.dmarc_pass, trusted.counts.messages);
  if (!trusted.conclusive()) {
    const Rate all = RateOf(source.counts.dmarc_pass, source.counts.messages);
    // What one anchor says is not enough for an alarm, and no number of others drowns it.
    for (const Rate& rate : {believed, all}) {
      if (fails(rate))
        return SourceFailure{rate, Severity::kInfo, "; fewer than two anchors say so"};
    }
    return std::nullopt;
  }
  if (fails(believed)) return SourceFailure{believed, Severity::kError, ""};
  if (trusted.ground != TrustedGround::kAnchors) return std::nullopt;
  // One anchor that is compromised could drown in good mail what the others see.
  const auto voices = std::ranges::count_if(
      source.anchors, [](const AnchorCounts& anchor) { return anchor.counts.messages > 0; });
  for (const AnchorCounts& anchor : source.anchors) {
    const Rate rest =
        RateOf(believed.part - anchor.counts.dmarc_pass, believed.whole - anchor.counts.messages);
    if (!fails(rest)) continue;
    return SourceFailure{rest, voices > 2 ? Severity::kWarning : Severity::kInfo,
                         fmt::format("; that is without the reports of {}, by which {} of {} pass",
                                     EscapeForTerminal(reporters[anchor.reporter]),
                                     anchor.counts.dmarc_pass, anchor.counts.messages)};
  }
  return std::nullopt;
}

}  // namespace dmarcate
