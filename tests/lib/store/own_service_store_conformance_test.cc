// What every store of one's own mail services promises (own_service_store.h), run on the fake and
// on RocksDB.

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/text.h"
#include "lib/store/fake_own_service_store.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/rocks_policy_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

struct Param {
  std::string name;
  std::unique_ptr<OwnServiceStore> (*open)(const std::string& directory);
};

// Every field set, so that one that is forgotten shows.
OwnServiceRecord Full(const std::string& id = "shop") {
  OwnServiceRecord out;
  out.id = id;
  out.text = std::string("[[service]]\nname = \"\0\xff\"", 23);
  out.create_time = absl::FromUnixMicros(1'764'000'000'123'456);
  out.update_time = out.create_time + absl::Seconds(1);
  out.updated_by = "token/root";
  return out;
}

class OwnServiceStoreTest : public testing::TestWithParam<Param> {
 protected:
  OwnServiceStore& store() { return *store_; }

 private:
  TempDir directory_;
  std::unique_ptr<OwnServiceStore> store_ = GetParam().open(directory_.path("policy"));
};

TEST_P(OwnServiceStoreTest, KeepsEveryFieldById) {
  EXPECT_THAT(*store().ListOwnServices(), IsEmpty());
  EXPECT_EQ(store().GetOwnService("shop").status().code(), StatusCode::kNotFound);
  const auto shop = store().PutOwnService(Full());
  ASSERT_TRUE(shop.ok()) << shop.status();
  OwnServiceRecord want = Full();
  want.revision = 1;
  EXPECT_EQ(*shop, want);
  EXPECT_EQ(*store().GetOwnService("shop"), want);
  const OwnServiceRecord post = store().PutOwnService(Full("post")).value();
  EXPECT_THAT(*store().ListOwnServices(), ElementsAre(post, *shop));
}

TEST_P(OwnServiceStoreTest, APutAndADeleteNameTheRevisionThatWasRead) {
  OwnServiceRecord stored = store().PutOwnService(Full()).value();
  EXPECT_EQ(store().PutOwnService(Full()).status().code(), StatusCode::kAlreadyExists);
  stored.text = "other";
  stored = store().PutOwnService(stored).value();
  EXPECT_EQ(stored.revision, 2u);
  EXPECT_EQ(store().DeleteOwnService("shop", 1).code(), StatusCode::kAborted);
  EXPECT_TRUE(store().DeleteOwnService("shop", 2).ok());
  EXPECT_EQ(store().DeleteOwnService("shop", 2).code(), StatusCode::kNotFound);
  EXPECT_THAT(*store().ListOwnServices(), IsEmpty());
  EXPECT_EQ(store().PutOwnService(stored).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(store().PutOwnService(Full("")).status().code(), StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(All, OwnServiceStoreTest,
                         testing::Values(Param{"Fake",
                                               [](const std::string&) {
                                                 return std::unique_ptr<OwnServiceStore>(
                                                     std::make_unique<FakeOwnServiceStore>());
                                               }},
                                         Param{"RocksDb",
                                               [](const std::string& directory) {
                                                 return std::unique_ptr<OwnServiceStore>(
                                                     RocksPolicyStore::Open(directory).value());
                                               }}),
                         [](const auto& tested) { return tested.param.name; });

TEST(RocksOwnServices, AreThereAfterARestart) {
  TempDir directory;
  RocksPolicyStore::Open(directory.path("policy")).value()->PutOwnService(Full()).value();
  EXPECT_EQ(RocksPolicyStore::Open(directory.path("policy")).value()->GetOwnService("shop")->text,
            Full().text);
}

// The bytes of docs/store.md.
TEST(OwnServiceValue, Golden) {
  const std::string key = policy_keys::OwnService("shop");
  EXPECT_EQ(ToHex(key), "6873686f7000");
  OwnServiceRecord record;
  record.id = "shop";
  record.text = "t";
  record.create_time = record.update_time = absl::FromUnixSeconds(1728086405);
  record.updated_by = "p";
  record.revision = 1;
  const std::string value = EncodeRecord(key, record);
  EXPECT_EQ(ToHex(value),
            "01"                  // version
            "0801"                // revision
            "120473686f70"        // id
            "1a0174"              // text
            "20c0d6bec2f7f58803"  // create time
            "28c0d6bec2f7f58803"  // update time
            "320170"              // by
            "89bb00d1");          // checksum
  OwnServiceRecord got;
  ASSERT_TRUE(DecodeRecord(key, value, &got).ok());
  EXPECT_EQ(got, record);
  std::string damaged = value;
  damaged[6] = static_cast<char>(damaged[6] ^ 1);
  EXPECT_EQ(DecodeRecord(key, damaged, &got).code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace dmarcate
