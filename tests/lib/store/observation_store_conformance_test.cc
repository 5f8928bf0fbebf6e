// What every store of observations promises (observation_store.h), run on the fake and on RocksDB.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/store/fake_observation_store.h"
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
const ObservedName kName{"_dmarc.example.com", RecordKind::kDmarc};

struct Param {
  std::string name;
  std::unique_ptr<ObservationStore> (*open)(const std::string& directory);
};

// Every field set, so that one that is forgotten shows.
Observation Full(absl::Time first_seen = kNow) {
  Observation out;
  out.outcome = ObservedOutcome::kBogus;
  out.error = "why";
  out.values = {std::string("v=\0\xff", 4), ""};  // whatever a server gave
  out.values_sha256 = std::string(32, 'h');
  out.ttl_seconds = 300;
  out.from_servers = true;
  out.cname_chain = {"a.example", "b.example"};
  out.disagreeing = {{"ns1.example", "192.0.2.1:53", ObservedOutcome::kNxDomain, {}},
                     {"", "192.0.2.2:53", ObservedOutcome::kRecords, {"x", "y"}}};
  out.dnssec = DnssecState::kBogus;
  out.first_seen = first_seen;
  out.last_seen = first_seen + absl::Hours(3);
  return out;
}

class ObservationStoreTest : public testing::TestWithParam<Param> {
 protected:
  ObservationStore& store() { return *store_; }
  std::vector<Observation> History(const ObservedName& name) {
    const auto history = store().GetHistory("example.com", name);
    EXPECT_TRUE(history.ok()) << history.status();
    return history.ok() ? *history : std::vector<Observation>();
  }
  void Put(const ObservedName& name, std::vector<Observation> entries) {
    const absl::Status put = store().UpdateHistory("example.com", name, {std::move(entries), {}});
    ASSERT_TRUE(put.ok()) << put;
  }

 private:
  TempDir directory_;
  std::unique_ptr<ObservationStore> store_ = GetParam().open(directory_.path("policy"));
};

TEST_P(ObservationStoreTest, KeepsEveryField) {
  Put(kName, {Full()});
  EXPECT_THAT(History(kName), ElementsAre(Full()));
}

TEST_P(ObservationStoreTest, NewestFirst) {
  const absl::Time before_1970 = absl::FromUnixSeconds(-5);
  Put(kName, {Full(kNow), Full(kNow + absl::Microseconds(1)), Full(before_1970)});
  EXPECT_THAT(History(kName),
              ElementsAre(Full(kNow + absl::Microseconds(1)), Full(kNow), Full(before_1970)));
}

TEST_P(ObservationStoreTest, AnEntryIsReplacedByItsTime) {
  Put(kName, {Full()});
  Observation again = Full();
  again.last_seen += absl::Hours(1);
  Put(kName, {again});
  EXPECT_THAT(History(kName), ElementsAre(again));
}

TEST_P(ObservationStoreTest, PutsAndForgetsAtOnce) {
  Put(kName, {Full(kNow), Full(kNow + absl::Hours(1))});
  ASSERT_TRUE(
      store().UpdateHistory("example.com", kName, {{Full(kNow + absl::Hours(2))}, {kNow}}).ok());
  EXPECT_THAT(History(kName),
              ElementsAre(Full(kNow + absl::Hours(2)), Full(kNow + absl::Hours(1))));
}

TEST_P(ObservationStoreTest, NamesAreListedByOwnerThenKindUntilNothingIsLeft) {
  const ObservedName apex{"example.com", RecordKind::kSpf}, mx{"example.com", RecordKind::kMx};
  for (const ObservedName& name : {mx, kName, apex}) {
    Put(name, {Full(kNow), Full(kNow + absl::Hours(1))});
  }
  ASSERT_TRUE(store().UpdateHistory("example.net", apex, {{Full()}, {}}).ok());
  ASSERT_TRUE(store().UpdateHistory("example.co", apex, {{Full()}, {}}).ok());
  EXPECT_THAT(*store().ListObserved("example.com"), ElementsAre(kName, apex, mx));
  EXPECT_THAT(History(apex), testing::SizeIs(2)) << "and not of the other kind, or domain";
  ASSERT_TRUE(store().UpdateHistory("example.com", apex, {{}, {kNow, kNow + absl::Hours(1)}}).ok());
  EXPECT_THAT(*store().ListObserved("example.com"), ElementsAre(kName, mx));
  EXPECT_THAT(History(apex), IsEmpty());
  EXPECT_THAT(*store().ListObserved("nobody.example"), IsEmpty());
}

TEST_P(ObservationStoreTest, NamesAreChecked) {
  const std::string long_name(2000, 'a');
  for (const std::string& owner : {std::string(), long_name}) {
    EXPECT_EQ(
        store().UpdateHistory("example.com", {owner, RecordKind::kSpf}, {{Full()}, {}}).code(),
        StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(store().UpdateHistory("", kName, {{Full()}, {}}).code(), StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(
    All, ObservationStoreTest,
    testing::Values(Param{"Fake",
                          [](const std::string&) -> std::unique_ptr<ObservationStore> {
                            return std::make_unique<FakeObservationStore>();
                          }},
                    Param{"Rocks",
                          [](const std::string& directory) -> std::unique_ptr<ObservationStore> {
                            return std::move(*RocksPolicyStore::Open(directory));
                          }}),
    [](const auto& tested) { return tested.param.name; });

TEST(RocksObservations, SurviveReopeningBesideTheRest) {
  TempDir directory;
  {
    const auto store = RocksPolicyStore::Open(directory.path("policy"));
    ASSERT_TRUE(store.ok()) << store.status();
    DomainRecord domain;
    domain.name = "example.com";
    ASSERT_TRUE((*store)->PutDomain(domain).ok());
    ASSERT_TRUE((*store)->UpdateHistory("example.com", kName, {{Full()}, {}}).ok());
  }
  const auto store = RocksPolicyStore::Open(directory.path("policy"));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_THAT(*(*store)->GetHistory("example.com", kName), ElementsAre(Full()));
  EXPECT_TRUE((*store)->GetDomain("example.com").ok());
}

TEST(ObservationValues, UnknownEnumsAndForeignKeysAreDataLoss) {
  const std::string key = policy_keys::Observation("example.com", kName, kNow);
  Observation got;
  EXPECT_TRUE(DecodeRecord(key, EncodeRecord(key, Full()), &got).ok());
  for (const int outcome : {0, 7}) {
    Observation odd = Full();
    odd.outcome = static_cast<ObservedOutcome>(outcome);
    EXPECT_EQ(DecodeRecord(key, EncodeRecord(key, odd), &got).code(), StatusCode::kDataLoss);
    odd = Full();
    odd.disagreeing[0].outcome = static_cast<ObservedOutcome>(outcome);
    EXPECT_EQ(DecodeRecord(key, EncodeRecord(key, odd), &got).code(), StatusCode::kDataLoss);
  }
  Observation odd = Full();
  odd.dnssec = static_cast<DnssecState>(4);
  EXPECT_EQ(DecodeRecord(key, EncodeRecord(key, odd), &got).code(), StatusCode::kDataLoss);
  const std::string foreign = key + "x";
  EXPECT_EQ(DecodeRecord(foreign, EncodeRecord(foreign, Full()), &got).code(),
            StatusCode::kDataLoss);
}

}  // namespace
}  // namespace dmarcate
