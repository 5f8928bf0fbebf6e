// Which terms of a record are proposed to go, and what keeps one: every rule of spf_pruning.h, and
// an attacker who wants a term gone, or kept.

#include "policyd/analysis/spf_pruning.h"

#include <algorithm>
#include <functional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/dns/fake_resolver.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::Row;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

constexpr char kRecord[] =
    "v=spf1 ip4:192.0.2.0/24 include:used.test include:old.test ip4:203.0.113.9 "
    "include:mail.zendesk.com a:host.example.com ?include:neutral.test exists:%{i}.x.test "
    "include:old.test -all";
constexpr char kOld[] = "include:old.test";

// Everything that a judgement comes from; as it is, kOld may go.
struct Scene {
  DayRange range{.first = FromCivil(absl::CivilDay(2026, 3, 1)),
                 .last = FromCivil(absl::CivilDay(2026, 3, 1)) + 99};
  std::string record = kRecord;
  std::vector<StoredReport> reports;
  std::vector<SpfClaim> approved = {
      {"used", AuthorizationSpec::Kind::kSpfInclude, {"include:used.test"}}};
  std::vector<ManagedTerm> managed;
  std::set<std::string> lead_to_ours;
  std::vector<std::string> broken;  // names that cannot be read
  std::vector<SourceGrouping> groupings;

  Scene() {
    for (DayNumber day = range.first; day <= range.last; ++day) {
      Say(day, {Row(20).From("192.0.2.7").Spf("example.com"),
                Row(3).From("198.51.100.1").Spf("example.com")});
      Say(day, {Row(5).From("192.0.2.7").Spf("example.com")}, "microsoft.com");
    }
  }
  void Say(DayNumber day, std::vector<AggregateRecord> rows,
           const std::string& reporter = "google.com", TrustClass trust = TrustClass::kAnchored) {
    reports.push_back(analysis_testing::Report(day, std::move(rows), reporter, trust));
    reports.back().reporter_key = reporter;
  }
  template <typename Gone>
  void Forget(Gone gone) {
    std::erase_if(reports, gone);
  }

  struct Judged {
    SpfTraffic traffic;
    PruningReview review;
    const TermReview& of(std::string_view term) const {
      return *std::ranges::find(review.terms, term, &TermReview::term);
    }
  };
  Judged Judge() const {
    FakeResolver resolver;
    resolver.SetTxt(Name("used.test"), {"v=spf1 ip4:198.51.100.0/25 -all"});
    resolver.SetTxt(Name("old.test"), {"v=spf1 ip4:203.0.113.0/28 include:deep.test -all"});
    resolver.SetTxt(Name("deep.test"), {"v=spf1 ip4:203.0.113.128/28 -all"});
    resolver.SetTxt(Name("neutral.test"), {"v=spf1 ip4:203.0.113.64/28 -all"});
    resolver.SetTxt(Name("mail.zendesk.com"), {"v=spf1 ip4:10.1.0.0/16 -all"});
    resolver.SetA(Name("host.example.com"), {"10.2.0.1"});
    for (const std::string& name : broken) {
      resolver.Fail(Name(name), RrType::kTxt, absl::UnavailableError("SERVFAIL"));
    }
    FakeClock clock(absl::FromUnixSeconds(1'780'000'000));
    const SpfTree tree = ExpandSpfText(Name("example.com"), record, resolver, clock).value();
    const Regrouping regrouping(groupings);
    SpfTrafficBuilder builder("example.com", range, tree, Catalogue::Default(), nullptr,
                              &regrouping);
    for (const StoredReport& report : reports) builder.Add(report);
    Judged judged;
    judged.traffic = builder.Finish();
    judged.review = ReviewSpfTerms(
        {tree, judged.traffic, Catalogue::Default(), approved, managed, lead_to_ours, &regrouping});
    return judged;
  }
};

struct Case {
  std::string name;
  std::function<void(Scene&)> change;
  TermVerdict want;
  std::string reason;  // a part of it
};
void PrintTo(const Case& tested, std::ostream* out) { *out << tested.name; }

class OldTermTest : public testing::TestWithParam<Case> {};
TEST_P(OldTermTest, Case) {
  Scene scene;
  GetParam().change(scene);
  const Scene::Judged judged = scene.Judge();
  const TermReview& term = judged.of(kOld);
  EXPECT_EQ(ToString(term.verdict), ToString(GetParam().want)) << term.reason;
  EXPECT_THAT(term.reason, HasSubstr(GetParam().reason));
}

void Mail(Scene& scene, int day, const char* address, TrustClass trust,
          const char* envelope = "example.com", const char* reporter = "google.com") {
  scene.Say(scene.range.first + day, {Row(7).From(address).Spf(envelope)}, reporter, trust);
}

INSTANTIATE_TEST_SUITE_P(
    All, OldTermTest,
    testing::Values(
        Case{"ItMayGo", [](Scene&) {}, TermVerdict::kUnused,
             "none of 2800 messages that passed SPF in 100 days came through it; with 95 % "
             "confidence at most 0.6 % of the mail needs it. Reports of 2 ANCHORED reporters on "
             "100 days, 3 month ends among them"},
        Case{"OneMessageKeepsIt",
             [](Scene& s) { Mail(s, 40, "203.0.113.3", TrustClass::kAnchored); },
             TermVerdict::kUsed, "7 messages passed through it, the last on 2026-04-10"},
        Case{"BelowTheIncludeToo",
             [](Scene& s) { Mail(s, 40, "203.0.113.129", TrustClass::kAnchored); },
             TermVerdict::kUsed, "7 messages"},
        Case{
            "ANameBelowMayIncludeTheRecord",
            [](Scene& s) { Mail(s, 40, "203.0.113.3", TrustClass::kAnchored, "news.example.com"); },
            TermVerdict::kUsed, "7 messages"},
        Case{"AnotherEnvelopeAsksAnotherRecord",
             [](Scene& s) { Mail(s, 40, "203.0.113.3", TrustClass::kAnchored, "bounce.old.test"); },
             TermVerdict::kUnused, ""},
        Case{"WhatFailedDidNotPassThroughIt",
             [](Scene& s) {
               s.Say(s.range.first,
                     {Row(9).From("203.0.113.3").Spf("example.com", AuthResult::kSoftfail)});
             },
             TermVerdict::kUnused, ""},
        Case{"AnAttackerCanKeepIt",
             [](Scene& s) {
               Mail(s, 40, "203.0.113.3", TrustClass::kAuthenticated, "example.com", "evil.test");
             },
             TermVerdict::kUsed,
             "no ANCHORED report has mail that passed through it; others claim 7"},
        Case{"AnUnverifiedReportSaysNothing",
             [](Scene& s) {
               Mail(s, 40, "203.0.113.3", TrustClass::kUnverified, "example.com", "evil.test");
             },
             TermVerdict::kUnused, ""},
        Case{"AnAttackerCannotCoverDays",
             [](Scene& s) {
               for (StoredReport& report : s.reports) report.trust = TrustClass::kAuthenticated;
             },
             TermVerdict::kOpen, "0 ANCHORED reporters; 2 are needed"},
        Case{"ImportedReportsCoverNoDays",
             [](Scene& s) {
               for (StoredReport& report : s.reports) report.trust = TrustClass::kImported;
             },
             TermVerdict::kOpen, "100 days in a row without an ANCHORED report"},
        Case{"OneAnchorAloneProvesNothing",
             [](Scene& s) {
               s.Forget([](const auto& report) { return report.reporter_key != "google.com"; });
             },
             TermVerdict::kOpen, "1 ANCHORED reporters"},
        Case{"NorDoesOneThatHidesBesideOneThatIsSilent",
             [](Scene& s) {
               const DayNumber first = s.range.first;
               s.Forget([first](const auto& report) {
                 return report.reporter_key != "google.com" && report.key.day > first + 20;
               });
             },
             TermVerdict::kOpen, "without one of the reporters 79 days in a row"},
        Case{"AHoleInTheReports",
             [](Scene& s) {
               const DayNumber first = s.range.first;
               s.Forget([first](const auto& report) {
                 return report.key.day >= first + 40 && report.key.day < first + 48;
               });
             },
             TermVerdict::kOpen, "8 days in a row without an ANCHORED report; 7 may be"},
        Case{"ShortHolesAreUsual",
             [](Scene& s) { s.Forget([](const auto& report) { return report.key.day % 7 == 3; }); },
             TermVerdict::kUnused, ""},
        Case{"TooShortAWindow", [](Scene& s) { s.range.first += 11; }, TermVerdict::kOpen,
             "89 days are looked at; 90 are needed"},
        Case{"AMonthEndWithoutReports",
             [](Scene& s) {
               s.Forget([](const auto& report) {
                 const absl::CivilDay day = ToCivil(report.key.day);
                 return day == absl::CivilDay(2026, 5, 31) || day == absl::CivilDay(2026, 6, 1);
               });
             },
             TermVerdict::kOpen, "2 month ends and 1 quarter ends were seen"},
        Case{"NoQuarterEnd",
             [](Scene& s) {
               s.Forget([](const auto& report) {
                 const absl::CivilDay day = ToCivil(report.key.day);
                 return day == absl::CivilDay(2026, 3, 31) || day == absl::CivilDay(2026, 4, 1);
               });
             },
             TermVerdict::kOpen, "and 0 quarter ends were seen"},
        Case{"TooLittleMail",
             [](Scene& s) {
               for (StoredReport& report : s.reports) {
                 for (AggregateRecord& record : report.report.records) record.count = 1;
               }
               s.Forget([](const auto& report) { return report.key.day % 2 == 0; });
             },
             TermVerdict::kOpen,
             "50 messages passed SPF by the record without those that the largest ANCHORED "
             "reporter saw; 299 are needed"},
        Case{"OneAnchorCannotClaimTheMail",
             [](Scene& s) {
               for (StoredReport& report : s.reports) {
                 const uint64_t count = report.reporter_key == "google.com" ? 1'000'000 : 1;
                 for (AggregateRecord& record : report.report.records) record.count = count;
               }
             },
             TermVerdict::kOpen,
             "100 messages passed SPF by the record without those that the largest"},
        Case{"AddressesThatAVendorGaveUp",
             [](Scene& s) { Mail(s, 40, "100.64.1.1", TrustClass::kAnchored); }, TermVerdict::kOpen,
             "7 messages passed from addresses that no term covers today (100.64.1.1): this one "
             "may have let them through"},
        Case{"WhichAStrangerCannotClaim",
             [](Scene& s) {
               Mail(s, 40, "100.64.1.1", TrustClass::kAuthenticated, "example.com", "evil.test");
             },
             TermVerdict::kUnused, ""},
        Case{"TheVendorCannotBeRead", [](Scene& s) { s.broken = {"deep.test"}; },
             TermVerdict::kOpen, "not all of its addresses are known"},
        Case{"OfAnApprovedSource",
             [](Scene& s) {
               s.approved.push_back(
                   {"paused", AuthorizationSpec::Kind::kSpfInclude, {"include:OLD.test"}});
             },
             TermVerdict::kAdvised, "paused is approved: its term stays"},
        Case{"OfAnApprovedSourceThoughReportsAreShort",
             [](Scene& s) {
               s.reports.clear();
               s.approved.push_back(
                   {"paused", AuthorizationSpec::Kind::kSpfInclude, {"include:old.test"}});
             },
             TermVerdict::kAdvised, "paused is approved"},
        Case{"PutThereByDmarcate", [](Scene& s) { s.managed = {{kOld, "paused"}}; },
             TermVerdict::kAdvised, "Dmarcate put it there for paused, which is not approved"},
        Case{"AnAuthorizedSourceIsSilent",
             [](Scene& s) {
               s.approved.push_back({"paused", AuthorizationSpec::Kind::kAlreadyAuthorized, {}});
             },
             TermVerdict::kOpen, "paused is approved as authorized already and sent nothing"},
        Case{"AnAuthorizedSourceSendsByAnotherTerm",
             [](Scene& s) {
               s.approved.push_back(
                   {"own-example.com", AuthorizationSpec::Kind::kAlreadyAuthorized, {}});
             },
             TermVerdict::kUnused, ""},
        Case{"OfASourceThatWasMergedTheMailCounts",
             [](Scene& s) {
               s.groupings.push_back({.from = "own-example.com", .into = "ours", .ranges = {}});
               s.approved.push_back({"ours", AuthorizationSpec::Kind::kAlreadyAuthorized, {}});
             },
             TermVerdict::kUnused, ""},
        Case{"ASourceWithDkimOnlyAsksNothingOfSpf",
             [](Scene& s) {
               s.approved.push_back({"paused", AuthorizationSpec::Kind::kDkimOnly, {}});
             },
             TermVerdict::kUnused, ""},
        Case{"LeadsToOurs", [](Scene& s) { s.lead_to_ours = {kOld}; }, TermVerdict::kNotJudged,
             "it leads to records of Dmarcate"},
        Case{"BehindAnEarlierTerm",
             [](Scene& s) {
               s.record =
                   "v=spf1 ip4:203.0.113.0/24 ip4:192.0.2.0/24 include:used.test "
                   "include:old.test -all";
               Mail(s, 40, "203.0.113.3", TrustClass::kAnchored);
             },
             TermVerdict::kUnused,
             "(7 came from its addresses, and an earlier term let them through)"}),
    [](const auto& one) { return one.param.name; });

TEST(SpfPruningTest, JudgesEachTermOfTheRecord) {
  Scene scene;
  // The catalogue knows whose include it is.
  scene.approved.push_back({"zendesk", AuthorizationSpec::Kind::kAlreadyAuthorized, {}});
  scene.Say(scene.range.first, {Row(1).From("100.64.1.1").Dkim("zendesk.com")});
  const Scene::Judged judged = scene.Judge();
  std::vector<std::string> told;
  for (const TermReview& term : judged.review.terms) {
    told.push_back(term.term + ": " + std::string(ToString(term.verdict)));
  }
  EXPECT_THAT(told,
              ElementsAre("ip4:192.0.2.0/24: used", "include:used.test: used",
                          "include:old.test: unused", "ip4:203.0.113.9: unused",
                          "include:mail.zendesk.com: advised", "a:host.example.com: unused",
                          "?include:neutral.test: not judged", "exists:%{i}.x.test: not judged",
                          "include:old.test: not judged", "-all: not judged"));
  EXPECT_EQ(judged.of(kOld).lookup_cost, 2);
  EXPECT_THAT(judged.review.missing, IsEmpty());
  EXPECT_EQ(judged.review.covered_days, 100);
  EXPECT_EQ(judged.review.month_ends, 3);
  EXPECT_EQ(judged.traffic.passed, 2800);
  EXPECT_EQ(judged.traffic.terms[0].anchored, 2500);
  EXPECT_EQ(judged.traffic.terms[1].anchored, 300);
}

TEST(SpfPruningTest, NamesSourcesAsPeopleGroupThem) {
  Scene scene;
  scene.groupings = {{.from = "zendesk", .into = "help-desk", .ranges = {}},
                     {.from = "own-example.com", .into = "split-vpn", .ranges = {"198.51.100.1"}}};
  // Its include is for whom its mail counts as.
  scene.approved = {{"help-desk", AuthorizationSpec::Kind::kAlreadyAuthorized, {}}};
  const Scene::Judged judged = scene.Judge();
  EXPECT_EQ(ToString(judged.of("include:mail.zendesk.com").verdict), "advised");
  EXPECT_THAT(judged.of("include:mail.zendesk.com").sources, ElementsAre("help-desk"));
  EXPECT_THAT(judged.of("include:used.test").sources, ElementsAre("split-vpn"));
}

// Whatever mail was seen still passes when all that is proposed goes at once.
TEST(SpfPruningTest, NoMailThatWasSeenNeedsWhatIsProposed) {
  Scene scene;
  scene.record =
      "v=spf1 include:old.test ip4:203.0.113.0/24 include:deep.test ip4:192.0.2.0/24 "
      "include:used.test ip4:10.0.0.0/8 -all";
  Mail(scene, 3, "203.0.113.3", TrustClass::kAnchored);
  Mail(scene, 4, "203.0.113.77", TrustClass::kAnchored);
  const Scene::Judged before = scene.Judge();
  std::string after = "v=spf1";
  int gone = 0;
  for (const TermReview& term : before.review.terms) {
    if (term.verdict == TermVerdict::kUnused) {
      ++gone;
    } else {
      after += " " + term.term;
    }
  }
  EXPECT_EQ(gone, 2) << after;  // include:deep.test, which stands behind, and ip4:10.0.0.0/8
  scene.record = after;
  const Scene::Judged then = scene.Judge();
  EXPECT_EQ(then.traffic.passed, before.traffic.passed);
  EXPECT_EQ(then.traffic.unexplained, 0);
}

}  // namespace
}  // namespace dmarcate
