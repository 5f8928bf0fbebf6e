// tests/lib/mailauth/bad_case.h
// A text that a record's parser must refuse, and what it must say.

#ifndef DMARCATE_TESTS_LIB_MAILAUTH_BAD_CASE_H_
#define DMARCATE_TESTS_LIB_MAILAUTH_BAD_CASE_H_

#include <string>

#include "absl/status/status.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {

struct BadCase {
  std::string name;  // of the test
  std::string text;
  std::string message;  // a part of it
  int position;
};

inline void ExpectRefused(const absl::Status& status, const BadCase& bad) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(MessageOf(status)), testing::HasSubstr(bad.message));
  EXPECT_EQ(PositionOf(status), bad.position);
  EXPECT_LT(MessageOf(status).size(), 300u) << "whatever the text is";
}

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_MAILAUTH_BAD_CASE_H_
