#include "policyd/rollout/binomial.h"

#include <cmath>

#include <gtest/gtest.h>

namespace dmarcate {
namespace {

// The definition, summed term by term: the chance of at most `k` failures of `n` at rate `p`.
double AtMost(int64_t k, int64_t n, double p) {
  double sum = 0;
  double choose = 1;
  for (int64_t i = 0; i <= k; ++i) {
    sum +=
        choose * std::pow(p, static_cast<double>(i)) * std::pow(1 - p, static_cast<double>(n - i));
    choose *= static_cast<double>(n - i) / static_cast<double>(i + 1);
  }
  return sum;
}

TEST(BinomialTest, BoundsAreWhatTheDefinitionSays) {
  for (const int64_t n : {1, 2, 7, 30, 299, 500}) {
    for (int64_t k = 0; k < n; k += 1 + n / 11) {
      for (const double confidence : {0.9, 0.95, 0.99}) {
        const double upper = UpperBound(k, n, confidence);
        EXPECT_NEAR(AtMost(k, n, upper), 1 - confidence, 1e-8) << k << " of " << n;
        if (k == 0) continue;
        const double lower = LowerBound(k, n, confidence);
        EXPECT_NEAR(1 - AtMost(k - 1, n, lower), 1 - confidence, 1e-8) << k << " of " << n;
        EXPECT_LT(lower, upper);
      }
    }
  }
}

TEST(BinomialTest, TheEdges) {
  EXPECT_EQ(UpperBound(0, 0, 0.95), 1);
  EXPECT_EQ(LowerBound(0, 0, 0.95), 0);
  EXPECT_EQ(UpperBound(5, 5, 0.95), 1);
  EXPECT_EQ(LowerBound(0, 5, 0.95), 0);
  EXPECT_NEAR(LowerBound(5, 5, 0.95), std::pow(0.05, 0.2), 1e-12);
  // 100 million messages: no term by term there.
  EXPECT_NEAR(UpperBound(1'000'000, 100'000'000, 0.95), 0.010016, 2e-6);
  EXPECT_LT(UpperBound(1, 100'000'000'000, 0.99), 1e-9);
}

TEST(BinomialTest, MessagesNeeded) {
  EXPECT_EQ(TrialsNeeded(0, 0.01, 0.95), 299);  // as any table has it
  EXPECT_EQ(TrialsNeeded(1, 0.01, 0.95), 473);
  EXPECT_EQ(TrialsNeeded(0, 0.01, 0.99), 459);
  for (const int64_t failures : {0, 1, 2, 10, 100}) {
    const int64_t needed = TrialsNeeded(failures, 0.01, 0.95);
    EXPECT_LE(UpperBound(failures, needed, 0.95), 0.01);
    EXPECT_GT(UpperBound(failures, needed - 1, 0.95), 0.01);
  }
}

}  // namespace
}  // namespace dmarcate
