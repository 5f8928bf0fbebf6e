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

// The probabilities of k or more of n at the rate p, and of exactly k; 1 <= k <= n.
struct Tail {
  double at_least = 0, exactly = 0;
};
Tail TailOf(double k, double n, double p) {
  if (p <= 0) return {0, 0};
  if (p >= 1) return {1, k == n ? 1.0 : 0.0};
  const double a = k, b = n - k + 1;
  if (p < (a + 1) / (a + b + 2)) {
    const double exactly = Exactly(a, n, p);
    return {exactly * (1 - p) * BetaFraction(a, b, p), exactly};
  }
  const double one_less = Exactly(b, n, 1 - p);  // b failures, so k - 1
  return {1 - one_less * p * BetaFraction(b, a, 1 - p), one_less * (b / a) * (p / (1 - p))};
}
double AtLeast(double k, double n, double p) { return TailOf(k, n, p).at_least; }

// About the rate at which the incomplete beta function of a and b is `level` (Abramowitz and Stegun
// 26.5.22, with 26.2.22 for the quantile of the normal distribution).
double GuessRate(double a, double b, double level) {
  if (a <= 1) return -std::expm1(std::log1p(-level) / b);
  if (b <= 1) return std::exp(std::log(level) / a);
  const double t = std::sqrt(-2 * std::log(std::min(level, 1 - level)));
  const double z = t - (2.30753 + t * 0.27061) / (1 + t * (0.99229 + t * 0.04481));
  const double y = level < 0.5 ? z : -z;
  const double inverse_a = 1 / (2 * a - 1), inverse_b = 1 / (2 * b - 1);
  const double lambda = (y * y - 3) / 6, h = 2 / (inverse_a + inverse_b);
  const double w =
      y * std::sqrt(h + lambda) / h - (inverse_b - inverse_a) * (lambda + 5.0 / 6 - 2 / (3 * h));
  return a / (a + b * std::exp(2 * w));
}

// The rate at which k or more of n come with probability `level`: Halley's method, held within a
// bracket that shrinks at each step. What a step leaves is in the order of its third power, by the
// scale on which the probability changes.
double RateOf(double k, double n, double level) {
  double low = 0, high = 1;
  double rate = GuessRate(k, n - k + 1, level);
  if (!(rate > low && rate < high)) rate = k / (n + 1);
  for (int i = 0; i < 200; ++i) {
    const Tail tail = TailOf(k, n, rate);
    const double error = tail.at_least - level;
    (error < 0 ? low : high) = rate;
    const double slope = k * tail.exactly / rate;
    double next = low;
    if (slope > 0) {
      const double step = error / slope;
      const double bent = step * ((k - 1) / rate - (n - k) / (1 - rate));  // of the slope, by it
      next = rate - (std::abs(bent) < 1 ? step / (1 - 0.5 * bent) : step);
      const double scale = std::min({std::sqrt(rate * (1 - rate) / n), rate, 1 - rate});
      if (std::abs(next - rate) <= 1e-5 * scale) return next;
    }
    if (!(next > low && next < high)) next = low + (high - low) / 2;
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
