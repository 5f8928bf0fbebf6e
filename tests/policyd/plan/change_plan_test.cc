#include "policyd/plan/change_plan.h"

#include <functional>

#include <gtest/gtest.h>

#include "policyd/plan/txt_image.h"
#include "policyd/plan/zone_guard.h"
#include "tests/policyd/plan/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

TxtImage Image(std::string_view owner, const std::vector<std::string>& texts, uint32_t ttl = 3600) {
  TxtImage image{Name("example.com"), Name(owner), {}, ttl};
  for (const std::string& text : texts) image.records.push_back(MakeTxtRecord(text));
  return image;
}

TEST(TxtImageTest, RolesFollowFromTheName) {
  EXPECT_EQ(RoleOf(Name("example.com")), RecordRole::kSpf);
  EXPECT_EQ(RoleOf(Name("_dmarc.example.com")), RecordRole::kDmarc);
  EXPECT_EQ(RoleOf(Name("example.com._report._dmarc.reports.test")),
            RecordRole::kReportAuthorization);
  EXPECT_EQ(RoleOf(Name("_dmarc.example.com._report._dmarc.reports.test")), RecordRole::kDmarc);
}

TEST(TxtImageTest, ReplacesInPlaceAndKeepsSiblingsExactly) {
  TxtImage image = Image("example.com", {"v=spf1 -all", "x"});
  image.records[1].strings = {"ver", "ification"};  // cut oddly: stays so
  const RecordChangeRecord change = ReplaceText(image, "v=spf1 -all", "v=spf1 mx -all");
  EXPECT_EQ(change.before, (std::vector<std::string>{"\"v=spf1 -all\"", "\"ver\" \"ification\""}));
  EXPECT_EQ(change.after,
            (std::vector<std::string>{"\"v=spf1 mx -all\"", "\"ver\" \"ification\""}));
  EXPECT_EQ(change.untouched, std::vector<std::string>{"\"ver\" \"ification\""});
  EXPECT_EQ(change.ttl_before, 3600u);
  EXPECT_EQ(change.ttl_after, 3600u);
}

TEST(TxtImageTest, StringsHoldAtMost255Octets) {
  std::string text = "v=spf1";
  while (text.size() < 600) text += " ip4:192.0.2.1";
  const RecordChangeRecord change = ReplaceText(Image("example.com", {}), "", text);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const std::vector<TxtRecord> after,
                                FromPresentations(change.after));
  ASSERT_EQ(after.size(), 1u);
  EXPECT_EQ(after[0].strings.size(), 3u);
  for (const std::string& string : after[0].strings) EXPECT_LE(string.size(), 255u);
  EXPECT_EQ(after[0].Joined(), text);
  EXPECT_EQ(change.ttl_before, 0u);
  EXPECT_EQ(change.ttl_after, kNewRrSetTtlSeconds);
}

TEST(GuardImagesTest, SizeLimitsCountTheNameAndAllRecords) {
  const auto verdict = [](size_t octets) {
    const DomainName owner = Name("example.com");
    std::string text = "v=spf1 ";
    text.resize(octets - owner.text().size() - 10, 'x');
    const std::vector<TxtRecord> records = {MakeTxtRecord(text), MakeTxtRecord("0123456789")};
    return ToText(GuardImages(owner, records, records));
  };
  EXPECT_EQ(verdict(450), "");
  EXPECT_EQ(verdict(451), "TXT_TOO_LARGE:warn");
  EXPECT_EQ(verdict(1200), "TXT_TOO_LARGE:warn");
  EXPECT_EQ(verdict(1201), "TXT_TOO_LARGE:refuse");
}

TEST(GuardImagesTest, SiblingsNeitherVanishNorChangeNorAppear) {
  const DomainName owner = Name("example.com");
  const auto records = [](const std::vector<std::string>& texts) {
    return Image("example.com", texts).records;
  };
  const std::vector<TxtRecord> before = records({"v=spf1 -all", "a", "b"});
  EXPECT_EQ(ToText(GuardImages(owner, before, records({"v=spf1 mx -all", "a", "b"}))), "");
  for (const std::vector<std::string>& bad : {std::vector<std::string>{"v=spf1 -all", "a"},
                                              {"v=spf1 -all", "a", "c"},
                                              {"v=spf1 -all", "a", "b", "c"},
                                              {"v=spf1 -all", "b", "a"}}) {
    EXPECT_EQ(ToText(GuardImages(owner, before, records(bad))), "SIBLING_TXT_LOSS:refuse");
  }
}

ServerAnswer Server(std::string_view name, std::string_view address,
                    absl::StatusOr<std::vector<std::string>> texts) {
  ServerAnswer server;
  server.name_server = Name(name);
  server.address = std::string(address);
  if (!texts.ok()) {
    server.answer = texts.status();
    return server;
  }
  DnsAnswer answer;
  answer.outcome = texts->empty() ? DnsOutcome::kNoData : DnsOutcome::kRecords;
  for (const std::string& text : *texts) answer.txt.push_back(MakeTxtRecord(text));
  server.answer = answer;
  return server;
}

TEST(GuardZoneTest, ProviderAndAllServersMustAgree) {
  using Texts = std::vector<std::string>;
  const TxtImage image = Image("example.com", {"a", "b"});
  AuthoritativeAnswer answer;
  answer.zone = Name("example.com");
  answer.servers = {Server("ns1.test", "192.0.2.1:53", Texts{"b", "a"}),
                    Server("ns2.test", "192.0.2.2:53", Texts{"a", "b"})};
  EXPECT_EQ(ToText(GuardZone(image, answer)), "");

  AuthoritativeAnswer other = answer;
  other.servers[1] = Server("ns2.test", "192.0.2.2:53", Texts{"a"});
  EXPECT_EQ(ToText(GuardZone(image, other)), "ZONE_INCONSISTENT:refuse");
  other.servers[1] = Server("ns2.test", "192.0.2.2:53", absl::DeadlineExceededError("timeout"));
  EXPECT_EQ(ToText(GuardZone(image, other)), "ZONE_INCONSISTENT:refuse");
  // Its other address answers: that IPv6 is not reached from here is no failure of the zone.
  other.servers.push_back(Server("ns2.test", "192.0.2.3:53", Texts{"a", "b"}));
  EXPECT_EQ(ToText(GuardZone(image, other)), "");

  other = answer;
  other.zone = Name("sub.example.com");
  EXPECT_EQ(ToText(GuardZone(image, other)), "ZONE_INCONSISTENT:refuse");
  other = answer;
  other.servers.clear();
  EXPECT_EQ(ToText(GuardZone(image, other)), "ZONE_INCONSISTENT:refuse");
  other = answer;
  other.servers[0].answer->cname_chain = {Name("vendor.test")};
  EXPECT_EQ(ToText(GuardZone(image, other)), "CNAME_AT_NAME:refuse");
  // A wildcard answers where the provider keeps nothing.
  EXPECT_EQ(ToText(GuardZone(Image("example.com", {}), answer)), "ZONE_INCONSISTENT:refuse");
}

TEST(GuardZoneTest, OtherNameServersThanWhenPlannedAreRefused) {
  AuthoritativeAnswer answer;
  answer.zone = Name("example.com");
  answer.servers = {Server("ns1.test", "192.0.2.1:53", std::vector<std::string>{"a"}),
                    Server("ns2.test", "192.0.2.2:53", std::vector<std::string>{"a"})};
  const std::vector<GuardRecord> planned = GuardZone(Image("example.com", {"a"}), answer);
  EXPECT_EQ(ToText(GuardMoved(planned, planned)), "");
  EXPECT_EQ(ToText(GuardMoved({}, planned)), "") << "a plan of before this guard";
  // Another address of the same name, and another order, are nothing.
  AuthoritativeAnswer other = answer;
  std::swap(other.servers[0], other.servers[1]);
  other.servers[0].address = "192.0.2.9:53";
  EXPECT_EQ(ToText(GuardMoved(planned, GuardZone(Image("example.com", {"a"}), other))), "");
  other.servers[1] = Server("ns1.elsewhere.test", "192.0.2.1:53", std::vector<std::string>{"a"});
  EXPECT_EQ(ToText(GuardMoved(planned, GuardZone(Image("example.com", {"a"}), other))),
            "ZONE_MOVED:refuse");
}

ChangeRecord SpfChange() {
  ChangeRecord change;
  change.domain = "example.com";
  change.id = "c1";
  change.dns_provider = "pdns";
  change.intent.spf_from_decisions = true;
  change.record_changes = {ReplaceText(Image("example.com", {"v=spf1 -all", "x"}), "v=spf1 -all",
                                       "v=spf1 include:a.test -all")};
  change.managed_after = {{"include:a.test", "a"}};
  return change;
}

TEST(PlanDigestTest, CoversEverythingThatIsApplied) {
  const ChangeRecord change = SpfChange();
  const std::string digest = PlanDigest(change);
  EXPECT_EQ(digest.size(), 64u);
  const std::vector<std::function<void(ChangeRecord&)>> edits = {
      [](ChangeRecord& c) { c.domain = "example.net"; },
      [](ChangeRecord& c) { c.dns_provider = "other"; },
      [](ChangeRecord& c) { c.intent.dmarc_report_address = true; },
      [](ChangeRecord& c) { c.intent.rollback_of = "c0"; },
      [](ChangeRecord& c) { c.record_changes[0].zone = "com"; },
      [](ChangeRecord& c) { c.record_changes[0].owner_name = "a.example.com"; },
      [](ChangeRecord& c) { c.record_changes[0].before[0] += "x"; },
      [](ChangeRecord& c) { c.record_changes[0].after[1] += "x"; },
      [](ChangeRecord& c) { c.record_changes[0].after.pop_back(); },
      [](ChangeRecord& c) { c.record_changes[0].ttl_after = 60; },
      [](ChangeRecord& c) { c.record_changes.push_back(c.record_changes[0]); },
      [](ChangeRecord& c) { c.managed_after.clear(); },
      [](ChangeRecord& c) { c.managed_before = {{"mx", "m"}}; },
      [](ChangeRecord& c) { c.guards.push_back({"SPF_MULTIPLE", GuardVerdict::kPass, "", {}}); },
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    ChangeRecord edited = change;
    edits[i](edited);
    EXPECT_NE(PlanDigest(edited), digest) << "edit " << i;
  }
  ChangeRecord same = change;
  same.id = "c2";
  same.requested_by = "tokens/x";
  same.create_time = absl::FromUnixSeconds(1);
  same.revision = 7;
  EXPECT_EQ(PlanDigest(same), digest);
}

TEST(PlanDigestTest, EncodingIsStable) {
  // A digest that an operator was shown must still be taken after an upgrade.
  EXPECT_EQ(PlanDigest(SpfChange()),
            "ca2cc0ce3476f62c4b19c887ed4bb12ec431de236237c455a5eb43533e1d3a73");
}

TEST(PlanDigestTest, WhatACarrierStandsForIsPartOfIt) {
  ChangeRecord change = SpfChange();
  change.managed_after.push_back(
      {"include:_spf-0123456789ab.example.com", "(flattened)", false, {}, "v=spf1 a -all"});
  const std::string digest = PlanDigest(change);
  change.managed_after.back().stands_for = "v=spf1 mx -all";
  EXPECT_NE(PlanDigest(change), digest);
}

TEST(JudgeChangeTest, SpfNeedsACount) {
  const ChangeRecord change = SpfChange();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto uncounted, JudgeChange(change, std::nullopt));
  EXPECT_EQ(ToText(uncounted), "SPF_LOOKUP_LIMIT:refuse");
  SpfMeasures measures;
  measures.after.lookups = 1;
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto counted, JudgeChange(change, measures));
  EXPECT_EQ(ToText(counted), "");
}

TEST(PlanRollbackTest, SwapsImagesInReverseAndGivesTermsBack) {
  ChangeRecord change = SpfChange();
  change.record_changes.insert(
      change.record_changes.begin(),
      ReplaceText(Image("_dmarc.example.com", {}), "", "v=DMARC1; p=none; rua=mailto:r@b.test"));
  const ChangeRecord rollback = PlanRollback(change, change.managed_after);
  ASSERT_EQ(rollback.record_changes.size(), 2u);
  EXPECT_EQ(rollback.record_changes[0].owner_name, "example.com");
  EXPECT_EQ(rollback.record_changes[0].after, change.record_changes[1].before);
  EXPECT_EQ(rollback.record_changes[1].after, std::vector<std::string>{});
  EXPECT_EQ(rollback.record_changes[1].ttl_after, 0u);
  EXPECT_EQ(rollback.intent.rollback_of, "c1");
  EXPECT_TRUE(rollback.managed_after.empty());
  SpfMeasures measures;
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto guards, JudgeChange(rollback, measures));
  EXPECT_EQ(ToText(guards), "");
}

// A change of _dmarc.example.com, `text` to `to`.
ChangeRecord DmarcChange(const std::string& text, const std::string& to) {
  ChangeRecord change;
  change.id = "c1";
  change.domain = "example.com";
  change.record_changes = {ReplaceText(Image("_dmarc.example.com", {text}), text, to)};
  return change;
}

TEST(WarnOfRevokedTest, ARecordThatNamesOneIsToldOf) {
  const std::string a = "r-0123456789abcdef@reports.test", b = "r-1111111111111111@reports.test";
  const std::string old = "v=DMARC1; p=none; rua=mailto:" + a;
  const ChangeRecord change = DmarcChange(old, old + ",mailto:" + b);
  DMARCATE_ASSERT_OK_AND_ASSIGN(auto guards, WarnOfRevoked(change, {}));
  EXPECT_TRUE(guards.empty());
  DMARCATE_ASSERT_OK_AND_ASSIGN(guards, WarnOfRevoked(change, {a}));
  ASSERT_EQ(ToText(guards), "DMARC_RUA_REVOKED:warn");
  EXPECT_EQ(guards[0].metadata.at("addresses"), a);
  EXPECT_NE(guards[0].message.find("goes on naming " + a), std::string::npos) << guards[0].message;
  DMARCATE_ASSERT_OK_AND_ASSIGN(guards, WarnOfRevoked(change, {b, a}));
  ASSERT_EQ(ToText(guards), "DMARC_RUA_REVOKED:warn");
  EXPECT_EQ(guards[0].metadata.at("addresses"), b + " " + a);
  EXPECT_NE(guards[0].message.find("would name"), std::string::npos) << guards[0].message;

  // The way back takes the good one out and leaves the other.
  const ChangeRecord rollback = PlanRollback(change, {});
  DMARCATE_ASSERT_OK_AND_ASSIGN(guards, WarnOfRevoked(rollback, {a}));
  EXPECT_EQ(ToText(guards), "DMARC_RUA_REVOKED:warn");
  DMARCATE_ASSERT_OK_AND_ASSIGN(guards, WarnOfRevoked(rollback, {b}));
  EXPECT_TRUE(guards.empty()) << "it is taken out";
}

TEST(WarnOfRevokedTest, AcrossACutAndInAnyCase) {
  const std::string address = "r-0123456789abcdef@reports.test";
  ChangeRecord change = DmarcChange("v=DMARC1; p=none", "v=DMARC1; p=none; rua=mailto:x@b.test");
  change.record_changes[0].after = {
      "\"v=DMARC1; p=none; rua=mailto:R-0123456789\" \"abcdef@Reports.test\""};
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto guards, WarnOfRevoked(change, {address}));
  EXPECT_EQ(ToText(guards), "DMARC_RUA_REVOKED:warn");
}

TEST(RollbackBookTest, WhatCameSinceStays) {
  ChangeRecord change;
  change.managed_before = {{"include:a.test", "a"}, {"include:b.test", "b"}};
  change.managed_after = {{"include:a.test", "a"}, {"include:c.test", "c"}};
  std::vector<ManagedTerm> now = change.managed_after;
  now.push_back({"include:d.test", "d"});  // of a later change
  EXPECT_EQ(ToText(ManagedAfterRollback(change, now)),
            "a=include:a.test d=include:d.test b=include:b.test");
  std::erase_if(now, [](const ManagedTerm& term) { return term.source_id == "a"; });
  EXPECT_EQ(ToText(ManagedAfterRollback(change, now)), "d=include:d.test b=include:b.test")
      << "what went since does not come back";
}

TEST(RollbackBookTest, ChildRecordsStayOurs) {
  const ManagedTerm plain{"include:a.test", "a"};
  const ManagedTerm flat{"include:a.test", "a", true, {"192.0.2.0/24"}};
  const ManagedTerm wider{"include:a.test", "a", true, {"192.0.2.0/23"}};
  const ManagedTerm one{"include:_spf-1.d.test", "(flattened)", false, {}, "v=spf1 include:a.test"};
  const ManagedTerm two{"include:_spf-2.d.test", "(flattened)", false, {}, "v=spf1 include:a.test"};
  ChangeRecord change;
  change.managed_before = {plain};
  change.managed_after = {flat, one};
  EXPECT_EQ(ManagedAfterRollback(change, change.managed_after),
            (std::vector<ManagedTerm>{one, plain}));
  change.managed_before = {flat, one};
  change.managed_after = {wider, two, one};
  EXPECT_EQ(ManagedAfterRollback(change, change.managed_after),
            (std::vector<ManagedTerm>{two, one, flat}));
}

TEST(UniteTermsTest, OneTermHasOneSetOfNetworks) {
  const std::vector<ManagedTerm> before = {{"include:a.test", "a", true, {"192.0.2.0/25"}},
                                           {"include:b.test", "b"}};
  const std::vector<ManagedTerm> after = {{"include:a.test", "a", true, {"192.0.2.128/25"}},
                                          {"include:b.test", "b", true, {"10.0.0.0/24"}}};
  // b stands in the record or in a child; a was flattened before and after.
  EXPECT_EQ(UniteTerms(before, after),
            (std::vector<ManagedTerm>{{"include:a.test", "a", true, {"192.0.2.0/24"}},
                                      {"include:b.test", "b"},
                                      {"include:b.test", "b", true, {"10.0.0.0/24"}}}));
}

}  // namespace
}  // namespace dmarcate
