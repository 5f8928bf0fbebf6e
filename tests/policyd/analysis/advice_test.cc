#include "policyd/analysis/advice.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::kDomain;
using analysis_testing::Report;
using analysis_testing::Row;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using Kind = AuthorizationSpec::Kind;

constexpr DayNumber kDay = 20'000;
constexpr DayRange kRange{kDay, kDay + 6};

DomainStatistics Gather(std::vector<AggregateRecord> rows, DayRange range = kRange) {
  StatisticsBuilder builder(kDomain, range, Catalogue::Default());
  builder.Add(Report(kDay, std::move(rows)));
  return builder.Finish();
}
Advice AdviceFor(std::vector<AggregateRecord> rows) {
  const DomainStatistics statistics = Gather(std::move(rows));
  return Advise(statistics.sources[0], kDomain);
}

TEST(Advice, MailThatAlignsByDkimNeedsNoSpf) {
  const Advice advice =
      AdviceFor({Row(97).Dkim("example.com", "k1").Spf("mcsv.net"), Row(3).Dkim("mcsv.net")});
  EXPECT_EQ(advice.proposal.kind, Kind::kDkimOnly);
  EXPECT_FALSE(advice.spf_needed);
  EXPECT_THAT(advice.sentence, HasSubstr("97 of 100"));
}

TEST(Advice, AnIncludeThatCannotAlignIsNotProposed) {
  const Advice advice = AdviceFor({Row(10).Dkim("sendgrid.net").Spf("sendgrid.net")});
  EXPECT_EQ(advice.proposal.kind, Kind::kDkimOnly);
  EXPECT_THAT(advice.sentence, HasSubstr("does not help"));
  EXPECT_THAT(advice.sentence, HasSubstr("https://"));
  EXPECT_EQ(advice.spf_term, "include:sendgrid.net") << "known, although useless";
  EXPECT_THAT(WarningsFor(Gather({Row(10).Spf("sendgrid.net")}).sources[0]),
              Contains("SPF_CANNOT_ALIGN"));
}

TEST(Advice, NoStrangerAndNoSingleAnchorSaysThatAnIncludeWouldHelp) {
  const auto gather = [](std::vector<std::pair<const char*, TrustClass>> liars) {
    StatisticsBuilder builder(kDomain, kRange, Catalogue::Default());
    for (const char* anchor : {"google.com", "microsoft.com"}) {
      builder.Add(Report(kDay, {Row(10).Dkim("sendgrid.net").Spf("sendgrid.net")}, anchor,
                         TrustClass::kAnchored));
    }
    for (const auto& [name, trust] : liars) {
      builder.Add(
          Report(kDay, {Row(1).Dkim("sendgrid.net").Spf("bounce.example.com")}, name, trust));
    }
    return builder.Finish();
  };
  using Liars = std::vector<std::pair<const char*, TrustClass>>;
  for (const Liars& liars : {Liars{{"stranger.test", TrustClass::kAuthenticated}},
                             Liars{{"google.com", TrustClass::kAnchored}}}) {
    const DomainStatistics statistics = gather(liars);
    ASSERT_EQ(statistics.sources[0].id, "sendgrid");
    EXPECT_EQ(Advise(statistics.sources[0], kDomain).proposal.kind, Kind::kDkimOnly);
    EXPECT_THAT(WarningsFor(statistics.sources[0]), Contains("SPF_CANNOT_ALIGN"));
  }
  const DomainStatistics two =
      gather({{"google.com", TrustClass::kAnchored}, {"microsoft.com", TrustClass::kAnchored}});
  EXPECT_EQ(Advise(two.sources[0], kDomain).proposal.kind, Kind::kSpfInclude);
}

TEST(Advice, AnIncludeThatAlignsIs) {
  const Advice advice =
      AdviceFor({Row(10).From("40.107.1.1").Spf("example.com", AuthResult::kSoftfail)});
  EXPECT_EQ(advice.proposal.kind, Kind::kSpfInclude);
  EXPECT_EQ(advice.proposal.include_domain, "spf.protection.outlook.com");
  EXPECT_TRUE(advice.spf_needed);
}

TEST(Advice, MailThatSpfCoversIsAuthorizedAlready) {
  const Advice advice = AdviceFor({Row(10).Spf("example.com")});
  EXPECT_EQ(advice.proposal.kind, Kind::kAlreadyAuthorized);
}

TEST(Advice, AnUnknownSenderGetsNoTerm) {
  const Advice advice = AdviceFor({Row(10).From("198.51.100.7")});
  EXPECT_EQ(advice.proposal.kind, Kind::kUnspecified);
  EXPECT_EQ(advice.spf_term, "");
  EXPECT_THAT(advice.sentence, HasSubstr("reject it unless you know it"));
}

TEST(Advice, AForwarderIsNothingToApprove) {
  const Advice advice = AdviceFor({Row(10).Spf("lists.test").Says(ReasonType::kMailingList)});
  EXPECT_EQ(advice.proposal.kind, Kind::kUnspecified);
  EXPECT_THAT(advice.sentence, HasSubstr("passes on mail"));
}

TEST(Advice, EveryServiceGetsASentence) {
  for (const MailService& service : Catalogue::Default().services()) {
    SourceStatistics source;
    source.id = service.id;
    source.service = &service;
    source.kind = SourceKind::kSender;
    source.counts.messages = 10;
    source.by_trust[static_cast<size_t>(TrustClass::kImported)] = source.counts;
    const Advice advice = Advise(source, kDomain);
    EXPECT_FALSE(advice.sentence.empty()) << service.id;
    if (service.spf_alignment == SpfAlignment::kNever ||
        service.spf_alignment == SpfAlignment::kCustomReturnPath) {
      EXPECT_NE(advice.proposal.kind, Kind::kSpfInclude) << service.id;
    }
  }
}

TEST(Warnings, SayWhatToKnowFirst) {
  const DomainStatistics got =
      Gather({Row(5).Dkim("example.com", "a").Spf("example.com", AuthResult::kFail)});
  const std::vector<std::string> codes = WarningsFor(got.sources[0]);
  EXPECT_THAT(codes, Contains("SPF_BREAKS"));
  EXPECT_THAT(codes, Contains("SINGLE_REPORTER"));
  EXPECT_THAT(codes, Contains("NO_CATALOGUE_ENTRY"));
  EXPECT_THAT(codes, Not(Contains("NOTHING_ALIGNS")));
  EXPECT_TRUE(std::ranges::is_sorted(codes));
}

TEST(Evidence, StrangersTextIsEscaped) {
  const DomainStatistics got = Gather({Row(5).Dkim("evil\x1b[31m.test")});
  for (const EvidenceItem& item : EvidenceFor(got.sources[0], got)) {
    EXPECT_THAT(item.claim, Not(HasSubstr("\x1b")));
  }
  EXPECT_THAT(Advise(got.sources[0], kDomain).sentence, Not(HasSubstr("\x1b")));
}

TEST(Evidence, WhatStrangersClaimIsToldApart) {
  StatisticsBuilder builder(kDomain, kRange, Catalogue::Default());
  builder.Add(Report(kDay, {Row(10).Dkim("sendgrid.net")}));
  const auto claims = [](const DomainStatistics& statistics) {
    std::vector<std::string> out;
    for (const EvidenceItem& item : EvidenceFor(statistics.sources[0], statistics)) {
      if (item.checked_against == "the trust classes of the reports") out.push_back(item.claim);
    }
    return out;
  };
  EXPECT_THAT(claims(Gather({Row(10).Dkim("sendgrid.net")})), testing::IsEmpty());
  builder.Add(Report(kDay, {Row(990).Dkim("sendgrid.net").Dkim("example.com", "s")},
                     "stranger.test", TrustClass::kAuthenticated));
  EXPECT_THAT(
      claims(builder.Finish()),
      testing::ElementsAre("of 990 of 1000 messages only reporters that are no anchors speak"));
}

TEST(EvidenceEtag, StaysWhenOnlyCountsMove) {
  const DomainStatistics few = Gather({Row(5).Dkim("sendgrid.net")});
  const DomainStatistics many = Gather({Row(5000).Dkim("sendgrid.net").From("203.0.113.5")});
  EXPECT_EQ(EvidenceEtag(few.sources[0], few), EvidenceEtag(many.sources[0], many));
}

TEST(EvidenceEtag, MovesWithTheGrounds) {
  const DomainStatistics a = Gather({Row(5).Dkim("sendgrid.net")});
  const DomainStatistics b = Gather({Row(5).Spf("sendgrid.net")});
  const DomainStatistics c = Gather(
      {Row(5).Dkim("sendgrid.net").Says(ReasonType::kForwarded), Row(9).Spf("sendgrid.net")});
  EXPECT_NE(EvidenceEtag(a.sources[0], a), EvidenceEtag(b.sources[0], b));
  EXPECT_NE(EvidenceEtag(a.sources[0], a), EvidenceEtag(c.sources[0], c));
}

TEST(EvidenceEtag, NamesItsDays) {
  const DomainStatistics got = Gather({Row(5)});
  EXPECT_EQ(RangeOfEtag(EvidenceEtag(got.sources[0], got)), kRange);
  for (const char* bad : {"", "x", "20240101-20231231-0123456789abcdef0123",
                          "20241301-20241302-0123456789abcdef0123"}) {
    EXPECT_EQ(RangeOfEtag(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace dmarcate
