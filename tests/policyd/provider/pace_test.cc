#include "policyd/provider/api/pace.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "policyd/provider/hosted_types.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kPatience = absl::Hours(9);

// The most requests in any span of `window`.
int Most(const std::vector<absl::Duration>& sent, absl::Duration window) {
  int most = 0;
  for (size_t first = 0; first < sent.size(); ++first) {
    const auto end = std::ranges::lower_bound(sent, sent[first] + window);
    most = std::max(most, static_cast<int>(end - sent.begin() - static_cast<long>(first)));
  }
  return most;
}

// Everybody comes at once, all the time.
std::vector<absl::Duration> Rush(AccountPace& pace, absl::Duration now, int requests) {
  std::vector<absl::Duration> sent;
  for (int i = 0; i < requests; ++i) sent.push_back(now + pace.Reserve(now, kPatience));
  return sent;
}

TEST(AccountPaceTest, NoWindowHoldsMoreThanTheLimit) {
  for (const RateLimit& limit : {RateLimit{1, absl::Seconds(1)}, RateLimit{5, absl::Seconds(1)},
                                 RateLimit{30, absl::Seconds(1)}, RateLimit{250, absl::Seconds(60)},
                                 RateLimit{1200, absl::Seconds(300)}}) {
    SCOPED_TRACE(testing::Message() << limit.requests << " in " << limit.window);
    AccountPace pace(limit);
    const std::vector<absl::Duration> sent = Rush(pace, absl::Seconds(7), limit.requests * 3);
    EXPECT_LE(Most(sent, limit.window), limit.requests);
    // And not much less: three windows' requests take little more than three windows.
    EXPECT_LT(sent.back() - sent.front(), limit.window * 4);
  }
}

TEST(AccountPaceTest, EveryDocumentedLimitIsKept) {
  int documented = 0;
  for (const std::string& type : HostedTypeNames()) {
    const RateLimit limit = DocumentedRate(type);
    if (limit.requests == 0) continue;
    ++documented;
    AccountPace pace(limit);
    EXPECT_LE(Most(Rush(pace, absl::Seconds(0), limit.requests * 2 + 5), limit.window),
              limit.requests)
        << type;
  }
  EXPECT_GE(documented, 9);
}

TEST(AccountPaceTest, ABurstIsFreeAfterARest) {
  AccountPace pace({100, absl::Seconds(50)});  // 20 at once
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(pace.Reserve(absl::Seconds(1), kPatience), absl::ZeroDuration());
  EXPECT_GT(pace.Reserve(absl::Seconds(1), kPatience), absl::ZeroDuration());
  EXPECT_EQ(pace.Reserve(absl::Seconds(1000), kPatience), absl::ZeroDuration());
}

TEST(AccountPaceTest, WithoutALimitOnlyTheHostCounts) {
  AccountPace pace({});
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(pace.Reserve(absl::Seconds(1), kPatience), absl::ZeroDuration());
  }
  pace.HoldFor(absl::Seconds(1), absl::Seconds(30));
  EXPECT_EQ(pace.Reserve(absl::Seconds(1), kPatience), absl::Seconds(30));
  EXPECT_EQ(pace.HeldFor(absl::Seconds(11)), absl::Seconds(20));
  EXPECT_EQ(pace.Reserve(absl::Seconds(31), kPatience), absl::ZeroDuration());
}

TEST(AccountPaceTest, AHoldIsForAllAndEndsWithoutARush) {
  AccountPace pace({10, absl::Seconds(10)});
  pace.HoldFor(absl::Seconds(5), absl::Seconds(60));
  const std::vector<absl::Duration> sent = Rush(pace, absl::Seconds(6), 4);
  EXPECT_EQ(sent[0], absl::Seconds(65));
  for (size_t i = 1; i < sent.size(); ++i) EXPECT_GE(sent[i] - sent[i - 1], absl::Seconds(1));
}

TEST(AccountPaceTest, WhoCannotWaitTakesNoPlace) {
  AccountPace pace({1, absl::Seconds(10)});
  EXPECT_EQ(pace.Reserve(absl::Seconds(0), kPatience), absl::ZeroDuration());
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(pace.Reserve(absl::Seconds(0), absl::Seconds(2)), absl::Seconds(10));
  }
  EXPECT_EQ(pace.Reserve(absl::Seconds(0), kPatience), absl::Seconds(10));
}

}  // namespace
}  // namespace dmarcate
