// tests/testing/golden.h
// Long expected output as a file that is reviewed as a diff.

#ifndef DMARCATE_TESTS_TESTING_GOLDEN_H_
#define DMARCATE_TESTS_TESTING_GOLDEN_H_

#include <string>
#include <string_view>

#include <gmock/gmock.h>

namespace dmarcate::testing_support {

// Equal, or where they part: "" if `got` is what tests/data/`name` holds. With
// DMARCATE_UPDATE_GOLDEN=1 the file is written instead, and the test passes.
std::string CompareWithGolden(std::string_view got, const std::string& name);

// EXPECT_THAT(Render(x), MatchesGolden("aggregate/google.want.txtpb"));
MATCHER_P(MatchesGolden, name, "is what tests/data/" + std::string(name) + " holds") {
  const std::string difference = CompareWithGolden(arg, name);
  *result_listener << difference;
  return difference.empty();
}

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_TESTING_GOLDEN_H_
