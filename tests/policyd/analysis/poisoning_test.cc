// E3: campaigns that poison reports (the attack simulator of the safety reference) against what
// Dmarcate suggests and advises. Honest mail and reports of several anchors, then a campaign drawn
// by a seed: attackers' domains, whether they authenticate, one compromised anchor or none, volume,
// and what it wants. Nothing that it says may win a suggestion or advice, or turn that about a good
// sender.
//
// That the campaigns try in earnest is shown by the same campaigns against a Dmarcate that believes
// every reporter, and one to which a single anchor is enough: there they win.

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/random.h"
#include "policyd/analysis/advice.h"
#include "policyd/analysis/trusted.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::kDomain;
using analysis_testing::Report;
using analysis_testing::Row;
using Kind = AuthorizationSpec::Kind;

constexpr DayNumber kToday = 20'600;
constexpr DayRange kRange{kToday - 29, kToday};
constexpr int kSeeds = 2'000;

// What a campaign wants for its own source, or about a good one.
enum class Goal : uint8_t {
  kApproveService,  // of an account of its own at a catalogued service
  kApproveAddress,  // of its own servers
  kApproveDomain,   // which signs with a domain of its own
  kBorrowSelector,  // says that it signs as us
  kNeedInclude,     // a good sender that signs would need an include
  kDropInclude,     // a good sender that needs an include would need none
  kCallForwarder,   // a good sender only passes on mail
  kIncludeHelps,    // the include of a service that SPF cannot align would help
  kTakeSelector,    // a good sender's key would be one of the domain's own servers'
  kCount,
};

// Draws, all from one seed.
class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  uint64_t Below(uint64_t limit) {
    uint64_t value = 0;
    for (const char c : random_.Bytes(8)) value = value << 8 | static_cast<unsigned char>(c);
    return value % limit;
  }
  bool Coin() { return Below(2) == 0; }

 private:
  SeededRandom random_;
};

struct Campaign {
  Goal goal;
  uint64_t domains;     // of reporters, 0 to 50
  bool authenticated;   // they have aligned DKIM
  bool anchor;          // one anchor is theirs, too
  uint64_t volume;      // messages a report
  bool really_sends;    // and so honest anchors see its mail, as it is
  bool against_shop;    // the good sender that it is about is the one without a catalogue entry
  std::string address;  // of its servers
};

// Which check of the trusted evidence is there.
enum class Checks : uint8_t { kAll, kNoClasses, kOneAnchorIsEnough };

Campaign Draw(Dice& dice) {
  Campaign out;
  out.goal = static_cast<Goal>(dice.Below(static_cast<uint64_t>(Goal::kCount)));
  out.domains = dice.Below(51);
  out.authenticated = dice.Coin();
  out.anchor = dice.Coin();
  const uint64_t scales[] = {1, 10, 100, 1000};
  out.volume = 20 * scales[dice.Below(4)];
  out.really_sends = dice.Coin();
  out.against_shop = dice.Coin();
  out.address = fmt::format("203.0.113.{}", dice.Below(250) + 1);
  return out;
}

const char* const kAnchors[] = {"google.test", "microsoft.test", "yahoo.test", "mail.test"};

// The mail of a day as honest anchors see it: the domain's own, a service that signs as the domain,
// one that does not yet and needs its include, one that does not and whose include cannot help, a
// shop that nobody has described, and one list.
std::vector<AggregateRecord> Honest(Dice& dice) {
  return {
      Row(40 + dice.Below(20)).From("198.51.100.1").Dkim("example.com", "s1").Spf("example.com"),
      Row(20 + dice.Below(10))
          .From("149.72.1.1")
          .Dkim("sendgrid.net")
          .Dkim("example.com", "sgkey")
          .Spf("sendgrid.net"),
      Row(20 + dice.Below(10)).From("40.107.1.1").Spf("example.com", AuthResult::kSoftfail),
      Row(15 + dice.Below(5)).From("205.201.128.1").Dkim("mcsv.net").Spf("mcsv.net"),
      Row(10 + dice.Below(5)).From("198.51.100.77").Dkim("example.com", "shop1").Spf("shop.test"),
      Row(1 + dice.Below(3))
          .From("198.51.100.200")
          .Dkim("example.com", "s1")
          .Spf("lists.test")
          .Says(ReasonType::kMailingList),
  };
}

// What the attacker's mail looks like to who tells the truth: it cannot sign as the domain, nor
// pass SPF for it.
std::vector<AggregateRecord> RealMail(const Campaign& campaign) {
  switch (campaign.goal) {
    case Goal::kApproveService:
      return {Row(50).From("161.38.192.1").Dkim("mailgun.org").Spf("mailgun.org")};
    case Goal::kApproveDomain:
      return {Row(50).From(campaign.address).Dkim("evil.test").Spf("evil.test")};
    case Goal::kBorrowSelector:
      return {Row(50).From(campaign.address).Spf("evil.test")};
    default:
      return {Row(50).From(campaign.address).Spf("example.com", AuthResult::kFail)};
  }
}

// What it claims.
std::vector<AggregateRecord> Lies(const Campaign& campaign) {
  const uint64_t n = campaign.volume;
  switch (campaign.goal) {
    case Goal::kApproveService:
      return {Row(n)
                  .From("161.38.192.1")
                  .Dkim("mailgun.org")
                  .Dkim("example.com", "mg1")
                  .Spf("mailgun.org")};
    case Goal::kApproveAddress:
      return {Row(n)
                  .From(campaign.address)
                  .Dkim("evil.test")
                  .Evaluated(AlignedResult::kPass, AlignedResult::kFail)};
    case Goal::kApproveDomain:
      return {Row(n)
                  .From(campaign.address)
                  .Dkim("evil.test")
                  .Spf("evil.test")
                  .Evaluated(AlignedResult::kPass, AlignedResult::kPass)};
    case Goal::kBorrowSelector:
      return {Row(n).From(campaign.address).Dkim("example.com", "evil").Spf("evil.test")};
    case Goal::kNeedInclude:
      return {Row(n).From("149.72.1.1").Dkim("sendgrid.net").Spf("sendgrid.net")};
    case Goal::kDropInclude:
      return {Row(n)
                  .From("40.107.1.1")
                  .Dkim("example.com", "selector1")
                  .Dkim("contoso.onmicrosoft.com")
                  .Spf("example.com")};
    case Goal::kCallForwarder:
      if (campaign.against_shop) {
        return {Row(n)
                    .From("198.51.100.77")
                    .Dkim("example.com", "shop1")
                    .Spf("shop.test")
                    .Says(ReasonType::kForwarded)};
      }
      return {Row(n)
                  .From("149.72.1.1")
                  .Dkim("sendgrid.net")
                  .Spf("sendgrid.net")
                  .Says(ReasonType::kForwarded)};
    case Goal::kIncludeHelps:
      return {Row(n).From("205.201.128.1").Dkim("mcsv.net").Spf("bounce.example.com")};
    case Goal::kTakeSelector:
      return {Row(n).From("198.51.100.1").Dkim("example.com", "shop1").Spf("example.com")};
    case Goal::kCount:
      break;
  }
  return {};
}

bool IsGood(const std::string& id) {
  return id == "own-example.com" || id == "sendgrid" || id == "microsoft-365" ||
         id == "mailchimp" || id == "spf-shop.test" || id == "spf-lists.test";
}

struct Said {
  Kind kind = Kind::kUnspecified;
  std::string include;
  bool suggested = false, needs_spf = false;
};

// Everything that Dmarcate says, by source.
std::map<std::string, Said> SaidOf(const DomainStatistics& statistics, std::string* wrong) {
  std::map<std::string, Said> out;
  for (const SourceStatistics& source : statistics.sources) {
    const Advice advice = Advise(source, kDomain);
    out[source.id] = {advice.proposal.kind, advice.proposal.include_domain,
                      SuggestApproval(source, /*dangling=*/false).suggested, NeedsSpf(source)};
    if (advice.sentence.find("pprove it") != std::string::npos &&
        advice.sentence.find("If it is yours") == std::string::npos) {
      *wrong = "advises to approve without asking whose it is: " + advice.sentence;
    }
    // A term that no catalogue entry names is never proposed.
    if (!advice.proposal.include_domain.empty() &&
        Catalogue::Default().FindByInclude(advice.proposal.include_domain) == nullptr) {
      *wrong = "proposes " + advice.proposal.include_domain;
    }
    if (!advice.proposal.ranges.empty()) *wrong = "proposes addresses";
  }
  return out;
}

class World {
 public:
  explicit World(uint64_t seed) : dice_(seed), campaign_(Draw(dice_)) {
    const uint64_t anchors = 3 + dice_.Below(2);
    const uint64_t traitor = dice_.Below(anchors);
    for (DayNumber day = kRange.first; day <= kRange.last; ++day) {
      for (uint64_t anchor = 0; anchor < anchors; ++anchor) {
        const bool lies = campaign_.anchor && anchor == traitor;
        const std::vector<AggregateRecord> honest = Honest(dice_);
        background_.push_back(Report(day, honest, kAnchors[anchor], TrustClass::kAnchored));
        std::vector<AggregateRecord> rows = honest;
        if (campaign_.really_sends) Append(RealMail(campaign_), &rows);
        if (lies) Append(Lies(campaign_), &rows);
        poisoned_.push_back(Report(day, std::move(rows), kAnchors[anchor], TrustClass::kAnchored));
      }
      for (uint64_t domain = 0; domain < campaign_.domains; ++domain) {
        if (dice_.Below(3) != 0) continue;
        // Some take the name of an anchor: the class is decided by the carrier, not by a name.
        const std::string name = dice_.Coin() ? fmt::format("reporter{}.test", domain)
                                              : std::string(kAnchors[dice_.Below(4)]);
        poisoned_.push_back(
            Report(day, Lies(campaign_), name,
                   campaign_.authenticated ? TrustClass::kAuthenticated : TrustClass::kUnverified));
      }
    }
  }

  // What went wrong; empty: nothing.
  std::string Check(Checks checks = Checks::kAll) const {
    std::string wrong;
    const auto before = SaidOf(Statistics(background_, checks), &wrong);
    const auto after = SaidOf(Statistics(poisoned_, checks), &wrong);
    for (const auto& [id, said] : after) {
      if (!IsGood(id)) {
        if (said.suggested) wrong = id + " is suggested";
        // Only what honest anchors saw may be proposed about, never what is claimed alone.
        if (said.kind != Kind::kUnspecified && !campaign_.really_sends) wrong = id + " is proposed";
        if (said.kind == Kind::kSpfAddresses || said.kind == Kind::kAlreadyAuthorized) {
          wrong = id + " would be let through SPF";
        }
        continue;
      }
      const auto known = before.find(id);
      if (known == before.end()) {
        wrong = id + " was not there";
        continue;
      }
      const Said& honest = known->second;
      if (said.suggested != honest.suggested) wrong = id + ": the suggestion has turned";
      if (said.needs_spf != honest.needs_spf) wrong = id + ": whether it needs SPF has turned";
      // Withdrawn it may be, if the anchors contradict each other; turned never.
      const bool withdrawn = said.kind == Kind::kUnspecified && campaign_.anchor;
      if (said.kind != honest.kind && !withdrawn) {
        wrong = fmt::format("{}: the proposal has turned from {} to {}", id,
                            static_cast<int>(honest.kind), static_cast<int>(said.kind));
      }
    }
    return wrong;
  }
  const Campaign& campaign() const { return campaign_; }

 private:
  static void Append(std::vector<AggregateRecord> more, std::vector<AggregateRecord>* rows) {
    for (AggregateRecord& row : more) rows->push_back(std::move(row));
  }
  static DomainStatistics Statistics(const std::vector<StoredReport>& reports, Checks checks) {
    StatisticsBuilder builder(kDomain, kRange, Catalogue::Default());
    for (StoredReport report : reports) {
      if (checks == Checks::kNoClasses) report.trust = TrustClass::kAnchored;
      builder.Add(report);
    }
    DomainStatistics out = builder.Finish();
    for (SourceStatistics& source : out.sources) {
      if (checks == Checks::kOneAnchorIsEnough && source.anchors.size() == 1) {
        source.anchors.push_back(source.anchors.front());
      }
    }
    return out;
  }

  Dice dice_;
  Campaign campaign_;
  std::vector<StoredReport> background_, poisoned_;
};

TEST(Poisoning, NoCampaignWinsASuggestionOrAdvice) {
  int won = 0, authenticated = 0, anchors = 0;
  std::map<Goal, int> goals;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const World world(static_cast<uint64_t>(seed));
    const std::string wrong = world.Check();
    ++goals[world.campaign().goal];
    authenticated += world.campaign().authenticated ? 1 : 0;
    anchors += world.campaign().anchor ? 1 : 0;
    if (wrong.empty()) continue;
    ++won;
    ADD_FAILURE() << "seed " << seed << ", goal " << static_cast<int>(world.campaign().goal)
                  << ", anchor " << world.campaign().anchor << ": " << wrong;
    if (won > 20) break;
  }
  EXPECT_EQ(goals.size(), static_cast<size_t>(Goal::kCount));
  EXPECT_GT(authenticated, kSeeds / 3);
  EXPECT_GT(anchors, kSeeds / 3);
  printf("%d campaigns, %d with one compromised anchor: %d won\n", kSeeds, anchors, won);
}

// That the campaigns could win, where a check is missing.
TEST(Poisoning, EachCheckIsNeeded) {
  constexpr int kTried = 400;
  std::map<Goal, int> tried, believed, alone;
  for (int seed = 1; seed <= kTried; ++seed) {
    const World world(static_cast<uint64_t>(seed));
    const Goal goal = world.campaign().goal;
    ++tried[goal];
    if (!world.Check(Checks::kNoClasses).empty()) ++believed[goal];
    if (!world.Check(Checks::kOneAnchorIsEnough).empty()) ++alone[goal];
  }
  for (const auto& [goal, campaigns] : tried) {
    printf(
        "goal %d, %d campaigns: %d won if every reporter is believed, %d if one anchor is "
        "enough\n",
        static_cast<int>(goal), campaigns, believed[goal], alone[goal]);
    // Of what is in no catalogue and signs as itself nothing is proposed, whoever vouches for it.
    const bool hopeless = goal == Goal::kApproveAddress || goal == Goal::kApproveDomain;
    if (hopeless) {
      EXPECT_EQ(believed[goal], 0);
    } else {
      EXPECT_GT(believed[goal], 0) << "goal " << static_cast<int>(goal) << " is never reached";
    }
  }
  EXPECT_GT(alone[Goal::kApproveService], 0);
  EXPECT_GT(alone[Goal::kBorrowSelector], 0);
}

// And with two anchors in league the same lies do win.
TEST(Poisoning, TwoAnchorsInLeagueWouldWin) {
  StatisticsBuilder builder(kDomain, kRange, Catalogue::Default());
  for (DayNumber day = kRange.first; day <= kRange.last; ++day) {
    for (const char* anchor : {"google.test", "microsoft.test"}) {
      builder.Add(
          Report(day, {Row(50).From("161.38.192.1").Dkim("mailgun.org").Dkim("example.com", "m")},
                 anchor, TrustClass::kAnchored));
    }
  }
  const DomainStatistics statistics = builder.Finish();
  ASSERT_EQ(statistics.sources.size(), 1u);
  EXPECT_EQ(statistics.sources[0].id, "mailgun");
  const Suggestion suggestion = SuggestApproval(statistics.sources[0], /*dangling=*/false);
  EXPECT_TRUE(suggestion.suggested) << suggestion.reason;
  EXPECT_FALSE(SuggestApproval(statistics.sources[0], /*dangling=*/true).suggested);
}

TEST(Trusted, WhoMaySpeak) {
  const auto gather = [](std::vector<std::pair<const char*, TrustClass>> reporters) {
    StatisticsBuilder builder(kDomain, kRange, Catalogue::Default());
    for (const auto& [name, trust] : reporters) {
      builder.Add(Report(kToday, {Row(10).Dkim("example.com", "s1")}, name, trust));
    }
    return builder.Finish();
  };
  using Ground = TrustedGround;
  const auto ground = [&](std::vector<std::pair<const char*, TrustClass>> reporters) {
    return TrustedOf(gather(std::move(reporters)).sources[0]).ground;
  };
  EXPECT_EQ(ground({{"a", TrustClass::kAuthenticated}, {"b", TrustClass::kAuthenticated}}),
            Ground::kNone);
  EXPECT_EQ(ground({{"a", TrustClass::kAnchored}, {"b", TrustClass::kAuthenticated}}),
            Ground::kOneAnchor);
  EXPECT_EQ(ground({{"a", TrustClass::kAnchored}, {"a", TrustClass::kAnchored}}),
            Ground::kOneAnchor);
  EXPECT_EQ(ground({{"a", TrustClass::kAnchored}, {"b", TrustClass::kAnchored}}), Ground::kAnchors);
  EXPECT_EQ(ground({{"a", TrustClass::kImported}}), Ground::kImported);
}

}  // namespace
}  // namespace dmarcate
