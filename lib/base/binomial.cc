#include "lib/base/binomial.h"

#include <algorithm>
#include <cmath>

namespace dmarcate {
namespace {

constexpr double kTwoPi = 6.283185307179586477;

// log(n!) less Stirling's formula for it; n >= 1, an integer.
double StirlingError(double n) {
  if (n <= 15) {
    double factorial = 1;
    for (int i = 2; i <= static_cast<int>(n); ++i) factorial *= i;
    return std::log(factorial) - (n + 0.5) * std::log(n) + n - 0.5 * std::log(kTwoPi);
  }
  const double square = 1 / (n * n);
  return (1.0 / 12 - square * (1.0 / 360 - square * (1.0 / 1260 - square / 1680))) / n;
}

// x log(x / m) + m - x, also where x and m nearly agree and the terms would cancel.
double Deviance(double x, double m) {
  if (std::abs(x - m) >= 0.1 * (x + m)) return x * std::log(x / m) + m - x;
  const double v = (x - m) / (x + m);
  double sum = (x - m) * v;
  double term = 2 * x * v;
  for (int i = 1; i < 1000; ++i) {
    term *= v * v;
    const double next = sum + term / (2 * i + 1);
    if (next == sum) break;
    sum = next;
  }
  return sum;
}

// The probability of exactly k of n at the rate p, by Loader's saddle-point expansion ("Fast and
// accurate computation of binomial probabilities", 2000): the logarithms of huge factorials, which
// would cancel, never occur.
double Exactly(double k, double n, double p) {
  const double q = 1 - p;
  if (p <= 0) return k == 0 ? 1 : 0;
  if (q <= 0) return k == n ? 1 : 0;
  if (k == 0) return std::exp(n * std::log1p(-p));
  if (k == n) return std::exp(n * std::log(p));
  const double exponent = StirlingError(n) - StirlingError(k) - StirlingError(n - k) -
                          Deviance(k, n * p) - Deviance(n - k, n * q);
  return std::exp(exponent) * std::sqrt(n / (kTwoPi * k * (n - k)));
}

// The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), by Lentz's
// method, for x < (a + 1) / (a + b + 2). It takes in the order of sqrt(a + b) steps.
double BetaFraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  const auto nonzero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  const int limit = 1000 + static_cast<int>(10 * std::sqrt(a + b));
  double c = 1;
  double d = 1 / nonzero(1 - (a + b) * x / (a + 1));
  double result = d;
  for (int i = 1; i <= limit; ++i) {
    const double m = i;
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonzero(1 + even * d);
    c = nonzero(1 + even / c);
    result *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonzero(1 + odd * d);
    c = nonzero(1 + odd / c);
    const double step = d * c;
    result *= step;
    if (std::abs(step - 1) < 1e-15) break;
  }
  return result;
}

// The probability of k or more of n at the rate p; 1 <= k <= n.
double AtLeast(double k, double n, double p) {
  if (p <= 0) return 0;
  if (p >= 1) return 1;
  const double a = k, b = n - k + 1;
  if (p < (a + 1) / (a + b + 2)) return Exactly(a, n, p) * (1 - p) * BetaFraction(a, b, p);
  return 1 - Exactly(b, n, 1 - p) * p * BetaFraction(b, a, 1 - p);
}

// The rate at which k or more of n come with probability `level`: Newton's method, held within a
// bracket that shrinks at each step.
double RateOf(double k, double n, double level) {
  double low = 0, high = 1;
  double rate = k / (n + 1);
  for (int i = 0; i < 200; ++i) {
    const double error = AtLeast(k, n, rate) - level;
    (error < 0 ? low : high) = rate;
    const double slope = k * Exactly(k, n, rate) / rate;
    double next = slope > 0 ? rate - error / slope : low;
    if (!(next > low && next < high)) next = low + (high - low) / 2;
    if (std::abs(next - rate) <= 1e-14 * next) return next;
    rate = next;
  }
  return rate;
}

}  // namespace

double UpperBound(int64_t failures, int64_t trials, double confidence) {
  if (trials <= 0 || failures >= trials) return 1;
  const auto k = static_cast<double>(std::max<int64_t>(failures, 0));
  const auto n = static_cast<double>(trials);
  if (k == 0) return -std::expm1(std::log1p(-confidence) / n);
  return RateOf(k + 1, n, confidence);
}

double LowerBound(int64_t failures, int64_t trials, double confidence) {
  if (trials <= 0 || failures <= 0) return 0;
  const auto k = static_cast<double>(std::min(failures, trials));
  const auto n = static_cast<double>(trials);
  if (k == n) return std::exp(std::log1p(-confidence) / n);
  return RateOf(k, n, 1 - confidence);
}

int64_t TrialsNeeded(int64_t failures, double bound, double confidence) {
  // The bound is kept as soon as so few failures would be this improbable at the rate `bound`.
  const auto enough = [&](int64_t trials) {
    if (failures == 0) return UpperBound(0, trials, confidence) <= bound;
    const auto k = static_cast<double>(failures);
    return trials > failures && AtLeast(k + 1, static_cast<double>(trials), bound) >= confidence;
  };
  int64_t low = failures;  // never enough
  int64_t high = failures + 1;
  while (!enough(high) && high < (int64_t{1} << 50)) high *= 2;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace dmarcate
