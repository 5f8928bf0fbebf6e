// What ApiProvider does not leave to an adapter or a host.

#include "policyd/provider/api/api_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/http/fake_transport.h"
#include "policyd/provider/api/host_api.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::IsOk;
using testing_support::StatusIs;

constexpr char kSecret[] = "s3cret-k3y";

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

// A host that says what it is told to say; shared by the test and the provider.
struct Host {
  std::vector<HostedZone> zones = {{Name("example.test"), "1", ""}};
  HostedRrSet rrset;
  std::function<absl::Status(Host&, const RrSetChange&)> write;
  int found = 0, writes = 0, published = 0;
};

class OddApi final : public ZoneApi, public ZonePublisher {
 public:
  explicit OddApi(Host& host) : host_(host) {}
  std::string_view host() const override { return "odd"; }
  ProviderClass provider_class() const override { return ProviderClass::kB; }
  std::vector<std::string> Secrets() const override { return {kSecret}; }
  absl::Status Authorize(ApiCall&, HttpRequest&) override { return absl::OkStatus(); }
  std::optional<ApiError> ErrorOf(const HttpResponse&) const override { return std::nullopt; }
  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall&) override { return host_.zones; }
  // Passes the filter over.
  absl::StatusOr<std::vector<HostedZone>> FindZones(ApiCall&, const DomainName&) override {
    ++host_.found;
    return host_.zones;
  }
  absl::StatusOr<HostedRrSet> Read(ApiCall&, const HostedZone&, const DomainName&) override {
    return host_.rrset;
  }
  absl::Status Write(ApiCall&, const HostedZone&, const HostedRrSet&,
                     const RrSetChange& change) override {
    ++host_.writes;
    return host_.write(host_, change);
  }
  void Probe(ApiCall&, const std::vector<HostedZone>&, ProviderTest& test) override {
    test.warnings.push_back(std::string("the host says ") + kSecret);
  }
  absl::Status Publish(ApiCall&, const HostedZone&) override {
    ++host_.published;
    return absl::OkStatus();
  }

 private:
  Host& host_;
};

class ApiProviderTest : public testing::Test {
 protected:
  absl::Status Apply(const std::string& before, const std::string& after) {
    const auto records = [](const std::string& text) {
      return text.empty() ? std::vector<TxtRecord>{} : std::vector{MakeTxtRecord(text)};
    };
    return provider_.Apply(zone_, {owner_, records(before), records(after), 300});
  }
  static void Keep(HostedRrSet& rrset, std::string_view text) {
    rrset.records.clear();
    AddRecord(rrset, MakeHostedRecord(TxtForm::kRaw, "1", std::string(text), 300));
  }

  Host host_;
  FakeHttpTransport http_;
  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  ApiWorld world_{http_, clock_, [this](absl::Duration d) { clock_.Advance(d); }};
  ApiProvider provider_{world_, std::make_unique<OddApi>(host_)};
  const DomainName zone_ = Name("example.test");
  const DomainName owner_ = Name("_dmarc.example.test");
};

TEST_F(ApiProviderTest, AFilterThatTheHostPassesOverIsApplied) {
  host_.zones = {{Name("other.test"), "2", ""}, {zone_, "1", ""}, {Name("test"), "3", ""}};
  EXPECT_EQ(provider_.FindZone(owner_).value(), zone_);
  EXPECT_THAT(provider_.ReadRrSet(zone_, owner_), IsOk());
  EXPECT_THAT(provider_.ReadRrSet(Name("example.org"), Name("example.org")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ApiProviderTest, WhatCannotBeReadIsNotAbsent) {
  Keep(host_.rrset, "one");
  HostedRecord strange{.id = "2", .raw = "\x01strange"};
  host_.rrset.records.push_back(strange);
  host_.write = [](Host&, const RrSetChange&) { return absl::OkStatus(); };
  const absl::Status read = provider_.ReadRrSet(zone_, owner_).status();
  EXPECT_THAT(read, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("strange")));
  EXPECT_THAT(std::string(read.message()), Not(HasSubstr("\x01")));
  EXPECT_THAT(Apply("one", "two"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Apply("", "two"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(host_.writes, 0);
}

TEST_F(ApiProviderTest, ARecordThatCannotBeReadAfterTheWriteLeavesItUnknown) {
  host_.write = [](Host& host, const RrSetChange& change) {
    Keep(host.rrset, change.after[0].Joined());
    host.rrset.records.push_back({.id = "2", .raw = "strange"});
    return absl::OkStatus();
  };
  EXPECT_THAT(Apply("", "one"), StatusIs(absl::StatusCode::kUnknown));
}

TEST_F(ApiProviderTest, AConflictWithOurOwnRecordIsPublishedAgain) {
  // Another call of ours has put it there, and may have ended before it was published.
  host_.write = [](Host& host, const RrSetChange& change) {
    Keep(host.rrset, change.after[0].Joined());
    return absl::AbortedError("409");
  };
  EXPECT_THAT(Apply("", "one"), IsOk());
  EXPECT_EQ(host_.published, 1);
  // Where it stands already, likewise.
  EXPECT_THAT(Apply("", "one"), IsOk());
  EXPECT_EQ(host_.published, 2);
  EXPECT_EQ(host_.writes, 1);
  // A conflict with somebody else's is one.
  host_.write = [](Host& host, const RrSetChange&) {
    Keep(host.rrset, "foreign");
    return absl::AbortedError("409");
  };
  EXPECT_THAT(Apply("one", "two"), StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(host_.published, 2);
}

TEST_F(ApiProviderTest, NoSecretPassesWhateverWayTheHostsWordsTake) {
  const auto expect_clean = [](const absl::Status& status) {
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr(kSecret)));
    EXPECT_THAT(std::string(status.message()), HasSubstr("(secret)"));
  };
  host_.zones[0].read_only = std::string("secondary of ") + kSecret;
  expect_clean(Apply("", "one"));
  for (const std::string& warning : provider_.Test().warnings) {
    EXPECT_THAT(warning, Not(HasSubstr(kSecret)));
  }
  clock_.Advance(absl::Hours(1));
  host_.zones = {{zone_, kSecret, ""}, {zone_, "2", ""}};
  expect_clean(provider_.ReadRrSet(zone_, owner_).status());
  host_.zones = {{zone_, "1", ""}};
  host_.rrset.refuse = std::string("policy ") + kSecret;
  expect_clean(Apply("", "one"));
  host_.rrset.refuse = "";
  host_.rrset.records = {{.id = "2", .raw = kSecret}};
  expect_clean(provider_.ReadRrSet(zone_, owner_).status());
  host_.rrset.records.clear();
  host_.write = [](Host&, const RrSetChange&) {
    return absl::FailedPreconditionError(std::string("no: ") + kSecret);
  };
  expect_clean(Apply("", "one"));
}

TEST_F(ApiProviderTest, AZoneIsLookedForAgainAfterAWhile) {
  for (int i = 0; i < 3; ++i) EXPECT_THAT(provider_.ReadRrSet(zone_, owner_), IsOk());
  EXPECT_EQ(host_.found, 1);
  clock_.Advance(absl::Minutes(11));
  host_.zones[0].id = "another of that name";
  EXPECT_THAT(provider_.ReadRrSet(zone_, owner_), IsOk());
  EXPECT_EQ(host_.found, 2);
}

}  // namespace
}  // namespace dmarcate
