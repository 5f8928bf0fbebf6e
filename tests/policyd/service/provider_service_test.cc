#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/provider.grpc.pb.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using service_testing::ReasonOf;
using service_testing::World;
using testing::HasSubstr;
using testing::Not;
using v1::ProviderService;
using Stub = ProviderService::Stub;

v1::CreateDnsProviderRequest PowerDns(const std::string& id = "pdns") {
  v1::CreateDnsProviderRequest request;
  request.set_dns_provider_id(id);
  request.mutable_dns_provider()->mutable_powerdns()->set_api_url("http://127.0.0.1:8081");
  request.mutable_dns_provider()->mutable_powerdns()->set_secret("pdns-key");
  return request;
}

class ProviderServiceTest : public testing::Test {
 protected:
  grpc::Status Create(const v1::CreateDnsProviderRequest& request) {
    return world_.Call<ProviderService>(&Stub::CreateDnsProvider, request, &created_);
  }
  std::vector<v1::TestDnsProviderResponse> Test(const std::string& name, grpc::Status* status) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + service_testing::Token());
    v1::TestDnsProviderRequest request;
    request.set_name(name);
    const auto reader =
        ProviderService::NewStub(world_.channel())->TestDnsProvider(&context, request);
    std::vector<v1::TestDnsProviderResponse> events;
    for (v1::TestDnsProviderResponse event; reader->Read(&event);) events.push_back(event);
    *status = reader->Finish();
    return events;
  }
  World world_;
  v1::CreateDnsProviderResponse created_;
};

TEST_F(ProviderServiceTest, KeepsAPowerDns) {
  ASSERT_EQ(ReasonOf(Create(PowerDns())), "");
  EXPECT_EQ(created_.dns_provider().name(), "dnsProviders/pdns");
  EXPECT_NE(created_.dns_provider().provider_class(), v1::PROVIDER_CLASS_UNSPECIFIED);
  v1::GetDnsProviderRequest get;
  get.set_name("dnsProviders/pdns");
  v1::GetDnsProviderResponse got;
  DMARCATE_CALL(world_, ProviderService, GetDnsProvider, get, &got);
  EXPECT_EQ(got.dns_provider().SerializeAsString(), created_.dns_provider().SerializeAsString());
}

TEST_F(ProviderServiceTest, KeepsAnRfc2136Server) {
  v1::CreateDnsProviderRequest request;
  request.set_dns_provider_id("bind");
  v1::Rfc2136Config& config = *request.mutable_dns_provider()->mutable_rfc2136();
  config.set_server("192.0.2.53:53");
  config.add_zones("Example.COM.");
  config.set_key_name("dmarcate.");
  config.set_secret("bind-key");
  ASSERT_EQ(ReasonOf(Create(request)), "");
  EXPECT_EQ(created_.dns_provider().rfc2136().zones(0), "example.com");
  config.add_zones("exa mple");
  EXPECT_EQ(ReasonOf(Create(request)), "FIELD_INVALID");
  config.clear_zones();
  EXPECT_EQ(ReasonOf(Create(request)), "FIELD_REQUIRED");
}

TEST_F(ProviderServiceTest, KeepsAHostWithItsSettings) {
  v1::CreateDnsProviderRequest request;
  request.set_dns_provider_id("gcp");
  v1::HostedConfig& config = *request.mutable_dns_provider()->mutable_hosted();
  config.set_type("googleclouddns");
  config.set_secret("gcp.json");
  (*config.mutable_settings())["project"] = "mail-dns";
  ASSERT_EQ(ReasonOf(Create(request)), "");
  EXPECT_EQ(created_.dns_provider().hosted().SerializeAsString(), config.SerializeAsString());
  EXPECT_EQ(created_.dns_provider().provider_class(), v1::PROVIDER_CLASS_A);
  request.set_dns_provider_id("gcp2");
  (*config.mutable_settings())["projet"] = "typo";
  grpc::Status status = Create(request);
  EXPECT_EQ(ReasonOf(status), "FIELD_INVALID");
  EXPECT_THAT(status.error_message(), HasSubstr("projet"));
  config.clear_settings();
  config.set_type("route66");
  status = Create(request);
  EXPECT_EQ(ReasonOf(status), "FIELD_INVALID");
  EXPECT_THAT(status.error_message(), HasSubstr("cloudflare"));
  config.clear_type();
  EXPECT_EQ(ReasonOf(Create(request)), "FIELD_REQUIRED");
}

TEST_F(ProviderServiceTest, TheSecretIsAFileNameAndIsNeverRepeated) {
  v1::CreateDnsProviderRequest request = PowerDns();
  for (const char* wrong : {"c3VwZXIgc2VjcmV0IGtleQ==", "../../etc/shadow", "two words"}) {
    request.mutable_dns_provider()->mutable_powerdns()->set_secret(wrong);
    const grpc::Status status = Create(request);
    EXPECT_EQ(ReasonOf(status), "CREDENTIAL_MALFORMED") << wrong;
    EXPECT_THAT(status.error_message(), Not(HasSubstr(wrong)));
    EXPECT_THAT(status.error_details(), Not(HasSubstr(wrong)));
  }
}

TEST_F(ProviderServiceTest, ArgumentsAreChecked) {
  EXPECT_EQ(ReasonOf(Create(PowerDns(""))), "FIELD_REQUIRED");
  EXPECT_EQ(ReasonOf(Create(PowerDns("Upper"))), "FIELD_INVALID");
  EXPECT_EQ(ReasonOf(Create(PowerDns("-x"))), "FIELD_INVALID");
  v1::CreateDnsProviderRequest request = PowerDns();
  request.mutable_dns_provider()->clear_config();
  EXPECT_EQ(ReasonOf(Create(request)), "FIELD_REQUIRED");
  request = PowerDns();
  request.mutable_dns_provider()->mutable_powerdns()->set_api_url("http://192.0.2.1:8081");
  EXPECT_EQ(ReasonOf(Create(request)), "FIELD_INVALID") << "plain http leaves this machine";
  request = PowerDns();
  request.set_validate_only(true);
  EXPECT_EQ(ReasonOf(Create(request)), "");
  EXPECT_FALSE(world_.policies().GetProvider("pdns").ok());
}

TEST_F(ProviderServiceTest, ATakenIdIsRefused) {
  ASSERT_EQ(ReasonOf(Create(PowerDns())), "");
  EXPECT_EQ(ReasonOf(Create(PowerDns())), "RESOURCE_EXISTS");
}

TEST_F(ProviderServiceTest, ListsInPages) {
  for (const char* id : {"a", "b", "c"}) ASSERT_EQ(ReasonOf(Create(PowerDns(id))), "");
  v1::ListDnsProvidersRequest request;
  request.set_page_size(2);
  std::vector<std::string> names;
  do {
    v1::ListDnsProvidersResponse response;
    DMARCATE_CALL(world_, ProviderService, ListDnsProviders, request, &response);
    for (const v1::DnsProvider& p : response.dns_providers()) names.push_back(p.name());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, testing::ElementsAre("dnsProviders/a", "dnsProviders/b", "dnsProviders/c"));
}

TEST_F(ProviderServiceTest, ATestStreamsProgressAndEndsInTheResult) {
  world_.AddDomain();
  world_.AddProvider();
  grpc::Status status;
  const auto events = Test("dnsProviders/fake", &status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_GE(events.size(), 2u);
  EXPECT_FALSE(events.front().progress().empty());
  EXPECT_EQ(events.back().result().state(), v1::DnsProviderTestResult::STATE_WORKING);
  EXPECT_THAT(events.back().result().zones(), testing::ElementsAre("example.com"));
}

TEST_F(ProviderServiceTest, AnAccountThatCannotBeOpenedIsAResult) {
  ASSERT_EQ(ReasonOf(Create(PowerDns("unknown-to-the-factory"))), "");
  grpc::Status status;
  const auto events = Test("dnsProviders/unknown-to-the-factory", &status);
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(events.back().result().state(), v1::DnsProviderTestResult::STATE_MISCONFIGURED);
  EXPECT_FALSE(events.back().result().message().empty());
  Test("dnsProviders/nobody", &status);
  EXPECT_EQ(ReasonOf(status), "RESOURCE_NOT_FOUND");
}

}  // namespace
}  // namespace dmarcate
