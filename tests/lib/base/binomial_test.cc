#include "lib/base/binomial.h"

#include <cmath>

#include "gtest/gtest.h"

namespace dmarcate {
namespace {

// Clopper-Pearson intervals of 95 % as printed in tables.
struct Known {
  int64_t failures, trials;
  double lower, upper;
};
TEST(Binomial, AgreesWithPrintedTables) {
  const Known kKnown[] = {
      {0, 10, 0, 0.3084971},  {1, 10, 0.002528579, 0.4450161},  {5, 10, 0.1870860, 0.8129140},
      {10, 10, 0.6915029, 1}, {10, 100, 0.04900469, 0.1762226}, {1, 1, 0.025, 1},
  };
  for (const Known& k : kKnown) {
    EXPECT_NEAR(LowerBound(k.failures, k.trials, 0.975), k.lower, 6e-8) << k.failures;
    EXPECT_NEAR(UpperBound(k.failures, k.trials, 0.975), k.upper, 6e-8) << k.failures;
  }
}

TEST(Binomial, TheRuleOfThree) {
  EXPECT_NEAR(UpperBound(0, 300, 0.95), 1 - std::pow(0.05, 1.0 / 300), 1e-15);
  EXPECT_LT(UpperBound(0, 299, 0.95), 0.01);
  EXPECT_GT(UpperBound(0, 298, 0.95), 0.01);
}

// P(X <= k) by adding up the terms.
double AtMost(int64_t k, int64_t n, double p) {
  long double sum = 0;
  for (int64_t i = 0; i <= k; ++i) {
    long double term = 1;
    for (int64_t j = 0; j < i; ++j) {
      term *= static_cast<long double>(n - j) / static_cast<long double>(i - j);
    }
    sum += term * std::pow(static_cast<long double>(p), i) *
           std::pow(1 - static_cast<long double>(p), n - i);
  }
  return static_cast<double>(sum);
}

TEST(Binomial, IsExactByTheDefinition) {
  for (const int64_t n : {1, 2, 7, 20, 41, 120, 333}) {
    for (int64_t k = 0; k < n; k += 1 + n / 13) {
      for (const double confidence : {0.5, 0.9, 0.95, 0.999}) {
        EXPECT_NEAR(AtMost(k, n, UpperBound(k, n, confidence)), 1 - confidence, 1e-11)
            << k << " of " << n;
        if (k > 0) {
          EXPECT_NEAR(1 - AtMost(k - 1, n, LowerBound(k, n, confidence)), 1 - confidence, 1e-11)
              << k << " of " << n;
        }
      }
    }
  }
}

// Few of very many are Poisson: 10 of them leave up to half the 95 % quantile of chi square with 22
// degrees of freedom possible.
TEST(Binomial, IsPoissonForFewOfABillion) {
  EXPECT_NEAR(UpperBound(10, 1'000'000'000, 0.95) * 1e9, 16.962219, 2e-5);
  EXPECT_NEAR(LowerBound(10, 1'000'000'000, 0.95) * 1e9, 5.425406, 2e-5);
}

TEST(Binomial, IsNormalForHalfOfABillion) {
  const double n = 1e9, sigma = 0.5 / std::sqrt(n), z = 1.6448536269514722;
  EXPECT_NEAR(UpperBound(500'000'000, 1'000'000'000, 0.95), 0.5 + z * sigma + 0.5 / n, 1e-11);
  EXPECT_NEAR(LowerBound(500'000'000, 1'000'000'000, 0.95), 0.5 - z * sigma - 0.5 / n, 1e-11);
}

TEST(Binomial, MoreTrialsNarrowIt) {
  double last = 1;
  for (int64_t n = 10; n <= 1'000'000'000; n *= 10) {
    const double bound = UpperBound(n / 10, n, 0.95);
    EXPECT_LT(bound, last) << n;
    EXPECT_GT(bound, 0.1) << n;
    last = bound;
  }
}

TEST(Binomial, MirrorsFailuresAndPasses) {
  for (const int64_t n : {3, 40, 12'345, 900'000'000}) {
    EXPECT_NEAR(UpperBound(n / 3, n, 0.95), 1 - LowerBound(n - n / 3, n, 0.95), 1e-12) << n;
  }
}

TEST(Binomial, NothingSeenSaysNothing) {
  EXPECT_EQ(UpperBound(0, 0, 0.95), 1);
  EXPECT_EQ(LowerBound(0, 0, 0.95), 0);
  EXPECT_EQ(UpperBound(5, 5, 0.95), 1);
  EXPECT_EQ(LowerBound(0, 5, 0.95), 0);
}

TEST(Binomial, MessagesNeeded) {
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
