// What every store of alerts promises (alert_store.h), run on the fake and on RocksDB.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/store/fake_alert_store.h"
#include "lib/store/policy_keys.h"
#include "lib/store/rocks_policy_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kNow = absl::FromUnixMicros(1'764'000'000'123'456);

struct Param {
  std::string name;
  std::unique_ptr<AlertStore> (*open)(const std::string& directory);
};

// Every field set, so that one that is forgotten shows.
AlertChannelRecord Channel(const std::string& id) {
  AlertChannelRecord out;
  out.id = id;
  out.kind = AlertChannelKind::kMail;
  out.url = "https://hooks.example/x";
  out.secret_name = "hook-key";
  out.recipients = {"a@example.com", "b@example.com"};
  out.min_severity = Severity::kError;
  out.domains = {"example.com"};
  out.codes = {"SPF_DANGLING"};
  out.cleared = false;
  out.digest = true;
  out.create_time = kNow;
  out.created_by = "local";
  return out;
}

DeliveryRecord Delivery(absl::Time time, const std::string& id) {
  DeliveryRecord out;
  out.create_time = time;
  out.id = id;
  out.channel = "ops";
  out.state = DeliveryState::kFailed;
  out.alerts = {{.event = AlertEvent::kCleared,
                 .domain = "example.com",
                 .insight = "spf-dangling-1",
                 .code = "SPF_DANGLING",
                 .severity = Severity::kError,
                 .message = std::string("\0\xff", 2),
                 .fix_hint = "f",
                 .evidence_command = "e",
                 .since = kNow}};
  out.subject = "s";
  out.text = "t";
  out.html = "h";
  out.json = "{}";
  out.attempts = 3;
  out.next_attempt = kNow + absl::Hours(1);
  out.last_error = "refused";
  out.end_time = kNow + absl::Hours(2);
  return out;
}

ToldRecord Told(const std::string& domain, const std::string& insight) {
  ToldRecord out;
  out.domain = domain;
  out.insight = insight;
  out.open = true;
  out.severity = Severity::kInfo;
  out.seen = kNow;
  out.told = kNow + absl::Hours(1);
  out.firings = 2;
  out.window = kNow - absl::Hours(1);
  out.held_back = 4;
  return out;
}

class AlertStoreTest : public testing::TestWithParam<Param> {
 protected:
  AlertStore& store() { return *store_; }
  void Update(const AlertUpdate& update) {
    const absl::Status status = store().UpdateAlerts(update);
    ASSERT_TRUE(status.ok()) << status;
  }
  std::vector<DeliveryRecord> List(
      const std::optional<std::pair<absl::Time, std::string>>& before = {}, size_t limit = 100) {
    const auto records = store().ListDeliveries(before, limit);
    EXPECT_TRUE(records.ok()) << records.status();
    return records.ok() ? *records : std::vector<DeliveryRecord>();
  }

 private:
  TempDir directory_;
  std::unique_ptr<AlertStore> store_ = GetParam().open(directory_.path("policy"));
};

TEST_P(AlertStoreTest, KeepsEveryFieldOfAChannel) {
  AlertChannelRecord want = Channel("ops");
  ASSERT_TRUE(store().PutAlertChannel(want).ok());
  want.revision = 1;
  EXPECT_EQ(*store().GetAlertChannel("ops"), want);
  AlertChannelRecord plain;
  plain.id = "a";
  plain.create_time = kNow;
  ASSERT_TRUE(store().PutAlertChannel(plain).ok());
  plain.revision = 1;
  EXPECT_THAT(*store().ListAlertChannels(), ElementsAre(plain, want));
}

TEST_P(AlertStoreTest, AChannelHasARevision) {
  ASSERT_TRUE(store().PutAlertChannel(Channel("ops")).ok());
  EXPECT_EQ(store().PutAlertChannel(Channel("ops")).status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(store().DeleteAlertChannel("ops", 2).code(), StatusCode::kAborted);
  EXPECT_TRUE(store().DeleteAlertChannel("ops", 1).ok());
  EXPECT_EQ(store().DeleteAlertChannel("ops", 1).code(), StatusCode::kNotFound);
  EXPECT_EQ(store().GetAlertChannel("ops").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(store().PutAlertChannel(Channel("")).status().code(), StatusCode::kInvalidArgument);
}

TEST_P(AlertStoreTest, DeliveriesComeNewestFirstAndInPages) {
  const DeliveryRecord first = Delivery(kNow, "b"), second = Delivery(kNow, "c"),
                       third = Delivery(kNow + absl::Seconds(1), "a");
  Update({.put = {second, third, first}});
  EXPECT_THAT(List(), ElementsAre(third, second, first));
  EXPECT_THAT(List({}, 2), ElementsAre(third, second));
  EXPECT_THAT(List(std::pair(kNow, std::string("c"))), ElementsAre(first));
  EXPECT_THAT(List({}, 0), IsEmpty());
}

TEST_P(AlertStoreTest, ADeliveryIsReplacedAndForgotten) {
  DeliveryRecord delivery = Delivery(kNow, "a");
  Update({.put = {delivery}});
  delivery.state = DeliveryState::kDelivered;
  Update({.put = {delivery}});
  EXPECT_THAT(List(), ElementsAre(delivery));
  Update({.forget = {delivery}});
  EXPECT_THAT(List(), IsEmpty());
}

TEST_P(AlertStoreTest, WhatWasToldIsKeptByInsight) {
  const ToldRecord a = Told("a.example", "x"), b = Told("b.example", "x");
  ToldRecord plain;
  plain.domain = "a.example";
  plain.insight = "y";
  plain.seen = plain.window = kNow;
  Update({.told = {b, plain, a}});
  EXPECT_THAT(*store().ListTold(), ElementsAre(a, plain, b));
  Update({.forget_told = {{"a.example", "x"}, {"nobody.example", "x"}}});
  EXPECT_THAT(*store().ListTold(), ElementsAre(plain, b));
}

TEST_P(AlertStoreTest, KeepsWhenTheLastDigestWasMade) {
  EXPECT_EQ(*store().LastDigest(), std::nullopt);
  Update({.digest = kNow});
  EXPECT_EQ(*store().LastDigest(), kNow);
}

TEST_P(AlertStoreTest, AnUpdateIsAllOrNothing) {
  const AlertUpdate bad{.put = {Delivery(kNow, "a"), Delivery(kNow, "")}, .told = {Told("a", "x")}};
  EXPECT_EQ(store().UpdateAlerts(bad).code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_THAT(*store().ListTold(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    All, AlertStoreTest,
    testing::Values(Param{"Fake",
                          [](const std::string&) -> std::unique_ptr<AlertStore> {
                            return std::make_unique<FakeAlertStore>();
                          }},
                    Param{"Rocks",
                          [](const std::string& directory) -> std::unique_ptr<AlertStore> {
                            return std::move(*RocksPolicyStore::Open(directory));
                          }}),
    [](const auto& tested) { return tested.param.name; });

TEST(AlertKeys, AreAsDocumented) {
  namespace keys = policy_keys;
  EXPECT_EQ(keys::AlertChannel("ops"), std::string("aops\0", 5));
  EXPECT_EQ(keys::Delivery(absl::UnixEpoch(), "a"), std::string("b\x80\0\0\0\0\0\0\0a\0", 11));
  EXPECT_EQ(keys::Told("example.com", "a"), std::string("cexample.com\0a\0", 15));
}

}  // namespace
}  // namespace dmarcate
