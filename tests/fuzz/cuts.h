// tests/fuzz/cuts.h
// Cuts a text into pieces by chance, so that a fuzz target can ask whether the cuts matter.

#ifndef DMARCATE_TESTS_FUZZ_CUTS_H_
#define DMARCATE_TESTS_FUZZ_CUTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>

namespace dmarcate::fuzz {

// Pieces of 1 to `most` bytes; the same seed gives the same.
class Cuts {
 public:
  Cuts(uint64_t seed, size_t most) : random_(seed), most_(most) {}
  static Cuts None() { return {0, SIZE_MAX}; }

  // Takes the next piece off the front of `rest`, which is not empty.
  std::string_view Next(std::string_view& rest) {
    const size_t bytes = most_ == SIZE_MAX ? rest.size() : 1 + random_() % most_;
    const std::string_view piece = rest.substr(0, bytes);
    rest.remove_prefix(piece.size());
    return piece;
  }

 private:
  std::mt19937_64 random_;
  size_t most_;
};

}  // namespace dmarcate::fuzz

#endif  // DMARCATE_TESTS_FUZZ_CUTS_H_
