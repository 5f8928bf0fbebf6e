// What every store of insights promises (insight_store.h), run on the fake and on RocksDB.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/store/fake_insight_store.h"
#include "lib/store/policy_codec.h"
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
  std::unique_ptr<InsightStore> (*open)(const std::string& directory);
};

// Every field set, so that one that is forgotten shows.
InsightRecord Full(const std::string& id = "spf-dangling-1") {
  InsightRecord out;
  out.id = id;
  out.code = "SPF_DANGLING";
  out.severity = Severity::kError;
  out.state = InsightState::kResolved;
  out.scope = "include/a.test";
  out.subject = "example.com";
  out.path = std::string("spf/\0\xff", 6);  // whatever a server gave
  out.message = "m";
  out.fix_hint = "f";
  out.evidence_command = "e";
  out.reference = "RFC 7208";
  out.metadata = {{"target", std::string("\xff", 1)}, {"x", ""}};
  out.content = "0123456789abcdef";
  out.weight = -3;
  out.first_seen = kNow;
  out.last_seen = kNow + absl::Hours(1);
  out.resolve_time = kNow + absl::Hours(2);
  out.active_count = 4;
  out.decision = InsightState::kDismissed;
  out.decided_by = "local";
  out.note = "why";
  out.decide_time = kNow + absl::Hours(3);
  out.revision = 7;
  return out;
}

class InsightStoreTest : public testing::TestWithParam<Param> {
 protected:
  InsightStore& store() { return *store_; }
  void Update(const InsightUpdate& update, const std::string& domain = "example.com") {
    const absl::Status status = store().UpdateInsights(domain, update, InsightSync::kLater);
    ASSERT_TRUE(status.ok()) << status;
  }
  std::vector<InsightRecord> List(const std::string& domain = "example.com") {
    const auto records = store().ListInsights(domain);
    EXPECT_TRUE(records.ok()) << records.status();
    return records.ok() ? *records : std::vector<InsightRecord>();
  }

 private:
  TempDir directory_;
  std::unique_ptr<InsightStore> store_ = GetParam().open(directory_.path("policy"));
};

TEST_P(InsightStoreTest, KeepsEveryField) {
  InsightRecord plain;
  plain.id = "a";
  plain.first_seen = plain.last_seen = kNow;
  Update({.put = {Full(), plain}, .forget = {}, .look = {}});
  EXPECT_THAT(List(), ElementsAre(plain, Full()));
  EXPECT_EQ(*store().GetInsight("example.com", Full().id), Full());
}

TEST_P(InsightStoreTest, ReplacesAndForgetsAtOnce) {
  Update({.put = {Full("a"), Full("b")}, .forget = {}, .look = {}});
  InsightRecord again = Full("b");
  again.state = InsightState::kActive;
  Update({.put = {again}, .forget = {"a"}, .look = {}});
  EXPECT_THAT(List(), ElementsAre(again));
}

TEST_P(InsightStoreTest, DomainsAreApart) {
  Update({.put = {Full()}, .forget = {}, .look = {}});
  Update({.put = {Full("other")}, .forget = {}, .look = {}}, "example.co");
  EXPECT_THAT(List(), ElementsAre(Full()));
  EXPECT_THAT(List("example.co"), ElementsAre(Full("other")));
  EXPECT_THAT(List("nobody.example"), IsEmpty());
}

TEST_P(InsightStoreTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(store().GetInsight("example.com", "a").status().code(), StatusCode::kNotFound);
  Update({.put = {Full("a")}, .forget = {}, .look = {}});
  EXPECT_EQ(store().GetInsight("example.com", "b").status().code(), StatusCode::kNotFound);
}

TEST_P(InsightStoreTest, KeepsTheLook) {
  EXPECT_EQ(*store().GetInsightLook("example.com"), std::nullopt);
  const InsightLookRecord look{kNow, {"a.test", "b.test"}, 3, 4, 5};
  Update({.put = {}, .forget = {}, .look = look});
  EXPECT_EQ(*store().GetInsightLook("example.com"), look);
  Update({.put = {Full()}, .forget = {}, .look = {}});
  EXPECT_EQ(*store().GetInsightLook("example.com"), look);
  EXPECT_EQ(*store().GetInsightLook("example.net"), std::nullopt);
}

TEST_P(InsightStoreTest, NamesAreChecked) {
  const InsightUpdate update{.put = {Full()}, .forget = {}, .look = {}};
  EXPECT_EQ(store().UpdateInsights("", update, InsightSync::kSynced).code(),
            StatusCode::kInvalidArgument);
  for (const std::string& id : {std::string(), std::string(2000, 'a')}) {
    const InsightUpdate bad{.put = {Full("a"), Full(id)}, .forget = {}, .look = {}};
    EXPECT_EQ(store().UpdateInsights("example.com", bad, InsightSync::kSynced).code(),
              StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(List(), IsEmpty()) << "all or nothing";
}

INSTANTIATE_TEST_SUITE_P(
    All, InsightStoreTest,
    testing::Values(Param{"Fake",
                          [](const std::string&) -> std::unique_ptr<InsightStore> {
                            return std::make_unique<FakeInsightStore>();
                          }},
                    Param{"Rocks",
                          [](const std::string& directory) -> std::unique_ptr<InsightStore> {
                            return std::move(*RocksPolicyStore::Open(directory));
                          }}),
    [](const auto& tested) { return tested.param.name; });

TEST(RocksInsights, SurviveReopening) {
  TempDir directory;
  {
    const auto store = RocksPolicyStore::Open(directory.path("policy"));
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)
                    ->UpdateInsights("example.com", {.put = {Full()}, .forget = {}, .look = {}},
                                     InsightSync::kSynced)
                    .ok());
  }
  const auto store = RocksPolicyStore::Open(directory.path("policy"));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_THAT(*(*store)->ListInsights("example.com"), ElementsAre(Full()));
}

TEST(RocksInsights, EnumsThatAreNotKnownAreDataLoss) {
  const std::string key = policy_keys::Insight("example.com", "a");
  InsightRecord got;
  EXPECT_TRUE(DecodeRecord(key, EncodeRecord(key, Full("a")), &got).ok());
  InsightRecord bad = Full("a");
  bad.state = static_cast<InsightState>(5);
  EXPECT_EQ(DecodeRecord(key, EncodeRecord(key, bad), &got).code(), StatusCode::kDataLoss);
  bad = Full("a");
  bad.severity = static_cast<Severity>(3);
  EXPECT_EQ(DecodeRecord(key, EncodeRecord(key, bad), &got).code(), StatusCode::kDataLoss);
  bad = Full("a");
  bad.decision = static_cast<InsightState>(0);
  EXPECT_EQ(DecodeRecord(key, EncodeRecord(key, bad), &got).code(), StatusCode::kDataLoss);
}

TEST(RocksInsights, OneThatDoesNotDecodeHidesNoOther) {
  TempDir directory;
  const auto store = RocksPolicyStore::Open(directory.path("policy"));
  ASSERT_TRUE(store.ok()) << store.status();
  InsightRecord bad = Full("b");
  bad.state = static_cast<InsightState>(5);
  const InsightUpdate update{.put = {Full("a"), bad, Full("c")}, .forget = {}, .look = {}};
  ASSERT_TRUE((*store)->UpdateInsights("example.com", update, InsightSync::kLater).ok());
  const auto listed = (*store)->ListInsights("example.com");
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_THAT(*listed, ElementsAre(Full("a"), Full("c")));
  EXPECT_EQ((*store)->GetInsight("example.com", "b").status().code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace dmarcate
