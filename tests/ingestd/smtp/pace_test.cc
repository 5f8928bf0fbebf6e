#include "ingestd/intake/smtp/protocol/pace.h"

#include "gtest/gtest.h"

namespace dmarcate {
namespace {

constexpr absl::Duration At(int seconds) { return absl::Seconds(seconds); }

TEST(SmtpPaceTest, ACommandHasLessTimeWhileMostConnectionsAreTaken) {
  const SmtpTimeLimits limits;
  SmtpPace pace(limits, At(100));
  EXPECT_EQ(pace.Deadline(false), At(100 + 300));
  EXPECT_EQ(pace.Deadline(true), At(100 + 10));
  pace.Enter(SmtpPhase::kCommand, At(250));
  EXPECT_EQ(pace.Deadline(false), At(250 + 300));
}

TEST(SmtpPaceTest, AMessageGetsTimeForWhatHasCome) {
  SmtpTimeLimits limits;
  limits.data = At(60);
  limits.data_bytes_per_second = 1000;
  SmtpPace pace(limits, At(0));
  pace.BeginMessage(At(10));
  pace.Enter(SmtpPhase::kData, At(10));
  EXPECT_EQ(pace.Deadline(false), At(70));
  pace.Received(50'000);
  EXPECT_EQ(pace.Deadline(true), At(120));
  // One octet now and then does not help.
  for (int i = 0; i < 100; ++i) pace.Received(1);
  pace.Enter(SmtpPhase::kReply, At(100));
  pace.Enter(SmtpPhase::kData, At(110));
  EXPECT_EQ(pace.Deadline(false), At(120) + absl::Milliseconds(100));
}

TEST(SmtpPaceTest, OurOwnTimeIsNotTheClients) {
  const SmtpTimeLimits limits;
  SmtpPace pace(limits, At(0));
  pace.BeginMessage(At(0));
  pace.Enter(SmtpPhase::kData, At(0));
  pace.Enter(SmtpPhase::kRoom, At(30));
  EXPECT_EQ(pace.Deadline(false), At(40));
  pace.Enter(SmtpPhase::kData, At(39));
  EXPECT_EQ(pace.Deadline(false), At(69));
  pace.Enter(SmtpPhase::kCommit, At(69));
  EXPECT_EQ(pace.Deadline(true), absl::InfiniteDuration());
}

TEST(SmtpPaceTest, PausesGrowAndEndWhileMostConnectionsAreTaken) {
  SmtpTimeLimits limits;
  SmtpPace pace(limits, At(0));
  int errors = 0;
  for (const int seconds : {1, 2, 4, 8, 16, 20, 20}) {
    pace.Pause(++errors, At(100));
    EXPECT_EQ(pace.Deadline(false), At(100 + seconds));
    EXPECT_EQ(pace.Deadline(true), At(100));
  }
  pace.Pause(1'000'000, At(100));
  EXPECT_EQ(pace.Deadline(false), At(120));
  pace.Enter(SmtpPhase::kCommand, At(120));
  EXPECT_EQ(pace.Deadline(false), At(420));
  limits.first_pause = absl::ZeroDuration();
  pace.Pause(9, At(500));
  EXPECT_EQ(pace.Deadline(false), At(500));
}

TEST(SmtpPaceTest, HandshakeAndRepliesAreLimited) {
  const SmtpTimeLimits limits;
  SmtpPace pace(limits, At(0));
  pace.Enter(SmtpPhase::kHandshake, At(5));
  EXPECT_EQ(pace.Deadline(false), At(35));
  pace.Enter(SmtpPhase::kReply, At(7));
  EXPECT_EQ(pace.Deadline(false), At(67));
}

}  // namespace
}  // namespace dmarcate
