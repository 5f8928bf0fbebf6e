#include "lib/view/inbound_view.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

namespace dmarcate {
namespace {

InboundPosture Seen(absl::Time not_before, absl::Time not_after) {
  InboundPosture posture;
  ProbedAddress& seen = posture.servers.emplace_back().probes.emplace_back();
  seen.certificates = {{.not_before = not_before, .not_after = not_after}};
  return posture;
}

// The text form of a Timestamp has the years 1 to 9999; one beyond would make all of a response
// unprintable.
TEST(InboundPostureMessage, ACertificateMayHaveAnyTimes) {
  const absl::Time good = absl::FromUnixSeconds(1'800'000'000);
  const absl::Time last = absl::FromUnixSeconds(253'402'300'799);
  for (const auto& [time, told] :
       {std::pair(good, true), std::pair(last, true), std::pair(last + absl::Seconds(1), false),
        std::pair(absl::FromUnixSeconds(-62'135'596'801), false),
        std::pair(absl::InfinitePast(), false), std::pair(absl::InfiniteFuture(), false)}) {
    v1::InboundPosture message;
    ToMessage(Seen(time, time), &message);
    const v1::CertificateView& view = message.mail_servers(0).probes(0).certificates(0);
    EXPECT_EQ(view.has_not_before_time(), told) << time;
    EXPECT_EQ(view.has_not_after_time(), told) << time;
    std::string json;
    EXPECT_TRUE(google::protobuf::util::MessageToJsonString(message, &json).ok()) << time;
  }
}

}  // namespace
}  // namespace dmarcate
