// ProviderService.UpdateDnsProvider and DeleteDnsProvider.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/provider.grpc.pb.h"
#include "policyd/service/convert.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using service_testing::ReasonOf;
using service_testing::World;
using testing::HasSubstr;
using v1::ProviderService;
using Stub = ProviderService::Stub;

class ProviderChangeTest : public testing::Test {
 protected:
  void SetUp() override {
    world_.AddDomain();
    world_.AddProvider();  // "fake", with the zone example.com, which is bound to it
    DnsProviderRecord record = *world_.policies().GetProvider("fake");
    record.type = "powerdns";
    record.settings = {{"api_url", "http://127.0.0.1:8081"}};
    record.zones.clear();
    record.secret_name = "pdns-key";
    ASSERT_TRUE(world_.policies().PutProvider(record).ok());
  }

  v1::UpdateDnsProviderRequest Updating(const std::vector<std::string>& paths) {
    v1::GetDnsProviderRequest get;
    get.set_name("dnsProviders/fake");
    v1::GetDnsProviderResponse got;
    EXPECT_TRUE(world_.Call<ProviderService>(&Stub::GetDnsProvider, get, &got).ok());
    v1::UpdateDnsProviderRequest request;
    *request.mutable_dns_provider() = got.dns_provider();
    for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
    return request;
  }
  grpc::Status Update(const v1::UpdateDnsProviderRequest& request) {
    updated_.Clear();
    return world_.Call<ProviderService>(&Stub::UpdateDnsProvider, request, &updated_);
  }
  grpc::Status Delete(bool validate_only = false) {
    v1::DeleteDnsProviderRequest request;
    request.set_name("dnsProviders/fake");
    request.set_etag(MakeEtag(Stored().revision));
    request.set_validate_only(validate_only);
    return world_.Call<ProviderService>(&Stub::DeleteDnsProvider, request, &deleted_);
  }
  DnsProviderRecord Stored() { return *world_.policies().GetProvider("fake"); }
  void PutChange(ChangeState state, absl::Time apply_after = absl::InfinitePast()) {
    ChangeRecord change;
    change.domain = "example.com";
    change.id = "c1";
    change.state = state;
    change.dns_provider = "fake";
    change.create_time = world_.clock().Now();
    change.apply_after = apply_after;
    ASSERT_TRUE(world_.policies().PutChange(change).ok());
  }
  void Unbind() {
    DomainRecord domain = *world_.policies().GetDomain("example.com");
    domain.dns_provider.clear();
    ASSERT_TRUE(world_.policies().PutDomain(domain).ok());
  }

  World world_;
  v1::UpdateDnsProviderResponse updated_;
  v1::DeleteDnsProviderResponse deleted_;
};

TEST_F(ProviderChangeTest, AnotherSecretIsTestedAndTaken) {
  v1::UpdateDnsProviderRequest request = Updating({"powerdns.secret"});
  request.mutable_dns_provider()->mutable_powerdns()->set_secret("pdns-key-2");
  request.mutable_dns_provider()->mutable_powerdns()->set_api_url("http://127.0.0.1:1");
  ASSERT_EQ(ReasonOf(Update(request)), "");
  EXPECT_EQ(updated_.test_result().state(), v1::DnsProviderTestResult::STATE_WORKING);
  EXPECT_EQ(updated_.dns_provider().powerdns().secret(), "pdns-key-2");
  EXPECT_EQ(Stored().secret_name, "pdns-key-2");
  EXPECT_EQ(Stored().settings.at("api_url"), "http://127.0.0.1:8081") << "not in the mask";
  EXPECT_EQ(ReasonOf(Update(request)), "ETAG_MISMATCH") << "it was read before";
}

TEST_F(ProviderChangeTest, OnlyAskedForNothingIsTaken) {
  v1::UpdateDnsProviderRequest request = Updating({"powerdns.secret"});
  request.mutable_dns_provider()->mutable_powerdns()->set_secret("pdns-key-2");
  request.set_validate_only(true);
  ASSERT_EQ(ReasonOf(Update(request)), "");
  EXPECT_EQ(Stored().secret_name, "pdns-key");
}

struct MaskCase {
  std::string name;
  std::vector<std::string> paths;
  std::string want_reason;
};
class ProviderMaskTest : public ProviderChangeTest, public testing::WithParamInterface<MaskCase> {};
TEST_P(ProviderMaskTest, Paths) {
  EXPECT_EQ(ReasonOf(Update(Updating(GetParam().paths))), GetParam().want_reason);
}
INSTANTIATE_TEST_SUITE_P(
    All, ProviderMaskTest,
    testing::Values(MaskCase{"None", {}, "UPDATE_MASK_REQUIRED"},
                    MaskCase{"OutputOnlyIsPassedOver", {"create_time", "powerdns"}, ""},
                    MaskCase{"Unknown", {"powerdns.password"}, "UPDATE_MASK_INVALID"},
                    MaskCase{"OfAnotherType", {"rfc2136.server"}, "UPDATE_MASK_INVALID"}),
    [](const auto& test) { return test.param.name; });

TEST_F(ProviderChangeTest, WhatIsNoSecretsNameIsNotRepeated) {
  v1::UpdateDnsProviderRequest request = Updating({"powerdns.secret"});
  request.mutable_dns_provider()->mutable_powerdns()->set_secret("hunter2 with blanks");
  const grpc::Status status = Update(request);
  EXPECT_EQ(ReasonOf(status), "CREDENTIAL_MALFORMED");
  EXPECT_THAT(status.error_message(), testing::Not(HasSubstr("hunter2")));
}

TEST_F(ProviderChangeTest, AnAccountThatDoesNotShowTheZoneOfADomainIsNotTaken) {
  world_.AddDomain("elsewhere.example");
  DomainRecord other = *world_.policies().GetDomain("elsewhere.example");
  other.dns_provider = "fake";
  ASSERT_TRUE(world_.policies().PutDomain(other).ok());
  v1::UpdateDnsProviderRequest request = Updating({"powerdns.secret"});
  request.mutable_dns_provider()->mutable_powerdns()->set_secret("pdns-key-2");
  const grpc::Status status = Update(request);
  EXPECT_EQ(ReasonOf(status), "ZONE_NOT_BOUND");
  EXPECT_EQ(ExtractError(status).metadata.at("domains"), "elsewhere.example");
  EXPECT_EQ(Stored().secret_name, "pdns-key");
}

TEST_F(ProviderChangeTest, WhileAChangeIsUnderWayOnlyTheSecretCanBeAnother) {
  PutChange(ChangeState::kApplying);
  v1::UpdateDnsProviderRequest request = Updating({"powerdns.api_url"});
  request.mutable_dns_provider()->mutable_powerdns()->set_api_url("http://127.0.0.1:8082");
  const grpc::Status status = Update(request);
  EXPECT_EQ(ReasonOf(status), "CHANGE_IN_PROGRESS");
  EXPECT_EQ(ExtractError(status).metadata.at("change"), "domains/example.com/changes/c1");
  request = Updating({"powerdns.secret"});
  request.mutable_dns_provider()->mutable_powerdns()->set_secret("pdns-key-2");
  EXPECT_EQ(ReasonOf(Update(request)), "");
}

TEST_F(ProviderChangeTest, OneThatWritesForADomainStays) {
  const grpc::Status status = Delete();
  EXPECT_EQ(ReasonOf(status), "GUARD_REFUSED");
  EXPECT_EQ(ExtractError(status).metadata.at("guard"), "PROVIDER_IN_USE");
  EXPECT_EQ(ExtractError(status).metadata.at("domains"), "example.com");
  EXPECT_TRUE(world_.policies().GetProvider("fake").ok());
}

TEST_F(ProviderChangeTest, OneThatAChangeNeedsStays) {
  Unbind();
  PutChange(ChangeState::kPlanned, world_.clock().Now() + absl::Hours(1));
  EXPECT_EQ(ReasonOf(Delete()), "CHANGE_IN_PROGRESS");
}

TEST_F(ProviderChangeTest, OneThatNobodyNeedsGoes) {
  Unbind();
  PutChange(ChangeState::kSucceeded);
  ASSERT_EQ(ReasonOf(Delete(/*validate_only=*/true)), "");
  EXPECT_TRUE(world_.policies().GetProvider("fake").ok());
  ASSERT_EQ(ReasonOf(Delete()), "");
  EXPECT_EQ(deleted_.dns_provider().name(), "dnsProviders/fake");
  EXPECT_FALSE(world_.policies().GetProvider("fake").ok());
}

}  // namespace
}  // namespace dmarcate
