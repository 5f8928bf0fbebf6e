#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/domain.grpc.pb.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using service_testing::ReasonOf;
using service_testing::ReportsStore;
using service_testing::World;
using v1::DomainService;
using Stub = DomainService::Stub;

constexpr char kUuid[] = "123e4567-e89b-42d3-a456-426614174000";

v1::CreateDomainRequest CreateRequest(const std::string& id) {
  v1::CreateDomainRequest request;
  request.set_domain_id(id);
  return request;
}

struct NameCase {
  std::string name, id, want_reason, want;
};
const NameCase kNames[] = {
    {"Plain", "example.com", "", "domains/example.com"},
    {"CaseAndDotAreNormalised", "EXAMPLE.com.", "", "domains/example.com"},
    {"ULabelsAreConverted",
     "b\xC3\xBC"
     "cher.example",
     "", "domains/xn--bcher-kva.example"},
    {"Nothing", "", "FIELD_REQUIRED", ""},
    {"ABlank", "exa mple.com", "DOMAIN_NAME_INVALID", ""},
    {"TooLong",
     std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + "." +
         std::string(60, 'd') + "." + std::string(10, 'e') + ".example",
     "DOMAIN_NAME_INVALID", ""},
    {"AnAddress", "192.0.2.1", "DOMAIN_NAME_INVALID", ""},
    {"AnIpv6Address", "2001:db8::1", "DOMAIN_NAME_INVALID", ""},
    {"TheRoot", ".", "DOMAIN_NAME_INVALID", ""},
    {"ASlash", "a/b.example", "DOMAIN_NAME_INVALID", ""},
    {"AWildcard", "*.example.com", "DOMAIN_NAME_INVALID", ""},
    {"AnUnderscore", "_dmarc.example.com", "DOMAIN_NAME_INVALID", ""},
    {"AComma", "a,b.example", "DOMAIN_NAME_INVALID", ""},
    {"AnOuterHyphen", "a-.example", "DOMAIN_NAME_INVALID", ""},
    {"AnInnerHyphen", "a-1.example", "", "domains/a-1.example"},
    {"APublicSuffix", "co.uk", "DOMAIN_IS_PUBLIC_SUFFIX", ""},
    {"ATopLevelDomain", "com", "DOMAIN_IS_PUBLIC_SUFFIX", ""},
};
void PrintTo(const NameCase& test, std::ostream* out) { *out << test.name; }

class CreateDomainTest : public testing::TestWithParam<NameCase> {};
TEST_P(CreateDomainTest, Name) {
  World world;
  v1::CreateDomainResponse response;
  const grpc::Status status =
      world.Call<DomainService>(&Stub::CreateDomain, CreateRequest(GetParam().id), &response);
  EXPECT_EQ(ReasonOf(status), GetParam().want_reason) << status.error_message();
  EXPECT_EQ(response.domain().name(), GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(All, CreateDomainTest, testing::ValuesIn(kNames),
                         [](const auto& test) { return test.param.name; });

TEST(DomainService, CreatingTwiceIsRefused) {
  World world;
  v1::CreateDomainResponse response;
  DMARCATE_CALL(world, DomainService, CreateDomain, CreateRequest("example.com"), &response);
  EXPECT_FALSE(response.domain().uid().empty());
  EXPECT_FALSE(response.domain().etag().empty());
  EXPECT_EQ(ReasonOf(world.Call<DomainService>(&Stub::CreateDomain, CreateRequest("Example.COM"),
                                               &response)),
            "RESOURCE_EXISTS");
}

TEST(DomainService, NamesAreShownAsPeopleWriteThem) {
  World world;
  v1::CreateDomainResponse response;
  DMARCATE_CALL(world, DomainService, CreateDomain, CreateRequest("xn--bcher-kva.example"),
                &response);
  EXPECT_EQ(response.domain().unicode_name(),
            "b\xC3\xBC"
            "cher.example");
}

TEST(DomainService, ValidateOnlyWritesNothing) {
  World world;
  v1::CreateDomainRequest request = CreateRequest("example.com");
  request.set_validate_only(true);
  v1::CreateDomainResponse response;
  DMARCATE_CALL(world, DomainService, CreateDomain, request, &response);
  EXPECT_EQ(response.domain().name(), "domains/example.com");
  EXPECT_FALSE(world.policies().GetDomain("example.com").ok());
}

TEST(DomainService, ARequestIdGivesTheFirstAnswerAgain) {
  World world;
  v1::CreateDomainRequest request = CreateRequest("example.com");
  request.set_request_id(kUuid);
  v1::CreateDomainResponse first, second;
  DMARCATE_CALL(world, DomainService, CreateDomain, request, &first);
  DMARCATE_CALL(world, DomainService, CreateDomain, request, &second);
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  request.set_domain_id("example.net");
  EXPECT_EQ(ReasonOf(world.Call<DomainService>(&Stub::CreateDomain, request, &second)),
            "REQUEST_ID_REUSED");
  request.set_request_id("not-a-uuid");
  EXPECT_EQ(ReasonOf(world.Call<DomainService>(&Stub::CreateDomain, request, &second)),
            "REQUEST_ID_INVALID");
}

TEST(DomainService, ARequestIdIsForgottenAfterAWeek) {
  World world;
  v1::CreateDomainRequest request = CreateRequest("example.com");
  request.set_request_id(kUuid);
  v1::CreateDomainResponse response;
  DMARCATE_CALL(world, DomainService, CreateDomain, request, &response);
  world.clock().Advance(absl::Hours(7 * 24 + 1));
  request.set_domain_id("example.net");
  DMARCATE_CALL(world, DomainService, CreateDomain, request, &response);
  EXPECT_EQ(response.domain().name(), "domains/example.net");
}

TEST(DomainService, WhatFailedMayBeTriedAgainUnderItsId) {
  World world;
  world.policies().FailPuts(absl::UnavailableError("disk"));
  v1::CreateDomainRequest request = CreateRequest("example.com");
  request.set_request_id(kUuid);
  v1::CreateDomainResponse response;
  EXPECT_EQ(ReasonOf(world.Call<DomainService>(&Stub::CreateDomain, request, &response)),
            "STORE_UNAVAILABLE");
  world.policies().FailPuts(absl::OkStatus());
  DMARCATE_CALL(world, DomainService, CreateDomain, request, &response);
}

TEST(DomainService, SettingsAreChecked) {
  World world;
  v1::CreateDomainRequest request = CreateRequest("example.com");
  v1::CreateDomainResponse response;
  request.mutable_domain()->set_dns_provider("dnsProviders/nobody");
  EXPECT_EQ(ReasonOf(world.Call<DomainService>(&Stub::CreateDomain, request, &response)),
            "FIELD_INVALID");
  request.mutable_domain()->set_dns_provider("nobody");
  EXPECT_EQ(ReasonOf(world.Call<DomainService>(&Stub::CreateDomain, request, &response)),
            "NAME_MALFORMED");
  request.mutable_domain()->clear_dns_provider();
  request.mutable_domain()->set_report_mailbox("no address");
  EXPECT_EQ(ReasonOf(world.Call<DomainService>(&Stub::CreateDomain, request, &response)),
            "FIELD_INVALID");
}

TEST(DomainService, UpdateNeedsMaskAndEtag) {
  World world;
  world.AddDomain();
  v1::UpdateDomainRequest request;
  request.mutable_domain()->set_name("domains/example.com");
  request.mutable_domain()->set_report_mailbox("reports@example.net");
  const auto reason = [&] {
    v1::UpdateDomainResponse response;
    return ReasonOf(world.Call<DomainService>(&Stub::UpdateDomain, request, &response));
  };
  EXPECT_EQ(reason(), "UPDATE_MASK_REQUIRED");
  request.mutable_update_mask()->add_paths("report_mailbxo");
  EXPECT_EQ(reason(), "ETAG_REQUIRED");
  request.mutable_domain()->set_etag("r7");
  EXPECT_EQ(reason(), "ETAG_MISMATCH");
  request.mutable_domain()->set_etag("something else");
  EXPECT_EQ(reason(), "ETAG_MISMATCH");
  request.mutable_domain()->set_etag("r1");
  EXPECT_EQ(reason(), "UPDATE_MASK_INVALID");
}

TEST(DomainService, UpdateChangesWhatTheMaskNames) {
  World world;
  world.AddDomain();
  v1::UpdateDomainRequest request;
  request.mutable_domain()->set_name("domains/example.com");
  request.mutable_domain()->set_etag("r1");
  request.mutable_domain()->set_report_mailbox("reports@example.net");
  request.mutable_domain()->set_dns_provider("dnsProviders/ignored");
  request.mutable_update_mask()->add_paths("report_mailbox");
  request.mutable_update_mask()->add_paths("uid");  // output only: without effect
  v1::UpdateDomainResponse response;
  DMARCATE_CALL(world, DomainService, UpdateDomain, request, &response);
  EXPECT_EQ(response.domain().report_mailbox(), "reports@example.net");
  EXPECT_EQ(response.domain().dns_provider(), "");
  EXPECT_EQ(response.domain().uid(), "uid-example.com");
  EXPECT_NE(response.domain().etag(), "r1");
}

TEST(DomainService, TheSummaryIsThatOfThirtyDays) {
  World world;
  world.AddDomain();
  world.AddReport(Report(world.DaysAgo(29), {Row(5).Dkim("example.com", "a"), Row(2)}));
  world.AddReport(Report(world.DaysAgo(30), {Row(100)}));
  v1::GetDomainRequest request;
  request.set_name("domains/example.com");
  v1::GetDomainResponse response;
  DMARCATE_CALL(world, DomainService, GetDomain, request, &response);
  const v1::DomainSummary& summary = response.domain().summary();
  EXPECT_EQ(summary.counts().message_count(), 7);
  EXPECT_EQ(summary.counts().dmarc_pass_count(), 5);
  EXPECT_EQ(summary.source_count(), 2);
  EXPECT_EQ(summary.pending_source_count(), 2);
  // What cannot be read is not taken for what is not there.
  world.policies().FailDecisions(absl::DataLossError("spoiled"));
  DMARCATE_CALL(world, DomainService, GetDomain, request, &response);
  EXPECT_EQ(response.domain().summary().source_count(), 2);
  EXPECT_FALSE(response.domain().summary().has_pending_source_count());
  EXPECT_EQ(summary.last_report_date().day(), 1);
  EXPECT_EQ(summary.last_report_date().month(), 6);
}

TEST(DomainService, WithoutAReportsStoreDomainsAreServedAllTheSame) {
  World world(ReportsStore::kMissing);
  world.AddDomain();
  v1::GetDomainRequest request;
  request.set_name("domains/example.com");
  v1::GetDomainResponse response;
  DMARCATE_CALL(world, DomainService, GetDomain, request, &response);
  EXPECT_FALSE(response.domain().has_summary());
}

TEST(DomainService, WhatIsNotThereIsNotFound) {
  World world;
  v1::GetDomainRequest request;
  v1::GetDomainResponse response;
  EXPECT_EQ(ReasonOf(world.Call<DomainService>(&Stub::GetDomain, request, &response)),
            "FIELD_REQUIRED");
  request.set_name("domains/example.com");
  EXPECT_EQ(ReasonOf(world.Call<DomainService>(&Stub::GetDomain, request, &response)),
            "RESOURCE_NOT_FOUND");
  for (const char* bad : {"example.com", "domains/", "domains/a/b", "domains/-", "domain/a.com"}) {
    request.set_name(bad);
    EXPECT_EQ(ReasonOf(world.Call<DomainService>(&Stub::GetDomain, request, &response)),
              "NAME_MALFORMED")
        << bad;
  }
}

TEST(DomainService, ListsNewestFirstInPages) {
  World world;
  for (const char* name : {"a.example", "b.example", "c.example", "d.example", "e.example"}) {
    world.AddDomain(name);
    world.clock().Advance(absl::Minutes(1));
  }
  v1::ListDomainsRequest request;
  request.set_page_size(2);
  std::vector<std::string> names;
  int pages = 0;
  do {
    v1::ListDomainsResponse response;
    DMARCATE_CALL(world, DomainService, ListDomains, request, &response);
    for (const v1::Domain& domain : response.domains()) names.push_back(domain.name());
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_THAT(names,
              testing::ElementsAre("domains/e.example", "domains/d.example", "domains/c.example",
                                   "domains/b.example", "domains/a.example"));
  EXPECT_EQ(pages, 3);
}

TEST(DomainService, PageArgumentsAreChecked) {
  World world;
  v1::ListDomainsRequest request;
  v1::ListDomainsResponse response;
  request.set_page_size(-1);
  EXPECT_EQ(ReasonOf(world.Call<DomainService>(&Stub::ListDomains, request, &response)),
            "PAGE_SIZE_NEGATIVE");
  request.set_page_size(5000);
  DMARCATE_CALL(world, DomainService, ListDomains, request, &response);
  request.set_page_token("bm9uZSBvZiBvdXJzIGF0IGFsbCwgYnV0IGxvbmcgZW5vdWdo");
  EXPECT_EQ(ReasonOf(world.Call<DomainService>(&Stub::ListDomains, request, &response)),
            "PAGE_TOKEN_INVALID");
}

TEST(DomainService, NoTokenNoAnswer) {
  World world;
  grpc::ClientContext context;
  v1::ListDomainsResponse response;
  const grpc::Status status = DomainService::NewStub(world.channel())
                                  ->ListDomains(&context, v1::ListDomainsRequest(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ReasonOf(status), "TOKEN_MISSING");
}

}  // namespace
}  // namespace dmarcate
