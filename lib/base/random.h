// lib/base/random.h
// Randomness as a dependency: the system's for ids and secrets, a seeded one for tests.

#ifndef DMARCATE_LIB_BASE_RANDOM_H_
#define DMARCATE_LIB_BASE_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>

#include "absl/time/time.h"

namespace dmarcate {

// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::string Bytes(size_t n) = 0;
};

class SystemRandom final : public Random {  // getrandom(2); fit for secrets
 public:
  std::string Bytes(size_t n) override;
};

class SeededRandom final : public Random {  // the same seed, the same bytes; for tests
 public:
  explicit SeededRandom(uint64_t seed) : engine_(seed) {}
  std::string Bytes(size_t n) override;

 private:
  std::mutex mutex_;
  std::mt19937_64 engine_;
};

// 26 characters of lower-case Crockford base32 that sort by time (48 bits of milliseconds, then
// 80 random bits): "01jd2y4q8zj0k5c6v7w8x9y0ab". Fit as a DNS label and as a resource id.
std::string MakeSortableId(absl::Time now, Random& random);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_RANDOM_H_
