// tests/simulation/dice.h
// Chance from a seed alone: the same seed, the same world, whatever library is below.

#ifndef DMARCATE_TESTS_SIMULATION_DICE_H_
#define DMARCATE_TESTS_SIMULATION_DICE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <random>

namespace dmarcate::simulation {

class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}

  uint64_t Raw() { return engine_(); }
  // 0 to n - 1.
  int64_t Below(int64_t n) {
    return static_cast<int64_t>(engine_() % static_cast<uint64_t>(std::max<int64_t>(n, 1)));
  }
  int64_t Between(int64_t low, int64_t high) { return low + Below(high - low + 1); }
  double Share() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  bool Happens(double probability) { return Share() < probability; }
  bool OneIn(int64_t n) { return Below(n) == 0; }
  double From(std::initializer_list<double> values) {
    return values.begin()[Below(static_cast<int64_t>(values.size()))];
  }
  // How many of `n` happen, each with `probability`.
  int64_t Of(int64_t n, double probability) {
    if (n <= 0 || probability <= 0) return 0;
    if (probability >= 1) return n;
    const double mean = static_cast<double>(n) * probability;
    if (n <= 50) {
      int64_t count = 0;
      for (int64_t i = 0; i < n; ++i) count += Happens(probability) ? 1 : 0;
      return count;
    }
    if (mean < 20) {  // Poisson is near enough, by its definition
      const double limit = std::exp(-mean);
      int64_t count = -1;
      for (double product = 1; product > limit; product *= Share()) ++count;
      return std::min(count, n);
    }
    double normal = -6;
    for (int i = 0; i < 12; ++i) normal += Share();
    const double deviation = std::sqrt(mean * (1 - probability));
    return std::clamp<int64_t>(std::llround(mean + normal * deviation), 0, n);
  }
  // A count around `mean`, which may be below one.
  int64_t Around(double mean) {
    const double rough = mean * (0.75 + Share() / 2);
    const auto whole = static_cast<int64_t>(rough);
    return whole + (Happens(rough - static_cast<double>(whole)) ? 1 : 0);
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_DICE_H_
