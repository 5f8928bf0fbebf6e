#include "policyd/rollout/binomial.h"

#include <algorithm>
#include <cmath>

namespace dmarcate {
namespace {

// The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), by Lentz's
// method; converges fast for x < (a + 1) / (a + b + 2).
double BetaFraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  const auto nonzero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1;
  double d = 1 / nonzero(1 - (a + b) * x / (a + 1));
  double result = d;
  for (int i = 1; i <= 10'000; ++i) {
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
    if (std::abs(step - 1) < 1e-14) break;
  }
  return result;
}

// std::lgamma writes a global variable; this is the same series for arguments of at least 1.
double LogGamma(double x) {
  double shift = 0;
  while (x < 15) {
    shift -= std::log(x);
    x += 1;
  }
  const double inverse = 1 / x;
  const double square = inverse * inverse;
  const double series =
      inverse * (1.0 / 12 - square * (1.0 / 360 - square * (1.0 / 1260 - square / 1680)));
  return shift + (x - 0.5) * std::log(x) - x + 0.918938533204672742 + series;
}

// Regularized incomplete beta function I_x(a, b); a, b >= 1.
double IncompleteBeta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front =
      std::exp(LogGamma(a + b) - LogGamma(a) - LogGamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * BetaFraction(a, b, x) / a;
  return 1 - front * BetaFraction(b, a, 1 - x) / b;
}

// The x at which I_x(a, b) is `level`; 50 halvings are far below the last digit that is ever shown.
double InverseBeta(double a, double b, double level) {
  double low = 0;
  double high = 1;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (IncompleteBeta(a, b, middle) < level ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

double UpperBound(int64_t failures, int64_t trials, double confidence) {
  if (trials <= 0 || failures >= trials) return 1;
  const auto k = static_cast<double>(std::max<int64_t>(failures, 0));
  const auto n = static_cast<double>(trials);
  if (k == 0) return 1 - std::pow(1 - confidence, 1 / n);
  return InverseBeta(k + 1, n - k, confidence);
}

double LowerBound(int64_t failures, int64_t trials, double confidence) {
  if (trials <= 0 || failures <= 0) return 0;
  const auto k = static_cast<double>(std::min(failures, trials));
  const auto n = static_cast<double>(trials);
  if (k == n) return std::pow(1 - confidence, 1 / n);
  return InverseBeta(k, n - k + 1, 1 - confidence);
}

int64_t TrialsNeeded(int64_t failures, double bound, double confidence) {
  // The bound is kept as soon as so few failures would be this improbable at the rate `bound`.
  const auto enough = [&](int64_t trials) {
    if (failures == 0) return UpperBound(0, trials, confidence) <= bound;
    const auto k = static_cast<double>(failures);
    return trials > failures &&
           IncompleteBeta(k + 1, static_cast<double>(trials) - k, bound) >= confidence;
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
