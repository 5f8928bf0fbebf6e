#include "policyd/plan/delegation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/plan/guard.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing_support::StatusIs;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

const DomainName kOwner = Name("_dmarc.example.com");
const DomainName kTarget = Name("example.com._dmarc.ops.test");
const DomainName kSpfTarget = Name("example.com._spf.ops.test");

ServerAnswer Server(std::vector<DomainName> chain, std::vector<std::string> texts = {}) {
  DnsAnswer answer;
  answer.outcome = DnsOutcome::kRecords;
  answer.cname_chain = std::move(chain);
  for (const std::string& text : texts) answer.txt.push_back(MakeTxtRecord(text));
  static int number = 0;
  return {Name("ns" + std::to_string(++number) + ".example.com"), "192.0.2.1:53", answer};
}
AuthoritativeAnswer Servers(std::vector<ServerAnswer> servers) {
  return {Name("example.com"), std::move(servers)};
}
const GuardRecord& Only(const DelegationSight& sight) {
  EXPECT_EQ(sight.guards.size(), 1u);
  return sight.guards.front();
}

TEST(DelegatedOwnerTest, HasTheDomainInFront) {
  EXPECT_EQ(DelegatedOwner(RecordRole::kDmarc, Name("example.com"), Name("ops.test")).value(),
            kTarget);
  EXPECT_EQ(DelegatedOwner(RecordRole::kSpf, Name("example.com"), Name("ops.test")).value(),
            kSpfTarget);
  EXPECT_EQ(RoleOf(kTarget), RecordRole::kDmarc);
  EXPECT_EQ(RoleOf(kSpfTarget), RecordRole::kSpf);
  EXPECT_EQ(RoleOf(Name("a._report._dmarc.b.test")), RecordRole::kReportAuthorization);
  std::string label(60, 'x');
  const DomainName longest = Name(label + "." + label + "." + label + ".test");
  EXPECT_THAT(DelegatedOwner(RecordRole::kDmarc, longest, longest),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(JudgeDelegationTest, InPlace) {
  const DelegationSight sight = JudgeDelegation(
      RecordRole::kDmarc, kOwner, kTarget, Servers({Server({kTarget}), Server({kTarget})}), {});
  EXPECT_TRUE(sight.in_place);
  EXPECT_EQ(Only(sight).verdict, GuardVerdict::kPass);
}

TEST(JudgeDelegationTest, NotYetSaysWhatToSet) {
  const DelegationSight sight = JudgeDelegation(RecordRole::kDmarc, kOwner, kTarget,
                                                Servers({Server({}, {"v=DMARC1; p=reject"})}), {});
  EXPECT_FALSE(sight.in_place);
  EXPECT_EQ(sight.held.front().Joined(), "v=DMARC1; p=reject");
  EXPECT_EQ(Only(sight).verdict, GuardVerdict::kWarn);
  EXPECT_EQ(Only(sight).metadata.at("record"),
            "_dmarc.example.com. CNAME example.com._dmarc.ops.test.");
  EXPECT_THAT(Only(sight).message, HasSubstr("in the place of the TXT record"));
}

TEST(JudgeDelegationTest, AnAliasOfSomebodyElseIsRefused) {
  const DelegationSight sight =
      JudgeDelegation(RecordRole::kDmarc, kOwner, kTarget,
                      Servers({Server({Name("example.com.dmarc.vendor.test")})}), {});
  EXPECT_EQ(Only(sight).code, guard_code::kDelegationForeign);
  EXPECT_EQ(Only(sight).verdict, GuardVerdict::kRefuse);
  EXPECT_THAT(Only(sight).message, HasSubstr("vendor.test"));
}

TEST(JudgeDelegationTest, ALoopIsRefused) {
  const DelegationSight sight =
      JudgeDelegation(RecordRole::kDmarc, kOwner, kTarget, Servers({Server({kTarget})}),
                      Servers({Server({kOwner})}));
  EXPECT_EQ(Only(sight).code, guard_code::kDelegationLoop);
  EXPECT_THAT(Only(sight).message, HasSubstr("loop"));
}

TEST(JudgeDelegationTest, HalfOfTheServersAreNotEnough) {
  EXPECT_EQ(Only(JudgeDelegation(RecordRole::kDmarc, kOwner, kTarget,
                                 Servers({Server({kTarget}), Server({}, {"x"})}), {}))
                .code,
            guard_code::kZoneInconsistent);
  ServerAnswer silent = Server({});
  silent.answer = absl::DeadlineExceededError("timeout");
  EXPECT_EQ(Only(JudgeDelegation(RecordRole::kDmarc, kOwner, kTarget,
                                 Servers({Server({kTarget}), silent}), {}))
                .code,
            guard_code::kZoneInconsistent);
  EXPECT_EQ(Only(JudgeDelegation(RecordRole::kDmarc, kOwner, kTarget, Servers({}), {})).code,
            guard_code::kZoneInconsistent);
}

TEST(JudgeDelegationTest, SpfLeadsByAnInclude) {
  const auto judge = [](const std::vector<std::string>& texts) {
    return JudgeDelegation(RecordRole::kSpf, Name("example.com"), kSpfTarget,
                           Servers({Server({}, texts)}), {});
  };
  EXPECT_TRUE(judge({"token", "v=spf1 mx Include:Example.com._spf.ops.test ~all"}).in_place);
  const DelegationSight missing = judge({"v=spf1 mx ~all"});
  EXPECT_FALSE(missing.in_place);
  EXPECT_EQ(Only(missing).metadata.at("record"),
            "example.com. TXT \"v=spf1 mx include:example.com._spf.ops.test ~all\"");
  EXPECT_EQ(Only(judge({})).metadata.at("record"),
            "example.com. TXT \"v=spf1 include:example.com._spf.ops.test ~all\"");
  // Excluded, in another record, or one of two: not that.
  EXPECT_FALSE(judge({"v=spf1 -include:example.com._spf.ops.test ~all"}).in_place);
  EXPECT_FALSE(judge({"v=spf1 ~all", "include:example.com._spf.ops.test"}).in_place);
  EXPECT_FALSE(judge({"v=spf1 include:example.com._spf.ops.test ~all", "v=spf1 -all"}).in_place);
}

TEST(TellPreparedTest, WhatSettingTheAliasWouldChange) {
  const DelegationSight sight = JudgeDelegation(
      RecordRole::kDmarc, kOwner, kTarget,
      Servers({Server({}, {"token", "v=DMARC1; p=reject; rua=mailto:a@b.test"})}), {});
  EXPECT_TRUE(TellPrepared(sight, {}).empty());
  EXPECT_TRUE(
      TellPrepared(sight, {"v=DMARC1; p=reject; rua=mailto:a@b.test,mailto:r@c.test"}).empty());
  const auto told = TellPrepared(sight, {"v=DMARC1; p=none; rua=mailto:a@b.test"});
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].verdict, GuardVerdict::kWarn);
  EXPECT_THAT(told[0].message, HasSubstr("the policy would change"));
  EXPECT_EQ(TellPrepared(sight, {"v=DMARC1; p=reject"}).size(), 1u);
}

TEST(WithIncludeTest, OnceAndBeforeAll) {
  const std::string once = WithInclude("v=spf1  mx -all", kSpfTarget).value();
  EXPECT_EQ(once, "v=spf1  mx include:example.com._spf.ops.test -all");
  EXPECT_EQ(WithInclude(once, kSpfTarget).value(), once);
  EXPECT_THAT(WithInclude("v=spf1 ip4:nonsense", kSpfTarget),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace dmarcate
