#include "policyd/analysis/trusted.h"

#include <algorithm>

#include "fmt/format.h"

namespace dmarcate {
namespace {

constexpr int64_t kSetUpPercent = 95;

Agreement Vote(const std::vector<AnchorCounts>& anchors, int64_t Counts::* part) {
  size_t voices = 0, yes = 0;
  for (const AnchorCounts& anchor : anchors) {
    if (anchor.counts.messages == 0) continue;
    ++voices;
    if (NearlyAll(anchor.counts.*part, anchor.counts.messages)) ++yes;
  }
  if (2 * yes == voices) return Agreement::kSplit;
  return 2 * yes > voices ? Agreement::kYes : Agreement::kNo;
}

Agreement Of(const Counts& counts, int64_t Counts::* part) {
  return NearlyAll(counts.*part, counts.messages) ? Agreement::kYes : Agreement::kNo;
}

}  // namespace

Counts BelievedCounts(const std::array<Counts, kTrustClasses>& by_trust) {
  Counts out;
  for (size_t trust = 0; trust < kTrustClasses; ++trust) {
    if (IsBelieved(static_cast<TrustClass>(trust))) out.Add(by_trust[trust]);
  }
  return out;
}

bool NearlyAll(int64_t part, int64_t whole) {
  return whole > 0 && static_cast<double>(part) * 100 >= static_cast<double>(whole) * kSetUpPercent;
}

TrustedEvidence TrustedOf(const SourceStatistics& source) {
  const Counts& anchored = source.by_trust[static_cast<size_t>(TrustClass::kAnchored)];
  const Counts& imported = source.by_trust[static_cast<size_t>(TrustClass::kImported)];
  TrustedEvidence out;
  if (source.anchors.size() >= 2) {
    out.ground = TrustedGround::kAnchors;
    out.counts = anchored;
    out.dkim_set_up = Vote(source.anchors, &Counts::dkim_aligned);
    out.spf_set_up = Vote(source.anchors, &Counts::spf_aligned);
    out.passes = Vote(source.anchors, &Counts::dmarc_pass);
    return out;
  }
  out.counts = BelievedCounts(source.by_trust);
  if (imported.messages > 0 || source.counts.messages == 0) {
    out.ground = TrustedGround::kImported;
  } else if (anchored.messages > 0) {
    out.ground = TrustedGround::kOneAnchor;
  }
  out.dkim_set_up = Of(out.counts, &Counts::dkim_aligned);
  out.spf_set_up = Of(out.counts, &Counts::spf_aligned);
  out.passes = Of(out.counts, &Counts::dmarc_pass);
  return out;
}

Suggestion SuggestApproval(const SourceStatistics& source, bool dangling) {
  const auto no = [](std::string why) { return Suggestion{false, std::move(why)}; };
  if (source.rule == Rule::kOverflow) return no("it stands for many senders");
  if (source.kind == SourceKind::kForwarder) return no("it passes on mail of others");
  size_t proving = 0;
  for (const AnchorCounts& anchor : source.anchors) {
    const bool long_enough = anchor.last_day - anchor.first_day + 1 >= kSuggestionDays;
    if (anchor.proved > 0 && long_enough) ++proving;
  }
  if (proving < 2) {
    return no(fmt::format("{} of 2 anchors have seen for {} days mail that proves who it is",
                          proving, kSuggestionDays));
  }
  if (TrustedOf(source).dkim_set_up != Agreement::kYes) {
    return no("most anchors do not say that it aligns by DKIM");
  }
  if (dangling) return no("an SPF name of it leads to nothing, or that is not known");
  return {true, fmt::format("{} anchors have seen for {} days that it signs as you", proving,
                            kSuggestionDays)};
}

}  // namespace dmarcate
