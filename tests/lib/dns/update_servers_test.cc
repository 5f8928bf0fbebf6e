// Compare-and-set by UPDATE on BIND, Knot and PowerDNS: one suite, three servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/dns/update.h"
#include "tests/testing/servers.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;
using testing_support::IsOk;
using testing_support::MakeZone;
using testing_support::RealBind;
using testing_support::RealKnot;
using testing_support::RealPowerDns;
using testing_support::RealServer;
using testing_support::StatusIs;
using testing_support::TestTsigKey;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

enum class Kind { kBind, kKnot, kPowerDns };

testing_support::TestZone Confined(testing_support::TestZone zone) {
  zone.confined = true;
  return zone;
}

absl::StatusOr<std::unique_ptr<RealServer>> Start(Kind kind, const TestTsigKey& key) {
  const std::vector<testing_support::TestZone> zones = {
      MakeZone("example.test",
               "_dmarc TXT \"v=DMARC1; p=none\"\n"
               "two TXT \"token=1\"\ntwo TXT \"v=spf1 \" \"-all\"\n"
               "alias CNAME _dmarc\n"),
      Confined(MakeZone("confined.test", "_dmarc TXT \"v=DMARC1; p=none\"\n"))};
  switch (kind) {
    case Kind::kBind:
      return RealBind::Start(zones, key);
    case Kind::kKnot:
      return RealKnot::Start(zones, RealKnot::Signing::kSigned, key);
    case Kind::kPowerDns:
      return RealPowerDns::Start(zones, key);
  }
  return absl::InternalError("no such kind");
}

std::string NameOf(Kind kind) {
  return kind == Kind::kBind ? "Bind" : kind == Kind::kKnot ? "Knot" : "PowerDns";
}

class RealUpdate : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { StartWith("hmac-sha256"); }
  void StartWith(const std::string& algorithm) {
    key_.algorithm = algorithm;
    auto server = Start(GetParam(), key_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    client_ = MakeClient(key_);
  }
  std::unique_ptr<DnsUpdateClient> MakeClient(const TestTsigKey& key,
                                              absl::Duration timeout = absl::Seconds(10)) {
    return std::make_unique<DnsUpdateClient>(
        *ParseServerAddress(server_->server()),
        *MakeTsigKey(key.name, key.algorithm, Secret(key.secret_base64)), timeout);
  }
  absl::Status Set(std::string_view owner, std::vector<TxtRecord> before,
                   std::vector<TxtRecord> after, uint32_t ttl = 120) {
    return client_->Apply(
        {Name("example.test"), Name(owner), std::move(before), std::move(after), ttl});
  }
  std::vector<TxtRecord> Read(std::string_view owner) {
    const auto answer = client_->Read(Name(owner));
    EXPECT_THAT(answer, IsOk());
    return answer.ok() ? answer->txt : std::vector<TxtRecord>{};
  }

  TestTsigKey key_;
  std::unique_ptr<RealServer> server_;
  std::unique_ptr<DnsUpdateClient> client_;
};

const TxtRecord kNone = MakeTxtRecord("v=DMARC1; p=none");
const TxtRecord kReject = MakeTxtRecord("v=DMARC1; p=reject");

TEST_P(RealUpdate, SwapsOnlyWhatWasRead) {
  ASSERT_THAT(Set("_dmarc.example.test", {kNone}, {kReject}), IsOk()) << server_->log();
  EXPECT_THAT(Read("_dmarc.example.test"), ElementsAre(kReject));
  EXPECT_EQ(client_->Read(Name("_dmarc.example.test"))->ttl_seconds, 120U);
  // The same again, as after a lost answer: a conflict, not a second record.
  EXPECT_THAT(Set("_dmarc.example.test", {kNone}, {kReject}),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("NXRRSET")));
  EXPECT_THAT(Set("_dmarc.example.test", {kNone}, {}), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(Read("_dmarc.example.test"), ElementsAre(kReject));
}

TEST_P(RealUpdate, CreatesOnlyWhatIsAbsentAndRemoves) {
  EXPECT_THAT(Set("_dmarc.example.test", {}, {kReject}),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("YXRRSET")));
  ASSERT_THAT(Set("new.example.test", {}, {kNone, kReject}), IsOk());
  EXPECT_THAT(Read("new.example.test"), UnorderedElementsAre(kNone, kReject));
  ASSERT_THAT(Set("new.example.test", {kReject, kNone}, {}), IsOk());
  EXPECT_THAT(Read("new.example.test"), ElementsAre());
}

TEST_P(RealUpdate, ThePrerequisiteIsTheWholeRrSetWithItsStrings) {
  const TxtRecord token = MakeTxtRecord("token=1");
  const TxtRecord spf{{"v=spf1 ", "-all"}};
  EXPECT_THAT(Set("two.example.test", {spf}, {kNone}), StatusIs(absl::StatusCode::kAborted));
  ASSERT_THAT(Set("two.example.test", {spf, token}, {token, MakeTxtRecord("v=spf1 ~all")}), IsOk());
  EXPECT_THAT(Read("two.example.test"), UnorderedElementsAre(token, MakeTxtRecord("v=spf1 ~all")));
}

TEST_P(RealUpdate, LongTextsAndAllOctetsArriveAsTheyAre) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  const TxtRecord odd = MakeTxtRecord(all);
  const TxtRecord key = MakeTxtRecord("v=DKIM1; p=" + std::string(700, 'A'));
  ASSERT_THAT(Set("s._domainkey.example.test", {}, {odd, key}), IsOk());
  EXPECT_THAT(Read("s._domainkey.example.test"), UnorderedElementsAre(odd, key));
  ASSERT_THAT(Set("s._domainkey.example.test", {odd, key}, {key}), IsOk());
}

TEST_P(RealUpdate, WrongKeysAreDenied) {
  TestTsigKey wrong = key_;
  wrong.secret_base64 = "HxAeHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE=";
  client_ = MakeClient(wrong);
  EXPECT_THAT(Set("_dmarc.example.test", {kNone}, {kReject}),
              StatusIs(absl::StatusCode::kPermissionDenied));
  wrong = key_;
  wrong.name = "stranger";
  client_ = MakeClient(wrong);
  EXPECT_THAT(Set("_dmarc.example.test", {kNone}, {kReject}),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Read("_dmarc.example.test"), ElementsAre(kNone));
}

TEST_P(RealUpdate, CheckingTheKeyChangesNothing) {
  EXPECT_THAT(client_->CheckKey(Name("example.test")), IsOk()) << server_->log();
  TestTsigKey wrong = key_;
  wrong.secret_base64 = "HxAeHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE=";
  EXPECT_THAT(MakeClient(wrong)->CheckKey(Name("example.test")),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Read("_dmarc.example.test"), ElementsAre(kNone));
}

// A key that is confined is told so without a change; and who is not confined is not refused.
TEST_P(RealUpdate, RightsAreAskedForAndNothingIsChanged) {
  const DomainName zone = Name("confined.test");
  const auto right = [&](const DomainName& in, const DomainName& owner, RrType type) {
    return client_->CheckRight(in, owner, type);
  };
  for (const RrType type : {RrType::kTxt, RrType::kA}) {
    EXPECT_THAT(right(Name("example.test"), Name("_dmarc.example.test"), type), IsOk())
        << server_->log();
  }
  EXPECT_THAT(right(zone, zone, RrType::kTxt), IsOk()) << server_->log();
  EXPECT_THAT(right(zone, Name("_dmarc.confined.test"), RrType::kTxt), IsOk()) << server_->log();
  if (GetParam() != Kind::kPowerDns) {  // which has no such rights
    const auto refused = StatusIs(absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(right(zone, Name("_dmarc.confined.test"), RrType::kA), refused) << server_->log();
    EXPECT_THAT(right(zone, Name("www.confined.test"), RrType::kTxt), refused) << server_->log();
  }
  EXPECT_THAT(Read("_dmarc.example.test"), ElementsAre(kNone));
  EXPECT_THAT(Read("_dmarc.confined.test"), ElementsAre(kNone));
  // And it is no false promise.
  TxtRrSetUpdate update{zone, Name("_dmarc.confined.test"), {kNone}, {kReject}, 120};
  EXPECT_THAT(client_->Apply(update), IsOk()) << server_->log();
}

TEST_P(RealUpdate, AZoneThatIsNotThereIsAnError) {
  const absl::Status status =
      client_->Apply({Name("other.test"), Name("_dmarc.other.test"), {}, {kNone}, 120});
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.code(), absl::StatusCode::kUnknown) << status;
}

TEST_P(RealUpdate, AnAliasIsSeenAndATxtBesideItIsNotSet) {
  const auto answer = client_->Read(Name("alias.example.test"));
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->outcome, DnsOutcome::kNoData);
  EXPECT_THAT(answer->txt, ElementsAre());
  ASSERT_FALSE(answer->cname_chain.empty());
  EXPECT_EQ(answer->cname_chain[0], Name("_dmarc.example.test"));
  // Some drop it in silence, some refuse it: reading back tells, either way.
  static_cast<void>(Set("alias.example.test", {}, {kReject}));
  EXPECT_FALSE(client_->Read(Name("alias.example.test"))->cname_chain.empty());
}

TEST_P(RealUpdate, ASilentServerLeavesTheOutcomeUnknown) {
  client_ = MakeClient(key_, absl::Milliseconds(300));
  server_->Pause();  // the kernel still takes the connection and the message
  EXPECT_THAT(Set("_dmarc.example.test", {kNone}, {kReject}),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("outcome unknown")));
  server_->Resume();
  client_ = MakeClient(key_);
  // It may have been done meanwhile, or be done now: read back decides, as Apply says.
  const auto now = Read("_dmarc.example.test");
  EXPECT_TRUE(now == std::vector{kNone} || now == std::vector{kReject});
}

TEST_P(RealUpdate, EveryAlgorithmSigns) {
  for (const char* const algorithm : {"hmac-sha384", "hmac-sha512"}) {
    StartWith(algorithm);
    EXPECT_THAT(Set("_dmarc.example.test", {kNone}, {kReject}), IsOk()) << algorithm;
  }
}

INSTANTIATE_TEST_SUITE_P(All, RealUpdate,
                         testing::Values(Kind::kBind, Kind::kKnot, Kind::kPowerDns),
                         [](const auto& instance) { return NameOf(instance.param); });

}  // namespace
}  // namespace dmarcate
