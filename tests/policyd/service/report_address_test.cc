// Report addresses of domains: made, rotated, revoked, and published for ingestd.

#include "lib/snapshot/report_address.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/domain.grpc.pb.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/snapshot/snapshot.h"
#include "policyd/service/report_addresses.h"
#include "tests/policyd/service/world.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using service_testing::ReasonOf;
using service_testing::ReportsStore;
using service_testing::World;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using v1::DomainService;
using Stub = DomainService::Stub;

constexpr char kUuid[] = "123e4567-e89b-42d3-a456-426614174000";

class ReportAddressTest : public testing::Test {
 protected:
  v1::Domain Create(const std::string& id) {
    v1::CreateDomainRequest request;
    request.set_domain_id(id);
    v1::CreateDomainResponse response;
    const grpc::Status status = world_.Call<DomainService>(&Stub::CreateDomain, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.domain();
  }
  v1::Domain Get(const std::string& id) {
    v1::GetDomainRequest request;
    request.set_name("domains/" + id);
    v1::GetDomainResponse response;
    const grpc::Status status = world_.Call<DomainService>(&Stub::GetDomain, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.domain();
  }
  // The reason; empty: done, and `domain` is what it is now.
  std::string Rotate(v1::Domain* domain, World* world = nullptr) {
    v1::RotateReportAddressRequest request;
    request.set_name(domain->name());
    request.set_etag(domain->etag());
    v1::RotateReportAddressResponse response;
    const std::string reason =
        ReasonOf((world != nullptr ? *world : world_)
                     .Call<DomainService>(&Stub::RotateReportAddress, request, &response));
    if (reason.empty()) *domain = response.domain();
    return reason;
  }
  std::string Revoke(v1::Domain* domain, const std::string& address) {
    v1::RevokeReportAddressRequest request;
    request.set_name(domain->name());
    request.set_etag(domain->etag());
    request.set_address(address);
    v1::RevokeReportAddressResponse response;
    const std::string reason =
        ReasonOf(world_.Call<DomainService>(&Stub::RevokeReportAddress, request, &response));
    if (reason.empty()) *domain = response.domain();
    return reason;
  }
  // What ingestd would read.
  Snapshot Published() const {
    const auto text = ReadFile(file_, kSnapshotLimitBytes);
    EXPECT_TRUE(text.ok()) << text.status();
    const auto out = ParseSnapshot(text.value_or(""));
    EXPECT_TRUE(out.ok()) << out.status();
    return out.value_or(Snapshot());
  }

  testing_support::TempDir directory_;
  const std::string file_ = directory_.File("ingestd");
  World world_{ReportsStore::kThere, "reports.example", file_};
};

TEST_F(ReportAddressTest, EveryNewDomainHasItsOwn) {
  const v1::Domain first = Create("example.com"), second = Create("example.net");
  EXPECT_NE(first.report_address(), second.report_address());
  ASSERT_EQ(first.report_addresses_size(), 1);
  const v1::ReportAddress& address = first.report_addresses(0);
  EXPECT_EQ(address.address(), first.report_address());
  EXPECT_TRUE(IsReportLocalPart(address.address().substr(0, 18))) << address.address();
  EXPECT_EQ(address.address().substr(18), "@reports.example");
  EXPECT_TRUE(address.has_create_time());
  EXPECT_FALSE(address.has_revoke_time());
  EXPECT_TRUE(address.published());
  EXPECT_EQ(Get("example.com").SerializeAsString(), first.SerializeAsString());
  const Snapshot snapshot = Published();
  EXPECT_THAT(snapshot.domains, ElementsAre("example.com", "example.net"));
  ASSERT_THAT(snapshot.addresses, SizeIs(2));
  for (const Snapshot::Address& published : snapshot.addresses) {
    EXPECT_EQ(published.address,
              published.domain == "example.com" ? first.report_address() : second.report_address());
  }
}

TEST_F(ReportAddressTest, RotationKeepsTheOldOneUntilItIsRevoked) {
  v1::Domain domain = Create("example.com");
  const std::string old = domain.report_address();
  world_.clock().Advance(absl::Hours(1));
  ASSERT_EQ(Rotate(&domain), "");
  const std::string fresh = domain.report_address();
  EXPECT_NE(fresh, old);
  ASSERT_EQ(domain.report_addresses_size(), 2);
  EXPECT_EQ(domain.report_addresses(0).address(), fresh) << "newest first";
  EXPECT_GT(domain.report_addresses(0).create_time().seconds(),
            domain.report_addresses(1).create_time().seconds());
  EXPECT_THAT(Published().addresses, SizeIs(2));

  world_.clock().Advance(absl::Hours(48));
  std::string shouted = old;
  std::ranges::transform(shouted, shouted.begin(), [](char c) { return std::toupper(c); });
  ASSERT_EQ(Revoke(&domain, shouted), "") << "addresses are compared without case";
  EXPECT_EQ(domain.report_address(), fresh);
  ASSERT_EQ(domain.report_addresses_size(), 2) << "with when it was revoked";
  EXPECT_TRUE(domain.report_addresses(1).has_revoke_time());
  EXPECT_TRUE(domain.report_addresses(1).published());
  EXPECT_THAT(Published().addresses, ElementsAre(Snapshot::Address{fresh, "example.com"}));

  // Again: nothing changes, and no new etag makes others read it anew.
  const std::string etag = domain.etag();
  world_.clock().Advance(absl::Hours(1));
  ASSERT_EQ(Revoke(&domain, old), "");
  EXPECT_EQ(domain.etag(), etag);
  // The last one may go, too; then the domain has none.
  ASSERT_EQ(Revoke(&domain, fresh), "");
  EXPECT_EQ(domain.report_address(), "");
  EXPECT_THAT(Published().addresses, IsEmpty());
  EXPECT_THAT(Published().domains, ElementsAre("example.com"));
}

TEST_F(ReportAddressTest, ADomainFromBeforeGetsOneOnDemand) {
  world_.AddDomain();
  v1::Domain domain = Get("example.com");
  EXPECT_EQ(domain.report_address(), "");
  EXPECT_EQ(domain.report_addresses_size(), 0);
  ASSERT_EQ(Rotate(&domain), "");
  EXPECT_NE(domain.report_address(), "");
  EXPECT_EQ(Get("example.com").report_address(), domain.report_address());
}

TEST_F(ReportAddressTest, WithoutADomainForThemThereAreNone) {
  World world;
  world.AddDomain();
  v1::GetDomainRequest request;
  request.set_name("domains/example.com");
  v1::GetDomainResponse response;
  DMARCATE_CALL(world, DomainService, GetDomain, request, &response);
  EXPECT_EQ(response.domain().report_addresses_size(), 0);
  v1::CreateDomainRequest create;
  create.set_domain_id("other.example");
  v1::CreateDomainResponse created;
  DMARCATE_CALL(world, DomainService, CreateDomain, create, &created);
  EXPECT_EQ(created.domain().report_addresses_size(), 0);
  EXPECT_EQ(Rotate(response.mutable_domain(), &world), "REPORT_DOMAIN_MISSING");
}

TEST_F(ReportAddressTest, WhatIsAskedWronglyChangesNothing) {
  v1::Domain domain = Create("example.com");
  const std::string before = domain.SerializeAsString();
  v1::Domain wrong = domain;
  wrong.set_etag("");
  EXPECT_EQ(Rotate(&wrong), "ETAG_REQUIRED");
  EXPECT_EQ(Revoke(&wrong, domain.report_address()), "ETAG_REQUIRED");
  wrong.set_etag("r99");
  EXPECT_EQ(Rotate(&wrong), "ETAG_MISMATCH");
  EXPECT_EQ(Revoke(&wrong, domain.report_address()), "ETAG_MISMATCH");
  wrong = domain;
  wrong.set_name("domains/nobody.example");
  EXPECT_EQ(Rotate(&wrong), "RESOURCE_NOT_FOUND");
  EXPECT_EQ(Revoke(&domain, ""), "FIELD_REQUIRED");
  EXPECT_EQ(Revoke(&domain, "r-0000000000000000@reports.example"), "RESOURCE_NOT_FOUND");
  EXPECT_EQ(Get("example.com").SerializeAsString(), before);
}

TEST_F(ReportAddressTest, TheAddressOfAnotherDomainIsNotRevoked) {
  v1::Domain domain = Create("example.com");
  const v1::Domain other = Create("example.net");
  EXPECT_EQ(Revoke(&domain, other.report_address()), "RESOURCE_NOT_FOUND");
  EXPECT_THAT(Published().addresses, SizeIs(2));
}

TEST_F(ReportAddressTest, ValidateOnlyMakesAndRevokesNone) {
  v1::Domain domain = Create("example.com");
  v1::RotateReportAddressRequest rotate;
  rotate.set_name(domain.name());
  rotate.set_etag(domain.etag());
  rotate.set_validate_only(true);
  v1::RotateReportAddressResponse rotated;
  DMARCATE_CALL(world_, DomainService, RotateReportAddress, rotate, &rotated);
  EXPECT_EQ(rotated.domain().SerializeAsString(), domain.SerializeAsString());
  v1::RevokeReportAddressRequest revoke;
  revoke.set_name(domain.name());
  revoke.set_etag(domain.etag());
  revoke.set_address(domain.report_address());
  revoke.set_validate_only(true);
  v1::RevokeReportAddressResponse revoked;
  DMARCATE_CALL(world_, DomainService, RevokeReportAddress, revoke, &revoked);
  EXPECT_TRUE(revoked.domain().report_addresses(0).has_revoke_time()) << "as if done";
  EXPECT_EQ(Get("example.com").SerializeAsString(), domain.SerializeAsString());
  v1::CreateDomainRequest create;
  create.set_domain_id("other.example");
  create.set_validate_only(true);
  v1::CreateDomainResponse created;
  DMARCATE_CALL(world_, DomainService, CreateDomain, create, &created);
  EXPECT_EQ(created.domain().report_address(), "") << "somebody might publish it";
  EXPECT_THAT(Published().domains, ElementsAre("example.com"));
}

TEST_F(ReportAddressTest, ARequestIdRotatesOnce) {
  const v1::Domain domain = Create("example.com");
  v1::RotateReportAddressRequest request;
  request.set_name(domain.name());
  request.set_etag(domain.etag());
  request.set_request_id(kUuid);
  v1::RotateReportAddressResponse first, second;
  DMARCATE_CALL(world_, DomainService, RotateReportAddress, request, &first);
  DMARCATE_CALL(world_, DomainService, RotateReportAddress, request, &second);
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  EXPECT_EQ(Get("example.com").report_addresses_size(), 2);
}

TEST_F(ReportAddressTest, TenAreTheLimit) {
  v1::Domain domain = Create("example.com");
  for (size_t i = 1; i < kMostReportAddresses; ++i) ASSERT_EQ(Rotate(&domain), "");
  EXPECT_EQ(Rotate(&domain), "REPORT_ADDRESS_LIMIT");
  ASSERT_EQ(Revoke(&domain, domain.report_addresses(3).address()), "");
  EXPECT_EQ(Rotate(&domain), "");
}

TEST_F(ReportAddressTest, WhatWasRevokedLongAgoIsForgottenAtLast) {
  v1::Domain domain = Create("example.com");
  const std::string first = domain.report_address();
  std::string second;
  for (size_t i = 0; i <= kMostRevokedAddresses; ++i) {
    const std::string old = domain.report_address();
    if (i == 1) second = old;
    world_.clock().Advance(absl::Hours(1));
    ASSERT_EQ(Rotate(&domain), "");
    ASSERT_EQ(Revoke(&domain, old), "");
  }
  EXPECT_EQ(domain.report_addresses_size(), static_cast<int>(kMostRevokedAddresses) + 1);
  EXPECT_EQ(domain.report_addresses(static_cast<int>(kMostRevokedAddresses)).address(), second);
  EXPECT_EQ(Revoke(&domain, first), "RESOURCE_NOT_FOUND");

  v1::ListDomainsResponse list;
  DMARCATE_CALL(world_, DomainService, ListDomains, v1::ListDomainsRequest(), &list);
  ASSERT_THAT(list.domains(), SizeIs(1));
  ASSERT_THAT(list.domains(0).report_addresses(), SizeIs(1)) << "the history is GetDomain's";
  EXPECT_EQ(list.domains(0).report_addresses(0).address(), domain.report_address());
}

// Whoever was first wins, and the other is told; none is lost, none is there twice.
TEST_F(ReportAddressTest, TwoWhoRotateAtATimeMakeOneEach) {
  const v1::Domain domain = Create("example.com");
  constexpr int kCallers = 4;
  std::vector<v1::Domain> seen(kCallers, domain);
  std::vector<std::string> reasons(kCallers);
  {
    std::vector<std::jthread> callers;
    for (size_t i = 0; i < kCallers; ++i) {
      callers.emplace_back([&, i] { reasons[i] = Rotate(&seen[i]); });
    }
  }
  EXPECT_EQ(std::ranges::count(reasons, ""), 1);
  EXPECT_EQ(std::ranges::count(reasons, "ETAG_MISMATCH"), kCallers - 1);
  EXPECT_EQ(Get("example.com").report_addresses_size(), 2);
  EXPECT_THAT(Published().addresses, SizeIs(2));
}

TEST_F(ReportAddressTest, WhatCouldNotBePublishedIsShownAndTriedAgain) {
  v1::Domain domain = Create("example.com");
  const std::string old = domain.report_address();
  std::vector<bool> told;
  world_.publisher().CallOnChange([&told](bool up_to_date) { told.push_back(up_to_date); });
  // As a disk that went away: no file of this name can be made, by root either.
  std::filesystem::remove(file_);
  std::filesystem::rename(directory_.path(), directory_.path() + ".away");
  ASSERT_EQ(Rotate(&domain), "") << "the decision stands";
  EXPECT_FALSE(domain.report_addresses(0).published());
  EXPECT_FALSE(domain.report_addresses(1).published()) << "what the file says is not known";
  ASSERT_EQ(Revoke(&domain, old), "");
  EXPECT_FALSE(domain.report_addresses(1).published()) << "it is still accepted";
  EXPECT_THAT(told, ElementsAre(true, false));
  std::filesystem::rename(directory_.path() + ".away", directory_.path());
  ASSERT_TRUE(world_.publisher().Publish().ok());
  domain = Get("example.com");
  EXPECT_TRUE(domain.report_addresses(0).published());
  EXPECT_TRUE(domain.report_addresses(1).published());
  EXPECT_THAT(told, ElementsAre(true, false, true));
  EXPECT_THAT(Published().addresses, SizeIs(1));
}

}  // namespace
}  // namespace dmarcate
