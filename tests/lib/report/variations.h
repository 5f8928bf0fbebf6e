// tests/lib/report/variations.h
// The same report, written differently (report-quirks section 19).

#ifndef DMARCATE_TESTS_LIB_REPORT_VARIATIONS_H_
#define DMARCATE_TESTS_LIB_REPORT_VARIATIONS_H_

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace dmarcate {

// One well-formed document as a tree would print it: nothing but elements, texts and attributes.
// nullopt: it is not well-formed.
std::optional<std::string> Reprinted(const std::string& document);
// The same with the children of every element in another order; those of one name keep theirs,
// which has a meaning.
std::optional<std::string> Shuffled(const std::string& document, uint32_t seed);
// The same with a prefix before the name of every element, bound to the namespace that the root
// had, or to `fallback`.
std::optional<std::string> Prefixed(const std::string& document, const std::string& fallback);

// 0 to 11 bytes, most of them such as markup is made of.
std::string Noise(std::mt19937& random);

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_REPORT_VARIATIONS_H_
