#include "policyd/evidence/record_evidence.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/evidence/spf_breakage.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'764'000'000);

Observation Seen(absl::Duration first_ago, absl::Duration last_ago, std::vector<std::string> values,
                 ObservedOutcome outcome = ObservedOutcome::kRecords) {
  Observation observation;
  observation.outcome = outcome;
  observation.values = std::move(values);
  observation.from_servers = true;
  observation.first_seen = kNow - first_ago;
  observation.last_seen = kNow - last_ago;
  return observation;
}

std::map<std::string, std::vector<Observation>> KeyIs(const Observation& observation) {
  return {{"s1._domainkey.example.com", {observation}}};
}
const std::vector<SourceSelectors> kSource = {{"vendor", {"s1"}, false}};

TEST(FindBreakagesTest, AKeyThatIsGone) {
  const auto found =
      FindBreakages("example.com", kSource,
                    KeyIs(Seen(absl::Hours(4), absl::Minutes(5), {}, ObservedOutcome::kNxDomain)),
                    absl::Hours(1), kNow);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].source_id, "vendor");
  EXPECT_EQ(found[0].name, "s1._domainkey.example.com");
  EXPECT_EQ(found[0].looks, 4);
  EXPECT_FALSE(found[0].carried);
}

TEST(FindBreakagesTest, WhatIsNotKnownIsNotBroken) {
  const absl::Duration interval = absl::Hours(1);
  const auto find = [&](const Observation& observation) {
    return FindBreakages("example.com", kSource, KeyIs(observation), interval, kNow);
  };
  EXPECT_THAT(find(Seen(absl::Hours(4), absl::Hours(0), {}, ObservedOutcome::kTimeout)), IsEmpty());
  EXPECT_THAT(find(Seen(absl::Hours(40), absl::Hours(9), {}, ObservedOutcome::kNxDomain)),
              IsEmpty());  // long ago
  Observation by_resolver = Seen(absl::Hours(4), absl::Hours(0), {}, ObservedOutcome::kNxDomain);
  by_resolver.from_servers = false;
  EXPECT_THAT(find(by_resolver), IsEmpty());
  EXPECT_THAT(FindBreakages("example.com", kSource, {}, interval, kNow), IsEmpty());
  EXPECT_THAT(
      FindBreakages("example.com", kSource,
                    KeyIs(Seen(absl::Hours(4), absl::Hours(0), {}, ObservedOutcome::kNxDomain)),
                    absl::ZeroDuration(), kNow),
      IsEmpty());  // nobody watches
}

TEST(FindBreakagesTest, ARevokedKeyIsGoneAndAnotherKeyStillSigns) {
  const Observation revoked = Seen(absl::Hours(4), absl::Hours(0), {"v=DKIM1; p="});
  EXPECT_EQ(FindBreakages("example.com", kSource, KeyIs(revoked), absl::Hours(1), kNow).size(), 1u);
  auto two = KeyIs(revoked);
  two["s2._domainkey.example.com"] = {Seen(absl::Hours(4), absl::Hours(0), {"v=DKIM1; p=AAAA"})};
  EXPECT_THAT(
      FindBreakages("example.com", {{"vendor", {"s1", "s2"}, false}}, two, absl::Hours(1), kNow),
      IsEmpty());
  EXPECT_TRUE(FindBreakages("example.com", {{"vendor", {"s1"}, true}}, KeyIs(revoked),
                            absl::Hours(1), kNow)[0]
                  .carried);
}

using Histories = std::map<std::string, std::vector<Observation>>;
Histories SpfIs(std::vector<Observation> own, std::vector<Observation> included = {}) {
  return {{"example.com", std::move(own)}, {"_spf.a.test", std::move(included)}};
}
std::optional<Breakage> FindSpf(const Histories& histories, bool needs_spf = true) {
  return FindSpfBreakage("example.com", {{"vendor", {"s1"}, false, needs_spf}}, histories,
                         absl::Hours(1), kNow);
}
const std::string kSpfText = "v=spf1 include:_SPF.a.test include:%{i}.b.test -all";

TEST(FindSpfBreakageTest, AnIncludeThatIsGone) {
  const Observation own = Seen(absl::Hours(90), absl::Hours(0), {kSpfText});
  const Observation good = Seen(absl::Hours(90), absl::Hours(5), {"v=spf1 -all"});
  const Observation gone = Seen(absl::Hours(4), absl::Hours(0), {}, ObservedOutcome::kNxDomain);
  EXPECT_THAT(SpfTargetsOf({own}), ElementsAre("_spf.a.test"));
  const auto found = FindSpf(SpfIs({own}, {gone, good}));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->kind, BreakageKind::kIncludeBroken);
  EXPECT_EQ(found->name, "_spf.a.test");
  EXPECT_EQ(found->looks, 5);
  EXPECT_FALSE(found->carried);
  EXPECT_TRUE(FindSpf(SpfIs({own}, {gone, good}), false)->carried);
  EXPECT_FALSE(FindSpf(SpfIs({own}, {good, gone})).has_value());
  EXPECT_FALSE(FindSpf(SpfIs({own}, {gone})).has_value());  // it never was there
  EXPECT_FALSE(
      FindSpf(SpfIs({own},
                    {Seen(absl::Hours(4), absl::Hours(0), {}, ObservedOutcome::kServfail), good}))
          .has_value());
}

TEST(FindSpfBreakageTest, ARecordThatIsNoneAnyMore) {
  const Observation good = Seen(absl::Hours(90), absl::Hours(5), {"v=spf1 -all"});
  for (const std::vector<std::string>& texts :
       {std::vector<std::string>{"v=spf1 -all", "v=spf1 mx"}, {"v=spf1 ip4:x -all"}, {"other=1"}}) {
    const auto found = FindSpf(SpfIs({Seen(absl::Hours(4), absl::Hours(0), texts), good}));
    ASSERT_TRUE(found.has_value()) << texts.front();
    EXPECT_EQ(found->kind, BreakageKind::kSpfPermerror);
  }
  EXPECT_FALSE(FindSpf(SpfIs({good})).has_value());
  EXPECT_FALSE(FindSpf({}).has_value());
}

const std::vector<Observation> kHistory = {
    Seen(absl::Hours(2), absl::Hours(0), {"v=DMARC1; p=quarantine; fo=1"}),
    Seen(absl::Hours(3), absl::Hours(3), {}, ObservedOutcome::kTimeout),
    Seen(absl::Hours(9), absl::Hours(4), {"v=DMARC1; p=quarantine"}),
    Seen(absl::Hours(90), absl::Hours(10), {"v=DMARC1; p=none"}),
};

TEST(PolicyChangesTest, OnlyWhatChangesTheEffect) {
  EXPECT_THAT(PolicyChangesOf(kHistory),
              ElementsAre(std::pair(kNow - absl::Hours(10), kNow - absl::Hours(9))));
  EXPECT_THAT(PolicyChangesOf({}), IsEmpty());
}

TEST(StageSinceTest, AsFarBackAsTheRecordStoodThere) {
  EXPECT_EQ(StageSinceOf(kHistory, PolicyScope::kDomain, PolicyStage::kQuarantine, kNow),
            kNow - absl::Hours(9));
  EXPECT_EQ(StageSinceOf(kHistory, PolicyScope::kDomain, PolicyStage::kObserve, kNow), kNow);
  EXPECT_EQ(StageSinceOf({}, PolicyScope::kDomain, PolicyStage::kObserve, kNow), kNow);
}

RecordView View(const std::string& owner, const std::vector<std::string>& servers) {
  RecordView view;
  view.owner = DomainName::Parse(owner).value();
  AuthoritativeAnswer answer;
  for (const std::string& text : servers) {
    ServerAnswer server;
    DnsAnswer one;
    one.outcome = DnsOutcome::kRecords;
    one.txt = {TxtRecord{{text}}};
    server.answer = one;
    answer.servers.push_back(server);
  }
  if (!servers.empty()) {
    view.resolver = answer.servers.front().answer;
    view.servers = answer;
    view.servers_asked = true;
  }
  return view;
}

TEST(JudgeRecordsTest, MissingAndDisagreeingServersAreNoRecord) {
  SpfPosture spf;
  spf.view = View("example.com", {"v=spf1 -all"});
  DmarcPosture dmarc;
  dmarc.view = View("_dmarc.example.com", {"v=DMARC1; p=none", "v=DMARC1; p=none"});
  EXPECT_EQ(JudgeRecords(spf, dmarc, kNow, {}).looked, kNow);
  EXPECT_THAT(JudgeRecords(spf, dmarc, kNow, {}).dmarc, ElementsAre("v=DMARC1; p=none"));
  dmarc.view = View("_dmarc.example.com", {"v=DMARC1; p=none", "v=DMARC1; p=reject"});
  EXPECT_EQ(JudgeRecords(spf, dmarc, kNow, {}).looked, absl::InfinitePast());
  dmarc.view = View("_dmarc.example.com", {});
  EXPECT_EQ(JudgeRecords(spf, dmarc, kNow, {}).looked, absl::InfinitePast());
  dmarc.view = View("_dmarc.example.com", {"v=DMARC1; p=none"});
  spf.view = View("example.com", {});
  EXPECT_EQ(JudgeRecords(spf, dmarc, kNow, {}).looked, absl::InfinitePast());
}

TEST(JudgeRecordsTest, ErrorsAndDriftCount) {
  SpfPosture spf;
  spf.view = View("example.com", {"v=spf1 -all"});
  LintFinding error;
  error.severity = Severity::kError;
  spf.judgement.findings = {error, LintFinding()};
  DmarcPosture dmarc;
  dmarc.view = View("_dmarc.example.com", {"v=DMARC1; p=none"});
  InsightRecord drift;
  drift.code = "DRIFT_RECORD_CHANGED";
  drift.state = InsightState::kResolved;
  drift.resolve_time = kNow - absl::Hours(5);
  drift.last_seen = kNow - absl::Hours(6);
  InsightRecord other;
  other.code = "SPF_DANGLING";
  other.last_seen = kNow;
  const RecordEvidence evidence = JudgeRecords(spf, dmarc, kNow, {drift, other});
  EXPECT_EQ(evidence.lint_errors, 1);
  EXPECT_EQ(evidence.last_drift, kNow - absl::Hours(5));
}

TEST(JudgeRecordsTest, DriftThatAPersonKnowsIsNewsNoMore) {
  SpfPosture spf;
  spf.view = View("example.com", {"v=spf1 -all"});
  DmarcPosture dmarc;
  dmarc.view = View("_dmarc.example.com", {"v=DMARC1; p=none"});
  InsightRecord drift;
  drift.code = "DRIFT_RECORD_CHANGED";
  drift.first_seen = kNow - absl::Hours(300);
  drift.last_seen = kNow;
  drift.decide_time = kNow - absl::Hours(200);
  const auto last = [&](absl::Time adopted) {
    return JudgeRecords(spf, dmarc, kNow, {drift}, adopted).last_drift;
  };
  EXPECT_EQ(last(absl::InfinitePast()), kNow);
  EXPECT_EQ(last(kNow - absl::Hours(301)), kNow);  // it came after that
  EXPECT_EQ(last(kNow - absl::Hours(250)), kNow - absl::Hours(250));
  drift.state = InsightState::kAccepted;
  EXPECT_EQ(last(absl::InfinitePast()), kNow - absl::Hours(200));
  EXPECT_EQ(last(kNow - absl::Hours(100)), kNow - absl::Hours(100));
}

}  // namespace
}  // namespace dmarcate
