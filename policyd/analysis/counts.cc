#include "policyd/analysis/counts.h"

#include <algorithm>
#include <limits>

namespace dmarcate {

Counts ToCounts(const DayTotals& totals) {
  const auto cut = [](uint64_t messages) {
    return static_cast<int64_t>(std::min<uint64_t>(messages, std::numeric_limits<int64_t>::max()));
  };
  Counts counts;
  counts.messages = cut(totals.messages);
  counts.dmarc_pass = cut(totals.dmarc_pass);
  counts.dkim_aligned = counts.dkim_pass = cut(totals.dkim_aligned);
  counts.spf_aligned = counts.spf_pass = cut(totals.spf_aligned);
  counts.both_aligned = cut(totals.both_aligned);
  counts.disposition_none = SaturatingAdd(cut(totals.disposition_none), cut(totals.pass));
  counts.quarantine = cut(totals.quarantine);
  counts.reject = cut(totals.reject);
  counts.disposition_unknown = cut(totals.disposition_unknown);
  return counts;
}

RowFacts::RowFacts(const AggregateRecord& record)
    : dkim_aligned_(record.dkim_aligned == AlignedResult::kPass),
      spf_aligned_(record.spf_aligned == AlignedResult::kPass),
      // Some reporters leave auth_results out; an aligned pass is a pass all the same.
      dkim_pass_(dkim_aligned_ ||
                 std::ranges::any_of(
                     record.dkim, [](const DkimAuth& a) { return a.result == AuthResult::kPass; })),
      spf_pass_(spf_aligned_ ||
                std::ranges::any_of(
                    record.spf, [](const SpfAuth& a) { return a.result == AuthResult::kPass; })),
      disposition_(record.disposition) {}

Counts RowFacts::Of(int64_t messages) const {
  const auto if_true = [messages](bool fact) { return fact ? messages : 0; };
  Counts counts;
  counts.messages = messages;
  counts.dmarc_pass = if_true(dmarc_pass());
  counts.dkim_aligned = if_true(dkim_aligned_);
  counts.spf_aligned = if_true(spf_aligned_);
  counts.both_aligned = if_true(dkim_aligned_ && spf_aligned_);
  counts.dkim_pass = if_true(dkim_pass_);
  counts.spf_pass = if_true(spf_pass_);
  switch (disposition_) {
    case Disposition::kNone:
    case Disposition::kPass:
      counts.disposition_none = messages;
      break;
    case Disposition::kQuarantine:
      counts.quarantine = messages;
      break;
    case Disposition::kReject:
      counts.reject = messages;
      break;
    case Disposition::kUnspecified:
      counts.disposition_unknown = messages;
      break;
  }
  return counts;
}

int64_t MessagesOf(const AggregateRecord& record) {
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  return static_cast<int64_t>(std::min(record.count, kMax));
}

}  // namespace dmarcate
