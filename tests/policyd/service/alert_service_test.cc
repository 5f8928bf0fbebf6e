#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/alert.grpc.pb.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using service_testing::ReasonOf;
using service_testing::World;
using testing::ElementsAre;
using testing::IsEmpty;
using v1::AlertChannel;
using v1::AlertService;
using Stub = AlertService::Stub;

constexpr char kUrl[] = "https://hooks.example.com/a-secret?token=1";

class AlertServiceTest : public testing::Test {
 protected:
  AlertServiceTest() {
    world_.AddDomain();
    v1::CreateAlertChannelRequest create;
    create.set_alert_channel_id("chat");
    AlertChannel& channel = *create.mutable_alert_channel();
    channel.mutable_webhook()->set_url(kUrl);
    channel.mutable_webhook()->set_secret("hook-key");
    channel.add_domains("domains/example.com");
    channel.add_codes("SPF_DANGLING");
    channel.set_digest(true);
    v1::CreateAlertChannelResponse created;
    const grpc::Status status =
        world_.Call<AlertService>(&Stub::CreateAlertChannel, create, &created);
    EXPECT_TRUE(status.ok()) << status.error_message();
    shown_ = created.alert_channel();
  }

  // The reason; the answer is in shown_.
  std::string Update(const AlertChannel& channel, const std::vector<std::string>& paths,
                     bool validate_only = false) {
    v1::UpdateAlertChannelRequest request;
    *request.mutable_alert_channel() = channel;
    for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
    request.set_validate_only(validate_only);
    v1::UpdateAlertChannelResponse response;
    const grpc::Status status =
        world_.Call<AlertService>(&Stub::UpdateAlertChannel, request, &response);
    if (status.ok()) shown_ = response.alert_channel();
    return ReasonOf(status);
  }
  AlertChannelRecord Kept() { return world_.alerts().GetAlertChannel("chat").value(); }

  World world_;
  AlertChannel shown_;
};

TEST_F(AlertServiceTest, WhatIsNotNamedStaysAlsoWhatIsNotShown) {
  EXPECT_EQ(shown_.webhook().url(), "https://hooks.example.com/...");
  const AlertChannelRecord before = Kept();
  AlertChannel channel = shown_;  // as a client sends back what it got
  channel.set_min_severity(v1::SEVERITY_ERROR);
  channel.clear_codes();
  channel.set_digest(false);
  ASSERT_EQ(Update(channel, {"min_severity", "codes"}), "");
  AlertChannelRecord want = before;
  want.min_severity = Severity::kError;
  want.codes.clear();
  want.revision = 2;
  EXPECT_EQ(Kept(), want);
  EXPECT_EQ(shown_.min_severity(), v1::SEVERITY_ERROR);
  EXPECT_TRUE(shown_.digest());
}

TEST_F(AlertServiceTest, TheUrlAndTheSecretChangeApart) {
  AlertChannel channel = shown_;
  channel.mutable_webhook()->set_url("https://other.example.com/b");
  channel.mutable_webhook()->clear_secret();
  ASSERT_EQ(Update(channel, {"webhook.url"}), "");
  EXPECT_EQ(Kept().url, "https://other.example.com/b");
  EXPECT_EQ(Kept().secret_name, "hook-key");
  channel = shown_;
  channel.mutable_webhook()->set_secret("other-key");
  ASSERT_EQ(Update(channel, {"webhook.secret"}), "");
  EXPECT_EQ(Kept().url, "https://other.example.com/b");
  EXPECT_EQ(Kept().secret_name, "other-key");
}

TEST_F(AlertServiceTest, AWrongChangeChangesNothing) {
  const AlertChannelRecord before = Kept();
  AlertChannel channel = shown_;
  EXPECT_EQ(Update(channel, {}), "UPDATE_MASK_REQUIRED");
  EXPECT_EQ(Update(channel, {"url"}), "UPDATE_MASK_INVALID");
  EXPECT_EQ(Update(channel, {"webhook"}), "UPDATE_MASK_INVALID");
  EXPECT_EQ(Update(channel, {"mail.recipients"}), "FIELD_INVALID") << "it is no mail";
  EXPECT_EQ(Update(channel, {"webhook.url"}), "FIELD_INVALID")
      << "the URL as it is shown is none that can be called";
  channel.mutable_webhook()->set_url("http://hooks.example.com/");
  EXPECT_EQ(Update(channel, {"webhook.url"}), "FIELD_INVALID");
  channel.mutable_webhook()->set_secret("../key");
  EXPECT_EQ(Update(channel, {"webhook.secret"}), "CREDENTIAL_MALFORMED");
  channel.clear_codes();
  channel.add_codes("NO_SUCH");
  EXPECT_EQ(Update(channel, {"codes"}), "FIELD_INVALID");
  channel.add_domains("domains/example.net");
  EXPECT_EQ(Update(channel, {"domains"}), "RESOURCE_NOT_FOUND");
  channel.set_name("alertChannels/none");
  EXPECT_EQ(Update(channel, {"digest"}), "RESOURCE_NOT_FOUND");
  EXPECT_EQ(Kept(), before);
}

TEST_F(AlertServiceTest, AChangeNamesWhatItSaw) {
  AlertChannel channel = shown_;
  channel.set_digest(false);
  ASSERT_EQ(Update(channel, {"digest"}, /*validate_only=*/true), "");
  EXPECT_TRUE(Kept().digest);
  ASSERT_EQ(Update(channel, {"digest"}), "");
  EXPECT_FALSE(Kept().digest);
  EXPECT_EQ(Update(channel, {"digest"}), "ETAG_MISMATCH");
  channel.clear_etag();
  EXPECT_EQ(Update(channel, {"digest"}), "ETAG_REQUIRED");
  // What is as it was already is no change.
  ASSERT_EQ(Update(shown_, {"digest", "name", "etag"}), "");
  EXPECT_EQ(Kept().revision, 2u);
}

TEST_F(AlertServiceTest, ADomainThatIsNoLongerManagedKeepsNobodyFromTheRest) {
  AlertChannelRecord record = Kept();
  record.domains = {"gone.test"};
  ASSERT_TRUE(world_.alerts().PutAlertChannel(record).ok());
  v1::GetAlertChannelRequest get;
  get.set_name("alertChannels/chat");
  v1::GetAlertChannelResponse got;
  DMARCATE_CALL(world_, AlertService, GetAlertChannel, get, &got);
  AlertChannel channel = got.alert_channel();
  channel.set_without_cleared(true);
  ASSERT_EQ(Update(channel, {"without_cleared"}), "");
  EXPECT_FALSE(Kept().cleared);
  EXPECT_THAT(Kept().domains, ElementsAre("gone.test"));
  channel = shown_;
  channel.clear_domains();
  ASSERT_EQ(Update(channel, {"domains"}), "");
  EXPECT_THAT(Kept().domains, IsEmpty()) << "all";
}

}  // namespace
}  // namespace dmarcate
