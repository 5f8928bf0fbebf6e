// policyd/analysis/counts.h
// Message counts, never rows (report-quirks D8, D9): what one row of a report adds, and sums of it.

#ifndef DMARCATE_POLICYD_ANALYSIS_COUNTS_H_
#define DMARCATE_POLICYD_ANALYSIS_COUNTS_H_

#include <cstdint>
#include <limits>

#include "lib/report/model.h"
#include "lib/store/report_store.h"

namespace dmarcate {

// Two non-negative numbers, without overflow.
constexpr int64_t SaturatingAdd(int64_t a, int64_t b) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  return a > kMost - b ? kMost : a + b;
}

// All fields are messages. Sums saturate at INT64_MAX: a hostile report cannot wrap them.
struct Counts {
  int64_t messages = 0;
  int64_t dmarc_pass = 0;    // aligned by DKIM or by SPF, as the reporter evaluated it
  int64_t dkim_aligned = 0;  // aligned DKIM pass
  int64_t spf_aligned = 0;   // aligned SPF pass
  int64_t both_aligned = 0;
  int64_t dkim_pass = 0;         // a DKIM pass of any domain
  int64_t spf_pass = 0;          // an SPF pass of any domain
  int64_t disposition_none = 0;  // delivered: none, or RFC 9990's pass
  int64_t quarantine = 0;
  int64_t reject = 0;
  int64_t disposition_unknown = 0;

  void Add(const Counts& other) {
    const auto add = [](int64_t& to, int64_t more) { to = SaturatingAdd(to, more); };
    add(messages, other.messages);
    add(dmarc_pass, other.dmarc_pass);
    add(dkim_aligned, other.dkim_aligned);
    add(spf_aligned, other.spf_aligned);
    add(both_aligned, other.both_aligned);
    add(dkim_pass, other.dkim_pass);
    add(spf_pass, other.spf_pass);
    add(disposition_none, other.disposition_none);
    add(quarantine, other.quarantine);
    add(reject, other.reject);
    add(disposition_unknown, other.disposition_unknown);
  }
  friend bool operator==(const Counts&, const Counts&) = default;
};

// The counts of a day whose rows are gone. Totals know no raw passes: the aligned ones, which are
// raw passes, too, stand for them and are too few where others passed unaligned.
Counts ToCounts(const DayTotals& totals);

// What is true of every message of one row; computed once, however many sums it enters.
class RowFacts {
 public:
  explicit RowFacts(const AggregateRecord& record);
  RowFacts(bool dkim_aligned, bool spf_aligned, bool dkim_pass, bool spf_pass,
           Disposition disposition)
      : dkim_aligned_(dkim_aligned),
        spf_aligned_(spf_aligned),
        dkim_pass_(dkim_pass),
        spf_pass_(spf_pass),
        disposition_(disposition) {}
  // `messages` of the row as counts.
  Counts Of(int64_t messages) const;
  bool dmarc_pass() const { return dkim_aligned_ || spf_aligned_; }
  bool dkim_aligned() const { return dkim_aligned_; }
  bool spf_aligned() const { return spf_aligned_; }
  bool dkim_pass() const { return dkim_pass_; }
  bool spf_pass() const { return spf_pass_; }

 private:
  bool dkim_aligned_, spf_aligned_, dkim_pass_, spf_pass_;
  Disposition disposition_;
};

// The row's own count, cut at INT64_MAX.
int64_t MessagesOf(const AggregateRecord& record);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_COUNTS_H_
