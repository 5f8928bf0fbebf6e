// tests/testing/status_matchers.h
// gmock matchers for absl::Status and absl::StatusOr, which Debian 12's abseil lacks.
//
//   EXPECT_THAT(Parse("x"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("octet 1")));
//   EXPECT_THAT(Parse("1"), IsOkAndHolds(1));
//   DMARCATE_ASSERT_OK_AND_ASSIGN(const auto value, Parse("1"));

#ifndef DMARCATE_TESTS_TESTING_STATUS_MATCHERS_H_
#define DMARCATE_TESTS_TESTING_STATUS_MATCHERS_H_

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate::testing_support {

inline const absl::Status& GetStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& value) {
  return value.status();
}

MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  const absl::Status status = GetStatus(arg);
  *result_listener << "whose status is " << status.ToString();
  return status.ok();
}

MATCHER_P(StatusIs, code, "has status code " + testing::PrintToString(code)) {
  const absl::Status status = GetStatus(arg);
  *result_listener << "whose status is " << status.ToString();
  return status.code() == code;
}

MATCHER_P2(StatusIs, code, message, "has the status code and a matching message") {
  const absl::Status status = GetStatus(arg);
  *result_listener << "whose status is " << status.ToString();
  return status.code() == code &&
         testing::ExplainMatchResult(message,
                                     std::string(status.message().data(), status.message().size()),
                                     result_listener);
}

MATCHER_P(IsOkAndHolds, value_matcher, "is OK and holds a matching value") {
  if (!arg.ok()) {
    *result_listener << "whose status is " << arg.status().ToString();
    return false;
  }
  return testing::ExplainMatchResult(value_matcher, *arg, result_listener);
}

}  // namespace dmarcate::testing_support

#define DMARCATE_ASSERT_OK_AND_ASSIGN(lhs, expr) \
  DMARCATE_ASSERT_OK_AND_ASSIGN_(DMARCATE_TEST_CONCAT_(dmarcate_or_, __LINE__), lhs, expr)
#define DMARCATE_ASSERT_OK_AND_ASSIGN_(name, lhs, expr) \
  auto name = (expr);                                   \
  ASSERT_TRUE(name.ok()) << name.status();              \
  lhs = *std::move(name)
#define DMARCATE_TEST_CONCAT_(a, b) DMARCATE_TEST_CONCAT_INNER_(a, b)
#define DMARCATE_TEST_CONCAT_INNER_(a, b) a##b

#endif  // DMARCATE_TESTS_TESTING_STATUS_MATCHERS_H_
