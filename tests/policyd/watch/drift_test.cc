#include "policyd/watch/drift.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "policyd/plan/txt_image.h"
#include "policyd/watch/remembered.h"
#include "tests/policyd/watch/watch_testing.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using watch_testing::At;
using watch_testing::Seen;
using watch_testing::Unknown;
using Texts = std::vector<std::string>;

constexpr char kSpf[] = "v=spf1 mx include:a.test include:b.test ~all";
constexpr char kDmarc[] = "v=DMARC1; p=reject; rua=mailto:r-1@reports.test,mailto:o@example.com";

DomainRecord Domain() {
  DomainRecord out;
  out.name = "example.com";
  out.managed_terms = {{"include:a.test", "a"}, {"include:b.test", "b"}};
  out.report_addresses = {{"r-0@reports.test", At(-9), At(-5)}, {"r-1@reports.test", At(-8)}};
  return out;
}

RecordChangeRecord Change(const std::string& owner, const Texts& after) {
  RecordChangeRecord out;
  out.zone = "example.com";
  out.owner_name = owner;
  for (const std::string& text : after) out.after.push_back(MakeTxtRecord(text).ToPresentation());
  return out;
}
// Applied at hour 0.
AppliedRecord Applied(const std::string& owner, const Texts& after) {
  return {"01a", At(0), Change(owner, after)};
}
AppliedRecord AppliedSpf() { return Applied("example.com", {"site=1", kSpf}); }
AppliedRecord AppliedDmarc() { return Applied("_dmarc.example.com", {kDmarc}); }

Texts Codes(const std::vector<Drift>& found) {
  Texts out;
  for (const Drift& drift : found) out.push_back(drift.code);
  return out;
}

// At hour 12.
std::vector<Drift> Told(const DomainRecord& domain, const AppliedRecord& applied,
                        const std::vector<Observation>& history) {
  return FindDrift(domain, applied, history, At(12));
}

struct Case {
  const char* name;
  AppliedRecord applied;
  Texts live;
  Texts want;
};

TEST(FindDrift, ComparesByMeaning) {
  const Case kCases[] = {
      {"AsApplied", AppliedSpf(), {kSpf}, {}},
      {"SiblingsAreNotOurs", AppliedSpf(), {"other", kSpf}, {}},
      {"OtherSpelling", AppliedSpf(), {"v=spf1  mx +include:A.test include:b.test ~all"}, {}},
      {"TermLost", AppliedSpf(), {"v=spf1 mx include:a.test ~all"}, {"DRIFT_TERM_LOST"}},
      {"BothLost", AppliedSpf(), {"v=spf1 mx ~all"}, {"DRIFT_TERM_LOST", "DRIFT_TERM_LOST"}},
      {"TermAdded",
       AppliedSpf(),
       {"v=spf1 mx include:a.test include:b.test a ~all"},
       {"DRIFT_RECORD_CHANGED"}},
      {"AllChanged",
       AppliedSpf(),
       {"v=spf1 mx include:a.test include:b.test +all"},
       {"DRIFT_RECORD_CHANGED"}},
      {"LostAndChanged",
       AppliedSpf(),
       {"v=spf1 include:a.test ~all"},
       {"DRIFT_TERM_LOST", "DRIFT_RECORD_CHANGED"}},
      {"Gone", AppliedSpf(), {"site=1"}, {"DRIFT_RECORD_GONE"}},
      {"Nothing", AppliedSpf(), {}, {"DRIFT_RECORD_GONE"}},
      {"Several", AppliedSpf(), {kSpf, "v=spf1 -all"}, {"DRIFT_RECORD_MULTIPLE"}},
      {"Broken", AppliedSpf(), {"v=spf1 include: -all"}, {"DRIFT_RECORD_CHANGED"}},
      {"DmarcAsApplied", AppliedDmarc(), {kDmarc}, {}},
      {"DmarcOtherSpelling",
       AppliedDmarc(),
       {"v=DMARC1;p=reject;rua=mailto:r-1@reports.test,mailto:o@example.com;"},
       {}},
      {"RuaLost",
       AppliedDmarc(),
       {"v=DMARC1; p=reject; rua=mailto:o@example.com"},
       {"DRIFT_RUA_LOST"}},
      {"AllRuaLost",
       AppliedDmarc(),
       {"v=DMARC1; p=reject"},
       {"DRIFT_RUA_LOST", "DRIFT_RECORD_CHANGED"}},
      {"ForeignRuaLost",
       AppliedDmarc(),
       {"v=DMARC1; p=reject; rua=mailto:r-1@reports.test"},
       {"DRIFT_RECORD_CHANGED"}},
      {"PolicyWeakened",
       AppliedDmarc(),
       {"v=DMARC1; p=none; rua=mailto:r-1@reports.test,mailto:o@example.com"},
       {"DRIFT_RECORD_CHANGED"}},
      {"DmarcGone", AppliedDmarc(), {}, {"DRIFT_RECORD_GONE"}},
      {"DmarcSeveral", AppliedDmarc(), {kDmarc, "v=DMARC1; p=none"}, {"DRIFT_RECORD_MULTIPLE"}},
      {"NothingWasExpected", Applied("example.com", {"site=1"}), {kSpf}, {}},
      {"AuthorizationIsNotLookedAt",
       Applied("example.com._report._dmarc.reports.test", {"v=DMARC1"}),
       {},
       {}},
  };
  for (const Case& test : kCases) {
    EXPECT_EQ(Codes(Told(Domain(), test.applied, {Seen(test.live, 1, 2)})), test.want) << test.name;
  }
}

TEST(FindDrift, SaysWhatToDo) {
  const auto found = Told(Domain(), AppliedSpf(), {Seen({"v=spf1 mx include:a.test ~all"}, 1)});
  ASSERT_THAT(found, SizeIs(1));
  const Drift& drift = found[0];
  EXPECT_EQ(drift.severity, Severity::kError);
  EXPECT_EQ(drift.name, (ObservedName{"example.com", RecordKind::kSpf}));
  EXPECT_EQ(drift.expected, kSpf);
  EXPECT_EQ(drift.live, "v=spf1 mx include:a.test ~all");
  EXPECT_EQ(drift.change_id, "01a");
  EXPECT_THAT(drift.message, HasSubstr("include:b.test"));
  EXPECT_THAT(drift.fix_hint, HasSubstr("dmarcate changes plan example.com --spf"));
  EXPECT_EQ(drift.metadata.at("source"), "b");
}

TEST(FindDrift, AWeakerPolicyIsAnError) {
  const auto severity = [](const std::string& live) {
    const auto found = Told(Domain(), AppliedDmarc(), {Seen({live}, 1)});
    return found.size() == 1 ? found[0].severity : Severity::kInfo;
  };
  const std::string rua = "; rua=mailto:r-1@reports.test,mailto:o@example.com";
  EXPECT_EQ(severity("v=DMARC1; p=quarantine" + rua), Severity::kError);
  EXPECT_EQ(severity("v=DMARC1; p=reject; t=y" + rua), Severity::kError);
  EXPECT_EQ(severity("v=DMARC1; p=reject; sp=none" + rua), Severity::kError);
  EXPECT_EQ(severity("v=DMARC1; p=reject; np=quarantine" + rua), Severity::kError);
  EXPECT_EQ(severity("v=DMARC1; p=reject; adkim=s" + rua), Severity::kWarning);
}

TEST(FindDrift, AWeakerAllIsAnError) {
  const auto severity = [](const std::string& all) {
    const auto found =
        Told(Domain(), AppliedSpf(), {Seen({"v=spf1 mx include:a.test include:b.test" + all}, 1)});
    return found.size() == 1 ? found[0].severity : Severity::kInfo;
  };
  EXPECT_EQ(severity(" +all"), Severity::kError);
  EXPECT_EQ(severity(" ?all"), Severity::kError);
  EXPECT_EQ(severity(""), Severity::kError);
  EXPECT_EQ(severity(" -all"), Severity::kWarning);
  EXPECT_EQ(severity(" a ~all"), Severity::kWarning);
}

TEST(FindDrift, ARevokedAddressMayGo) {
  DomainRecord domain = Domain();
  domain.report_addresses[1].revoke_time = At(0);
  const AppliedRecord applied =
      Applied("_dmarc.example.com", {"v=DMARC1; p=none; rua=mailto:r-1@reports.test"});
  EXPECT_EQ(Codes(Told(domain, applied, {Seen({"v=DMARC1; p=none"}, 1)})),
            Texts{"DRIFT_RECORD_CHANGED"});
  domain.report_mailbox = "R-1@Reports.test";
  EXPECT_EQ(Codes(Told(domain, applied, {Seen({"v=DMARC1; p=none"}, 1)})), Texts{"DRIFT_RUA_LOST"})
      << "the operator's own, in any case";
}

TEST(FindDrift, AnAliasIsToldWhateverItLeadsTo) {
  Observation seen = Seen({kSpf}, 1);
  seen.cname_chain = {"elsewhere.test"};
  auto found = Told(Domain(), AppliedSpf(), {seen});
  EXPECT_EQ(Codes(found), Texts{"DRIFT_CNAME"});
  EXPECT_EQ(found[0].severity, Severity::kWarning);
  seen.values.clear();
  seen.outcome = ObservedOutcome::kNxDomain;
  found = Told(Domain(), AppliedSpf(), {seen});
  EXPECT_THAT(Codes(found), ElementsAre("DRIFT_CNAME", "DRIFT_RECORD_GONE"));
  EXPECT_EQ(found[0].severity, Severity::kError);
}

TEST(FindDrift, UnknownIsNoDrift) {
  EXPECT_THAT(Told(Domain(), AppliedSpf(), {}), IsEmpty());
  EXPECT_THAT(Told(Domain(), AppliedSpf(), {Unknown(ObservedOutcome::kTimeout, 1)}), IsEmpty());
  EXPECT_THAT(
      Told(Domain(), AppliedSpf(), {Unknown(ObservedOutcome::kBogus, 3), Seen({kSpf}, 1, 2)}),
      IsEmpty());
  Observation cut = Seen({"site=1"}, 1);
  cut.values_sha256 = "x";
  EXPECT_THAT(Told(Domain(), AppliedSpf(), {cut}), IsEmpty()) << "it may be among the rest";
}

TEST(FindDrift, OnlyAFreshLookTells) {
  const Observation lost = Seen({"v=spf1 mx ~all"}, 1, 2);
  const auto told = [&](const std::vector<Observation>& history, absl::Time now) {
    return !FindDrift(Domain(), AppliedSpf(), history, now).empty();
  };
  EXPECT_TRUE(told({lost}, At(2) + kRememberedFor));
  EXPECT_FALSE(told({lost}, At(2) + kRememberedFor + absl::Seconds(1))) << "nobody looks any more";
  EXPECT_FALSE(told({Unknown(ObservedOutcome::kTimeout, 3, 400), lost}, At(400)))
      << "it may be long put right";
  EXPECT_FALSE(told({Unknown(ObservedOutcome::kTimeout, 3), lost}, At(4))) << "nothing was learned";
}

TEST(FindDrift, WhatWasSeenBeforeTheChangeIsNoDrift) {
  EXPECT_THAT(Told(Domain(), AppliedSpf(), {Seen({"v=spf1 -all"}, -2, -1)}), IsEmpty());
}

TEST(FindDrift, SinceIsWhenItBeganWithoutABreak) {
  const Observation right = Seen({kSpf}, 1, 2);
  const auto lost = [](int first, int last, const char* more = "") {
    return Seen({std::string("v=spf1 mx include:a.test ") + more + "~all"}, first, last);
  };
  // Another change of the record does not make the term's loss younger.
  auto found = Told(Domain(), AppliedSpf(), {lost(9, 10, "a "), lost(5, 8), right});
  ASSERT_THAT(Codes(found), ElementsAre("DRIFT_TERM_LOST", "DRIFT_RECORD_CHANGED"));
  EXPECT_EQ(found[0].since, At(5));
  EXPECT_EQ(found[1].since, At(9));
  // It was put right in between.
  found = Told(Domain(), AppliedSpf(), {lost(9, 10), right, lost(0, 1)});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].since, At(9));
  // An outage in between is no break.
  found = Told(
      Domain(), AppliedSpf(),
      {lost(9, 10, "exists:x.test "), Unknown(ObservedOutcome::kTimeout, 8), lost(5, 7), right});
  EXPECT_EQ(found[0].since, At(5));
  // Not before the change that it drifts from.
  found = Told(Domain(), AppliedSpf(), {lost(-5, 3)});
  EXPECT_EQ(found[0].since, At(0));
}

ChangeRecord Journal(std::string id, ChangeState state, std::vector<RecordChangeRecord> records) {
  ChangeRecord out;
  out.id = std::move(id);
  out.state = state;
  out.end_time = At(0);
  out.record_changes = std::move(records);
  return out;
}
Texts Ids(const std::vector<AppliedRecord>& applied) {
  Texts out;
  for (const AppliedRecord& one : applied) out.push_back(one.change_id + one.record.owner_name);
  return out;
}

TEST(LastApplied, IsTheNewestSuccessAtEachName) {
  const RecordChangeRecord spf = Change("s", {}), dmarc = Change("d", {});
  EXPECT_THAT(Ids(LastApplied({Journal("6", ChangeState::kPlanned, {spf}),
                               Journal("5", ChangeState::kRolledBack, {spf, dmarc}),
                               Journal("4", ChangeState::kFailed, {spf}),
                               Journal("3", ChangeState::kSucceeded, {spf}),
                               Journal("2", ChangeState::kSucceeded, {spf, dmarc}),
                               Journal("1", ChangeState::kSucceeded, {dmarc})})),
              ElementsAre("3s", "2d"));
}

TEST(LastApplied, NothingIsExpectedWhereTheOutcomeIsOpen) {
  const RecordChangeRecord spf = Change("s", {}), dmarc = Change("d", {});
  const ChangeRecord done = Journal("1", ChangeState::kSucceeded, {spf, dmarc});
  for (const ChangeState state :
       {ChangeState::kApplying, ChangeState::kVerifying, ChangeState::kRollingBack}) {
    EXPECT_THAT(LastApplied({Journal("2", state, {spf}), done}), IsEmpty());
  }
  EXPECT_THAT(Ids(LastApplied({Journal("2", ChangeState::kNeedsAttention, {spf}), done})),
              ElementsAre("1d"));
}

TEST(LastApplied, SaysWhereNothingIsExpected) {
  const RecordChangeRecord spf = Change("s", {}), dmarc = Change("d", {});
  const ChangeRecord done = Journal("1", ChangeState::kSucceeded, {spf, dmarc});
  const ChangeRecord lost = Journal("2", ChangeState::kNeedsAttention, {spf});
  EXPECT_THAT(NothingExpectedAt({done}), IsEmpty());
  EXPECT_THAT(NothingExpectedAt({lost, done}), ElementsAre("s"));
  EXPECT_THAT(NothingExpectedAt({Journal("3", ChangeState::kApplying, {dmarc}), lost, done}),
              IsEmpty())
      << "that change has yet to say";
  EXPECT_THAT(NothingExpectedAt({Journal("3", ChangeState::kSucceeded, {spf}), lost, done}),
              IsEmpty());
  EXPECT_THAT(NothingExpectedAt({Journal("2", ChangeState::kRolledBack, {spf}), done}), IsEmpty());
}

// ---- Included names ----

struct IncludedCase {
  const char* name;
  std::vector<Observation> history;
  Texts want;
};

Observation NxDomain(int first, int last) {
  Observation out = Seen({}, first, last);
  out.outcome = ObservedOutcome::kNxDomain;
  return out;
}

TEST(FindIncludedDrift, TellsWhatHappenedToTheName) {
  const Observation good = Seen({"v=spf1 ip4:192.0.2.0/24 -all"}, -100, 0);
  const Observation other = Seen({"v=spf1 ip4:0.0.0.0/1 -all"}, 1, 2);
  const IncludedCase kCases[] = {
      {"NeverSeen", {}, {}},
      {"Unchanged", {good}, {}},
      {"FirstSeenBroken", {NxDomain(0, 1)}, {"INCLUDE_GONE"}},
      {"Gone", {NxDomain(1, 2), good}, {"INCLUDE_GONE"}},
      {"NoData", {Seen({}, 1, 2), good}, {"INCLUDE_NO_SPF"}},
      {"NoSpfAnyMore", {Seen({"parked"}, 1, 2), good}, {"INCLUDE_NO_SPF"}},
      {"Several", {Seen({"v=spf1 -all", "v=spf1 ~all"}, 1, 2), good}, {"INCLUDE_NO_SPF"}},
      {"Changed", {other, good}, {"INCLUDE_CHANGED"}},
      {"ChangedBesideIt", {Seen({"v=spf1 ip4:192.0.2.0/24 -all", "x"}, 1, 2), good}, {}},
      {"CameBack", {other, NxDomain(-1, 0), good}, {}},
      {"CannotBeRead", {Unknown(ObservedOutcome::kTimeout, 1, 2), good}, {"INCLUDE_UNREADABLE"}},
      {"NeverRead", {Unknown(ObservedOutcome::kBogus, 1, 2)}, {"INCLUDE_UNREADABLE"}},
      {"WasUnreadable", {Unknown(ObservedOutcome::kTimeout, -3, -2), good}, {}},
      {"ChangedThenUnreadable",
       {Unknown(ObservedOutcome::kTimeout, 3), other, good},
       {"INCLUDE_UNREADABLE"}},
      {"GoneLongAgoThenUnreadable",
       {Unknown(ObservedOutcome::kTimeout, -400, 3), NxDomain(-900, -401)},
       {"INCLUDE_UNREADABLE"}},
  };
  for (const IncludedCase& test : kCases) {
    EXPECT_EQ(Codes(FindIncludedDrift(*DomainName::Parse("example.com"),
                                      {"_spf.a.test", RecordKind::kSpf}, test.history, At(4))),
              test.want)
        << test.name;
  }
}

TEST(FindIncludedDrift, HasBothTextsAndTheTime) {
  const auto found =
      FindIncludedDrift(*DomainName::Parse("example.com"), {"_spf.a.test", RecordKind::kSpf},
                        {NxDomain(7, 8), Seen({}, 5, 6), Seen({"v=spf1 -all"}, 0, 4)}, At(9));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].expected, "v=spf1 -all");
  EXPECT_EQ(found[0].live, "");
  EXPECT_EQ(found[0].since, At(5)) << "since when there is no SPF record";
  EXPECT_THAT(found[0].message, HasSubstr("any more"));
  EXPECT_THAT(found[0].fix_hint, HasSubstr("dmarcate records tree example.com"));
}

TEST(FindIncludedDrift, WhatNobodyLooksAtAnyMoreIsNotTold) {
  const auto codes = [](int at) {
    return Codes(FindIncludedDrift(*DomainName::Parse("example.com"),
                                   {"_spf.a.test", RecordKind::kSpf}, {NxDomain(0, 1)}, At(at)));
  };
  EXPECT_EQ(codes(1 + 3 * 24), Texts{"INCLUDE_GONE"});
  EXPECT_EQ(codes(2 + 3 * 24), Texts{});
}

TEST(FindIncludedDrift, AChangeIsToldForAWeek) {
  const std::vector<Observation> history = {Seen({"v=spf1 a -all"}, 5, 500),
                                            Seen({"v=spf1 -all"}, 0, 4)};
  const auto codes = [&](int at) {
    return Codes(FindIncludedDrift(*DomainName::Parse("example.com"),
                                   {"_spf.a.test", RecordKind::kSpf}, history, At(at)));
  };
  EXPECT_EQ(codes(5 + 7 * 24), Texts{"INCLUDE_CHANGED"});
  EXPECT_EQ(codes(6 + 7 * 24), Texts{});
}

}  // namespace
}  // namespace dmarcate
