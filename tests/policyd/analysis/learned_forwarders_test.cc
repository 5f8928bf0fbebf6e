// Forwarders that only several domains together show.

#include "policyd/analysis/learned_forwarders.h"

#include <random>
#include <set>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;

constexpr DayNumber kDay = 20'000;

DomainStatistics Month(const std::string& domain, std::vector<AggregateRecord> rows,
                       TrustClass trust = TrustClass::kImported) {
  StoredReport report = Report(kDay, std::move(rows), "receiver.test", trust);
  report.key.domain = domain;
  StatisticsBuilder builder(domain, {kDay, kDay}, Catalogue::Default());
  builder.Add(report);
  return builder.Finish();
}

// The domain's own mail, and what `relay` passes on of it with the signature intact.
DomainStatistics Forwarding(const std::string& domain, const std::string& relay,
                            uint64_t messages = 20, TrustClass trust = TrustClass::kImported) {
  return Month(domain,
               {Row(100).Header(domain).Dkim(domain, "s1").Spf(domain),
                Row(messages).Header(domain).Dkim(domain, "s1").Spf(relay)},
               trust);
}

// It signs for the domain with a key of its own.
DomainStatistics Sending(const std::string& domain, const std::string& relay) {
  return Month(domain, {Row(100).Header(domain).Dkim(domain, "s1").Spf(domain),
                        Row(20).Header(domain).Dkim(domain, "vendor").Spf(relay)});
}

// A domain whose signature does not survive, or that has none.
DomainStatistics Broken(const std::string& domain, const std::string& relay) {
  return Month(domain, {Row(100).Header(domain).Spf(domain), Row(9).Header(domain).Spf(relay)});
}

SourceKind KindAt(const LearnedForwarders& learned, DomainStatistics statistics,
                  const std::string& relay) {
  ApplyLearned(learned, &statistics);
  return statistics.FindSource("spf-" + relay)->kind;
}

TEST(LearnedForwarders, ThreeOtherDomainsTeachIt) {
  ForwarderLedger ledger;
  for (int i = 0; i < 3; ++i) ledger.Note(Forwarding(fmt::format("d{}.test", i), "relay.test"));
  const LearnedForwarders learned = ledger.Learn();
  EXPECT_EQ(learned.DomainsOf("spf-relay.test", "victim.test"), 3u);
  EXPECT_EQ(learned.DomainsOf("spf-relay.test", "d0.test"), 0u) << "two others are too few";
  EXPECT_EQ(learned.DomainsOf("spf-other.test", "victim.test"), 0u);
  EXPECT_EQ(KindAt({}, Broken("victim.test", "relay.test"), "relay.test"), SourceKind::kUnknown);
  EXPECT_EQ(KindAt(learned, Broken("victim.test", "relay.test"), "relay.test"),
            SourceKind::kForwarder);
  EXPECT_EQ(KindAt(learned, Broken("victim.test", "other.test"), "other.test"),
            SourceKind::kUnknown);
}

TEST(LearnedForwarders, WhatIsLearnedTeachesNothing) {
  ForwarderLedger ledger;
  for (int i = 0; i < 3; ++i) ledger.Note(Forwarding(fmt::format("d{}.test", i), "relay.test"));
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 5; ++i) {
      DomainStatistics month = Broken(fmt::format("v{}.test", i), "relay.test");
      ApplyLearned(ledger.Learn(), &month);
      ledger.Note(month);
    }
  }
  EXPECT_EQ(ledger.Learn().DomainsOf("spf-relay.test", "x.test"), 3u);
}

// One domain that a stranger holds, or few messages, or reports that anybody may send.
TEST(LearnedForwarders, LittleTeachesNothing) {
  ForwarderLedger ledger;
  for (int round = 0; round < 9; ++round) ledger.Note(Forwarding("evil.test", "bad.test", 5000));
  for (int i = 0; i < 9; ++i) {
    ledger.Note(Forwarding(fmt::format("few{}.test", i), "few.test", kFewestForwarded - 1));
    ledger.Note(Forwarding(fmt::format("claim{}.test", i), "claimed.test", 500,
                           TrustClass::kAuthenticated));
    ledger.Note(
        Forwarding(fmt::format("one{}.test", i), "one-anchor.test", 500, TrustClass::kAnchored));
  }
  const LearnedForwarders learned = ledger.Learn();
  for (const char* relay : {"bad.test", "few.test", "claimed.test", "one-anchor.test"}) {
    EXPECT_EQ(KindAt(learned, Broken("victim.test", relay), relay), SourceKind::kUnknown) << relay;
  }
}

TEST(LearnedForwarders, WhoSendsForOthersIsNone) {
  ForwarderLedger ledger;
  for (int i = 0; i < 4; ++i) ledger.Note(Forwarding(fmt::format("d{}.test", i), "both.test"));
  ledger.Note(Sending("s0.test", "both.test"));
  EXPECT_EQ(ledger.Learn().DomainsOf("spf-both.test", "x.test"), 4u) << "one is an exception";
  ledger.Note(Sending("s1.test", "both.test"));
  EXPECT_EQ(ledger.Learn().DomainsOf("spf-both.test", "x.test"), 0u);
}

TEST(LearnedForwarders, DomainsThatAreGoneTeachNothing) {
  ForwarderLedger ledger;
  for (int i = 0; i < 4; ++i) ledger.Note(Forwarding(fmt::format("d{}.test", i), "relay.test"));
  ledger.KeepOnly({"d0.test", "d1.test", "d2.test"});
  EXPECT_EQ(ledger.Learn().DomainsOf("spf-relay.test", "x.test"), 3u);
  ledger.Note(Broken("d0.test", "relay.test"));
  EXPECT_TRUE(ledger.Learn().empty()) << "it is seen as it is now";
}

TEST(LearnedForwarders, SuspiciousSourcesStayThat) {
  ForwarderLedger ledger;
  const auto forwards = [](const std::string& domain) {
    return Month(domain, {Row(100).Header(domain).Dkim(domain, "s1").Spf(domain),
                          Row(20).From("198.51.100.9").Header(domain).Dkim(domain, "s1")});
  };
  for (int i = 0; i < 4; ++i) ledger.Note(forwards(fmt::format("d{}.test", i)));
  DomainStatistics claims =
      Month("victim.test", {Row(9).From("198.51.100.9").Header("victim.test")});
  ApplyLearned(ledger.Learn(), &claims);
  EXPECT_EQ(claims.sources[0].kind, SourceKind::kSuspicious);
}

// 60 domains, 20 forwarders and 20 senders that nobody knows, each seen by some of the domains; a
// forwarder breaks every second domain's signatures.
TEST(LearnedForwarders, ArePreciseOverManyDomains) {
  std::mt19937 random(7);
  int right = 0, wrong = 0, missed = 0;
  for (int round = 0; round < 20; ++round) {
    ForwarderLedger ledger;
    std::vector<DomainStatistics> months;
    for (int d = 0; d < 60; ++d) {
      const std::string domain = fmt::format("d{}.test", d);
      std::vector<AggregateRecord> rows = {Row(100).Header(domain).Dkim(domain, "s1").Spf(domain)};
      for (int i = 0; i < 20; ++i) {
        if (random() % 3 == 0) {
          const std::string relay = fmt::format("relay{}.test", i);
          rows.push_back(
              d % 2 == 0 ? AggregateRecord(Row(20).Header(domain).Spf(relay))
                         : AggregateRecord(Row(20).Header(domain).Dkim(domain, "s1").Spf(relay)));
        }
        if (random() % 3 == 0) {
          const std::string sender = fmt::format("sender{}.test", i);
          rows.push_back(
              d % 2 == 0
                  ? AggregateRecord(Row(20).Header(domain).Spf(sender))
                  : AggregateRecord(
                        Row(20).Header(domain).Dkim(domain, "v" + std::to_string(i)).Spf(sender)));
        }
      }
      months.push_back(Month(domain, std::move(rows)));
      ledger.Note(months.back());
    }
    const LearnedForwarders learned = ledger.Learn();
    for (DomainStatistics& month : months) {
      ApplyLearned(learned, &month);
      for (const SourceStatistics& source : month.sources) {
        const bool relays = source.id.starts_with("spf-relay");
        const bool found = source.kind == SourceKind::kForwarder;
        right += relays && found ? 1 : 0;
        missed += relays && !found ? 1 : 0;
        wrong += !relays && found ? 1 : 0;
      }
    }
  }
  fmt::print("forwarders: {} found, {} missed; {} others taken for one\n", right, missed, wrong);
  EXPECT_GT(right, 7000);
  EXPECT_LE(missed * 50, right) << "recall of 98 %";
  EXPECT_LE(wrong * 50, right) << "precision of 98 %";
}

}  // namespace
}  // namespace dmarcate
