#include "policyd/alert/text.h"

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <nlohmann/json.hpp>

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

const absl::Time kNow = absl::FromUnixSeconds(1'782'820'800);  // 2026-06-30 12:00

AlertRecord Alert() {
  return {.event = AlertEvent::kFired,
          .domain = "example.com",
          .insight = "spf-dangling-1",
          .code = "SPF_DANGLING",
          .severity = Severity::kError,
          .message = "include:a.test leads to nothing",
          .fix_hint = "Take it out.",
          .evidence_command = "dmarcate records tree example.com",
          .since = kNow - absl::Hours(2)};
}

AlertChannelRecord Channel() {
  AlertChannelRecord out;
  out.id = "ops";
  return out;
}

TEST(AlertText, SaysWhatSinceWhenAndWhatToDo) {
  EXPECT_EQ(TextOf({Alert()}),
            "error: SPF_DANGLING of example.com\n"
            "  include:a.test leads to nothing\n"
            "  So since 2026-06-30T10:00:00Z.\n"
            "  What to do: Take it out.\n"
            "  Evidence: dmarcate records tree example.com\n"
            "  To accept it: dmarcate insights accept spf-dangling-1 --domain example.com\n");
  EXPECT_EQ(SubjectOf({Alert()}), "[dmarcate] error: SPF_DANGLING of example.com");
}

TEST(AlertText, TheEndIsToldWithoutWhatToDo) {
  AlertRecord alert = Alert();
  alert.event = AlertEvent::kCleared;
  EXPECT_THAT(TextOf({alert}), HasSubstr("This is no longer so, since 2026-06-30T10:00:00Z."));
  EXPECT_THAT(TextOf({alert}), Not(HasSubstr("Take it out")));
  EXPECT_EQ(SubjectOf({alert}), "[dmarcate] cleared, error: SPF_DANGLING of example.com");
}

TEST(AlertText, ManyAreNamedByTheirDomains) {
  std::vector<AlertRecord> alerts(5, Alert());
  for (size_t i = 0; i < 5; ++i) alerts[i].domain = fmt::format("{}.example", i);
  EXPECT_EQ(SubjectOf(alerts), "[dmarcate] 5 alerts: 0.example, 1.example, 2.example and 2 more");
}

TEST(AlertText, WhatStrangersWroteIsOneLineAndNoControl) {
  AlertRecord alert = Alert();
  alert.message = "a\nSubject: b\r\n\x1b[2Jc\xff";
  const std::string text = TextOf({alert});
  EXPECT_THAT(text, Not(HasSubstr("\nSubject")));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  DeliveryRecord delivery;
  delivery.id = "a-1";
  delivery.alerts = {alert};
  const auto lines = SyslogLines(delivery);
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0].text, Not(HasSubstr("\n")));
  EXPECT_EQ(lines[0].severity, 3);
}

TEST(AlertText, TheJsonSaysTheSame) {
  AlertRecord alert = Alert();
  alert.message = "x\"\n\xff";
  const auto json = nlohmann::json::parse(JsonOf("a-1", "alerts", "s", {alert}, kNow));
  EXPECT_EQ(json["id"], "a-1");
  EXPECT_EQ(json["time"], "2026-06-30T12:00:00Z");
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["kind"], "alerts");
  const auto& one = json["alerts"][0];
  EXPECT_EQ(one["event"], "fired");
  EXPECT_EQ(one["insight"], "domains/example.com/insights/spf-dangling-1");
  EXPECT_EQ(one["severity"], "error");
  EXPECT_EQ(one["message"], "x\"\n\xEF\xBF\xBD");
  EXPECT_EQ(one["since"], "2026-06-30T10:00:00Z");
}

TEST(Compose, GivesWhatTheChannelWantsInPieces) {
  std::vector<AlertRecord> alerts(120, Alert());
  alerts[7].severity = Severity::kInfo;
  const auto deliveries = Compose(Channel(), alerts, kNow);
  ASSERT_THAT(deliveries, SizeIs(3));
  EXPECT_THAT(deliveries[0].alerts, SizeIs(50));
  EXPECT_THAT(deliveries[2].alerts, SizeIs(19)) << "one is below its severity";
  EXPECT_NE(deliveries[0].id, deliveries[1].id);
  EXPECT_EQ(deliveries[1].id, Compose(Channel(), alerts, kNow)[1].id) << "equal input, equal id";
  EXPECT_NE(deliveries[1].id, Compose(Channel(), alerts, kNow + absl::Microseconds(1))[1].id);
  EXPECT_EQ(deliveries[0].state, DeliveryState::kPending);
  EXPECT_EQ(deliveries[0].next_attempt, kNow);
}

TEST(Compose, NothingForWhoWantsNothing) {
  AlertChannelRecord channel = Channel();
  channel.domains = {"example.net"};
  EXPECT_THAT(Compose(channel, {Alert()}, kNow), SizeIs(0));
}

}  // namespace
}  // namespace dmarcate
