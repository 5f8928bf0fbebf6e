// lib/base/binomial.h
// Exact bounds of a rate from a count (Clopper and Pearson, 1934): right for ten messages as for a
// billion. One-sided: for a two-sided interval of 95 % ask for 0.975 at each end. Pure.

#ifndef DMARCATE_LIB_BASE_BINOMIAL_H_
#define DMARCATE_LIB_BASE_BINOMIAL_H_

#include <cstdint>

namespace dmarcate {

// The largest rate that `failures` of `trials` leave possible with one-sided `confidence` (0.95);
// 1 for no trials. 0 <= failures <= trials. To nine digits and more for up to 10^9 trials.
double UpperBound(int64_t failures, int64_t trials, double confidence);
// The smallest such rate; 0 for no failures.
double LowerBound(int64_t failures, int64_t trials, double confidence);
// The fewest trials with `failures` of them failing whose upper bound is at most `bound`.
int64_t TrialsNeeded(int64_t failures, double bound, double confidence);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_BINOMIAL_H_
