#include "ingestd/intake/smtp/protocol/sender_budgets.h"

#include <map>
#include <queue>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/mailauth/public_suffix_list.h"

namespace dmarcate {
namespace {

using testing::IsEmpty;

const std::vector<std::string> kRecipient = {"dmarc@reports.test"};

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

class SenderBudgetsTest : public testing::Test {
 protected:
  // How many of `mails` are taken.
  static int Taken(SenderBudgets& budgets, int mails, const MailSender& sender,
                   absl::Duration now = absl::ZeroDuration(), int64_t bytes = 1000) {
    int taken = 0;
    for (int i = 0; i < mails; ++i) {
      const bool within = budgets.Check(sender, kRecipient, now).within;
      EXPECT_EQ(budgets.Take(sender, kRecipient, bytes, now).within, within);
      taken += within ? 1 : 0;
    }
    return taken;
  }
  std::shared_ptr<const PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
};

TEST_F(SenderBudgetsTest, ABudgetIsSavedUpForAnHour) {
  SenderBudgets budgets({.per_address = 60, .per_domain = 0, .per_recipient = 0}, *suffixes_);
  const MailSender sender{Ip("192.0.2.1"), "c", "a@b.test"};
  EXPECT_EQ(Taken(budgets, 100, sender), 60);
  EXPECT_EQ(Taken(budgets, 100, sender, absl::Seconds(59)), 0);
  EXPECT_EQ(Taken(budgets, 100, sender, absl::Seconds(61)), 1);
  EXPECT_EQ(Taken(budgets, 100, sender, absl::Hours(100)), 60);
}

TEST_F(SenderBudgetsTest, WhatIsRefusedCostsNothing) {
  SenderBudgets budgets({.per_address = 60, .per_domain = 0, .per_recipient = 0}, *suffixes_);
  const MailSender sender{Ip("192.0.2.1"), "c", "a@b.test"};
  EXPECT_EQ(Taken(budgets, 10'000, sender), 60);
  EXPECT_EQ(Taken(budgets, 100, sender, absl::Minutes(2)), 2);
}

TEST_F(SenderBudgetsTest, ALargeMailCountsAsMany) {
  SenderBudgets budgets({.per_address = 60, .per_domain = 0, .per_recipient = 0}, *suffixes_);
  const MailSender sender{Ip("192.0.2.1"), "c", "a@b.test"};
  EXPECT_EQ(Taken(budgets, 100, sender, absl::ZeroDuration(), 25 << 20), 3);  // and 15 on credit
  EXPECT_EQ(Taken(budgets, 100, sender, absl::Minutes(15)), 0);
  EXPECT_EQ(Taken(budgets, 100, sender, absl::Minutes(17)), 2);
  EXPECT_EQ(Taken(budgets, 100, {Ip("192.0.2.2"), "c", ""}, absl::Minutes(17), (1 << 20) + 1), 30);
}

// From each kind of budget, with a mail that counts as three.
TEST_F(SenderBudgetsTest, WhatIsNotKeptIsGivenBack) {
  struct Case {
    SenderBudgetLimits limits;
    SenderStanding standing;
    int most;
  };
  const Case kCases[] = {
      {{.per_address = 6, .per_domain = 0, .per_recipient = 0}, SenderStanding::kStranger, 6},
      {{.per_address = 0, .per_domain = 6, .per_recipient = 0}, SenderStanding::kStranger, 6},
      {{.per_address = 0, .per_domain = 0, .per_recipient = 6}, SenderStanding::kStranger, 6},
      {{.per_address = 0, .per_domain = 0, .per_recipient = 6},
       SenderStanding::kConfirmed,
       SenderBudgets::kOwnMails + 6},
      {{.per_anchor = 6}, SenderStanding::kAnchored, 6},
  };
  const MailSender sender{Ip("192.0.2.1"), "c", "a@b.test"};
  for (const Case& tried : kCases) {
    SenderBudgets budgets(tried.limits, *suffixes_);
    budgets.Prove(sender, tried.standing, {});
    SenderBudgets::Charge charge;
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(budgets.Take(sender, kRecipient, 3 << 20, {}, &charge).within);
      budgets.GiveBack(charge, {});
    }
    ASSERT_TRUE(budgets.Take(sender, kRecipient, 3 << 20, {}, &charge).within);
    EXPECT_EQ(Taken(budgets, 99, sender), tried.most - 3);
    budgets.GiveBack(charge, {});
    EXPECT_EQ(Taken(budgets, 99, sender), 3);
    // Never more than the budget is, and of a refused mail nothing.
    for (int i = 0; i < 10; ++i) budgets.GiveBack(charge, absl::Hours(1));
    EXPECT_EQ(Taken(budgets, 99, sender, absl::Hours(1)), tried.most);
    SenderBudgets::Charge none;
    EXPECT_FALSE(budgets.Take(sender, kRecipient, 3 << 20, absl::Hours(1), &none).within);
    budgets.GiveBack(none, absl::Hours(1));
    EXPECT_EQ(Taken(budgets, 99, sender, absl::Hours(1)), 0);
  }
}

// Whatever its sender has proved since.
TEST_F(SenderBudgetsTest, ItIsGivenBackToThoseWhomItWasTakenFrom) {
  SenderBudgets budgets({.per_address = 6, .per_domain = 0, .per_recipient = 0}, *suffixes_);
  const MailSender sender{Ip("192.0.2.1"), "c", "a@b.test"};
  SenderBudgets::Charge charge;
  ASSERT_TRUE(budgets.Take(sender, kRecipient, 3 << 20, {}, &charge).within);
  budgets.Prove(sender, SenderStanding::kConfirmed, {});
  EXPECT_EQ(Taken(budgets, 2, sender), 2);
  budgets.GiveBack(charge, {});
  EXPECT_EQ(Taken(budgets, 9, sender), 4);
  EXPECT_EQ(Taken(budgets, 9, {Ip("192.0.2.1"), "c", "a@stranger.test"}), 6);
}

TEST_F(SenderBudgetsTest, AnAddressIsAnIpv4AddressOrAnIpv6Network) {
  SenderBudgets budgets({.per_address = 5, .per_domain = 0, .per_recipient = 0}, *suffixes_);
  EXPECT_EQ(Taken(budgets, 9, {Ip("2001:db8::1"), "c", "a@b.test"}), 5);
  EXPECT_EQ(Taken(budgets, 9, {Ip("2001:db8::ffff:1"), "c", "a@c.test"}), 0);
  EXPECT_EQ(Taken(budgets, 9, {Ip("2001:db8:0:1::1"), "c", "a@b.test"}), 5);
  EXPECT_EQ(Taken(budgets, 9, {Ip("192.0.2.1"), "c", "a@b.test"}), 5);
  EXPECT_EQ(Taken(budgets, 9, {Ip("192.0.2.2"), "c", "a@b.test"}), 5);
}

TEST_F(SenderBudgetsTest, ADomainIsTheOrganizationalOneOfSenderOrGreeting) {
  const auto domain = [&](std::string_view helo, std::string_view mail_from) {
    return SenderDomain({Ip("192.0.2.1"), helo, mail_from}, *suffixes_);
  };
  EXPECT_EQ(domain("x.test", "a@Mail.Example.CO.UK"), "example.co.uk");
  EXPECT_EQ(domain("mx.example.com", ""), "example.com");
  EXPECT_EQ(domain("mx.example.com", "\"a@b.test\"@c.example.net"), "example.net");
  EXPECT_EQ(domain("x.test", "a@[192.0.2.1]"), "");
  EXPECT_EQ(domain("[192.0.2.1]", ""), "");

  SenderBudgets budgets({.per_address = 0, .per_domain = 5, .per_recipient = 0}, *suffixes_);
  EXPECT_EQ(Taken(budgets, 3, {Ip("192.0.2.1"), "c", "a@x.b.test"}), 3);
  EXPECT_EQ(Taken(budgets, 9, {Ip("192.0.2.2"), "y.b.test", ""}), 2);
  EXPECT_EQ(Taken(budgets, 9, {Ip("192.0.2.3"), "y.b.test", "a@c.test"}), 5);
}

TEST_F(SenderBudgetsTest, TheVerdictSaysWhoseBudgetIsUsedUp) {
  const auto said = [&](const SenderBudgetLimits& limits) {
    SenderBudgets budgets(limits, *suffixes_);
    const MailSender sender{Ip("2001:db8::1"), "c", "a@mail.b.test"};
    EXPECT_TRUE(budgets.Take(sender, kRecipient, 1, {}).within);
    const BudgetVerdict verdict = budgets.Check(sender, {{"DMARC@Reports.test"}}, {});
    return fmt::format("{} {} {}", verdict.within, BudgetKindName(verdict.exhausted), verdict.key);
  };
  EXPECT_EQ(said({.per_address = 1}), "false address 2001:db8::");
  EXPECT_EQ(said({.per_domain = 1}), "false domain b.test");
  EXPECT_EQ(said({.per_recipient = 1}), "false recipient dmarc@reports.test");
}

TEST_F(SenderBudgetsTest, WhoIsConfirmedDoesNotShareWithStrangers) {
  const SenderBudgetLimits limits{.per_address = 5, .per_domain = 7, .per_recipient = 9};
  SenderBudgets budgets(limits, *suffixes_);
  const MailSender reporter{Ip("192.0.2.1"), "c", "a@reporter.test"};
  budgets.Prove(reporter, SenderStanding::kConfirmed, {});
  EXPECT_EQ(budgets.StandingOf(reporter, {}), SenderStanding::kConfirmed);
  for (int i = 0; i < 20; ++i) {
    Taken(budgets, 9, {Ip(fmt::format("198.51.100.{}", i)), "c", "a@reporter.test"});
  }
  // Seven of the domain, then what is left of the recipient's nine.
  EXPECT_EQ(Taken(budgets, 9, {Ip("192.0.2.1"), "c", "a@other.test"}), 2);
  EXPECT_EQ(Taken(budgets, 9, reporter), 5);
  // At another address the name proves nothing.
  EXPECT_EQ(budgets.StandingOf({Ip("192.0.2.2"), "c", "a@reporter.test"}, {}),
            SenderStanding::kStranger);
  // What was proved long ago is not known any more.
  EXPECT_EQ(budgets.StandingOf(reporter, SenderBudgets::kProofHolds), SenderStanding::kConfirmed);
  EXPECT_EQ(budgets.StandingOf(reporter, SenderBudgets::kProofHolds + absl::Seconds(1)),
            SenderStanding::kStranger);
}

TEST_F(SenderBudgetsTest, ManyConfirmedDomainsDoNotUseUpWhatAReporterNeeds) {
  SenderBudgets budgets({.per_address = 0, .per_domain = 0, .per_recipient = 1000}, *suffixes_);
  const auto confirmed = [&](MailSender sender) {
    budgets.Prove(sender, SenderStanding::kConfirmed, absl::ZeroDuration());
    return sender;
  };
  std::vector<std::string> names;
  for (int i = 0; i < 10; ++i) names.push_back(fmt::format("a@flood{}.test", i));
  int taken = 0;
  for (const std::string& name : names) {
    taken += Taken(budgets, 1000, confirmed({Ip("192.0.2.9"), "c", name}));
  }
  EXPECT_EQ(taken, 10 * SenderBudgets::kOwnMails + 1000);
  const MailSender reporter = confirmed({Ip("198.51.100.1"), "c", "a@reporter.test"});
  EXPECT_EQ(Taken(budgets, 1000, reporter), SenderBudgets::kOwnMails);
  // Not a stranger who borrows the name.
  const MailSender stranger{Ip("203.0.113.1"), "c", "a@reporter.test"};
  EXPECT_EQ(Taken(budgets, 2000, stranger), 1000);
  EXPECT_EQ(Taken(budgets, 1000, stranger), 0);
}

TEST_F(SenderBudgetsTest, AnAnchorHasNothingButItsOwnBudget) {
  SenderBudgets budgets({.per_address = 5, .per_domain = 5, .per_recipient = 5, .per_anchor = 50},
                        *suffixes_);
  const MailSender anchor{Ip("192.0.2.1"), "c", "noreply@anchor.test"};
  EXPECT_EQ(Taken(budgets, 100, anchor), 5);
  budgets.Prove(anchor, SenderStanding::kAnchored, {});
  EXPECT_EQ(Taken(budgets, 100, anchor), 50);
  EXPECT_EQ(budgets.Check(anchor, kRecipient, {}).key, "anchor.test at 192.0.2.1");
  // Its neighbours at the same provider, and who borrows its name, use up their own.
  EXPECT_EQ(Taken(budgets, 100, {Ip("192.0.2.1"), "c", "user@other.test"}), 0);
  EXPECT_EQ(Taken(budgets, 100, {Ip("192.0.2.2"), "c", "noreply@anchor.test"}), 0);
}

// A flood of everything that proves something does not make an anchor forgotten.
TEST_F(SenderBudgetsTest, MemoryIsBounded) {
  constexpr size_t kSenders = 100;
  SenderBudgets budgets({.senders = kSenders}, *suffixes_);
  const MailSender anchor{Ip("192.0.2.1"), "c", "noreply@anchor.test"};
  budgets.Prove(anchor, SenderStanding::kAnchored, {});
  size_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string from = fmt::format("a@attacker{}.test", i);
    const MailSender sender{Ip(fmt::format("2001:db8:{:x}:{:x}::1", i >> 8, i & 255)), "c", from};
    const absl::Duration now = absl::Milliseconds(i);
    if (i % 2 == 0) budgets.Prove(sender, SenderStanding::kConfirmed, now);
    budgets.Take(sender, kRecipient, 1000, now);
    most = std::max(most, budgets.entries());
  }
  EXPECT_LE(most, 6 * kSenders);
  EXPECT_GT(most, 2 * kSenders);
  EXPECT_EQ(budgets.StandingOf(anchor, absl::Hours(1)), SenderStanding::kAnchored);
  // Who keeps on sending is not forgotten, whoever else comes.
  SenderBudgets strict({.per_address = 10, .per_domain = 0, .per_recipient = 0, .senders = 100},
                       *suffixes_);
  int taken = 0;
  for (int i = 0; i < 5'000; ++i) {
    taken += Taken(strict, 1, {Ip("192.0.2.9"), "c", "a@b.test"});
    for (int j = 0; j < 3; ++j) {
      const int n = 3 * i + j;
      Taken(strict, 1, {Ip(fmt::format("2001:db8:{:x}:{:x}::1", n >> 8, n & 255)), "c", ""});
    }
  }
  EXPECT_EQ(taken, 10);
  // And who has not come for long takes no room.
  Taken(strict, 1, {Ip("192.0.2.10"), "c", "a@b.test"}, absl::Hours(3));
  EXPECT_EQ(strict.entries(), 1u);
}

// Who may send from a large network, by the SPF of a few domains, makes nobody else forgotten.
TEST_F(SenderBudgetsTest, ADomainWithManyAddressesMakesOnlyItselfForgotten) {
  constexpr int kSenders = 100, kDomains = 10;
  SenderBudgets budgets({.senders = kSenders}, *suffixes_);
  const auto large = [](int domain, int n) {
    return Ip(fmt::format("2001:db8:{:x}:{:x}::1", domain, n));
  };
  const auto name = [](int domain) { return fmt::format("a@network{}.test", domain); };
  std::vector<MailSender> reporters;
  const std::string from = "d@reporter.test", other = "d@other.test";
  for (int n = 1; n <= 5; ++n) {
    reporters.push_back({Ip(fmt::format("192.0.2.{}", n)), "c", n < 5 ? from : other});
    budgets.Prove(reporters.back(), SenderStanding::kConfirmed, {});
  }
  for (int n = 0; n < 5'000; ++n) {
    for (int domain = 0; domain < kDomains; ++domain) {
      budgets.Prove({large(domain, n), "c", name(domain)}, SenderStanding::kConfirmed,
                    absl::Seconds(n));
    }
    ASSERT_LE(budgets.entries(), kSenders);
  }
  const absl::Duration now = absl::Seconds(5'000);
  for (const MailSender& reporter : reporters) {
    EXPECT_EQ(budgets.StandingOf(reporter, now), SenderStanding::kConfirmed);
  }
  // They share what is left, those of their addresses that came last.
  EXPECT_EQ(budgets.entries(), kSenders);
  for (int domain = 0; domain < kDomains; ++domain) {
    const auto standing = [&](int n) {
      return budgets.StandingOf({large(domain, n), "c", name(domain)}, now);
    };
    EXPECT_EQ(standing(4'999), SenderStanding::kConfirmed) << domain;
    EXPECT_EQ(standing(4'992), SenderStanding::kConfirmed) << domain;
    EXPECT_EQ(standing(4'900), SenderStanding::kStranger) << domain;
  }
}

// An hour of a hundred times the usual mail, of five kinds at once, in virtual time. Honest servers
// try again as Postfix does.
TEST_F(SenderBudgetsTest, AFloodCostsNoHonestReport) {
  constexpr absl::Duration kFlood = absl::Hours(1), kHonestEvery = absl::Seconds(6),
                           kFirstRetry = absl::Minutes(5), kLastRetry = absl::Minutes(67),
                           kGivenUp = absl::Hours(5 * 24);
  constexpr int kAnchors = 12, kReporters = 40, kFloodForEach = 100;
  const SenderBudgetLimits limits;
  SenderBudgets budgets(limits, *suffixes_);

  enum Kind { kAnchor, kAnchorElsewhere, kReporter, kNewcomer, kKinds };
  struct Mail {
    absl::Duration due, first, backoff;
    Kind kind;
    std::string address, from;
    bool operator<(const Mail& other) const { return due > other.due; }
  };
  std::priority_queue<Mail> mails;
  const auto anchor_name = [](int n) { return fmt::format("noreply@anchor{}.test", n); };
  for (int n = 0; n < kAnchors; ++n) {
    budgets.Prove({Ip(fmt::format("192.0.2.{}", n)), "c", anchor_name(n)},
                  SenderStanding::kAnchored, {});
  }
  for (int n = 0; n < kReporters; ++n) {
    budgets.Prove({Ip(fmt::format("203.0.113.{}", n)), "c", fmt::format("d@reporter{}.test", n)},
                  SenderStanding::kConfirmed, {});
  }
  int honest = 0;
  for (absl::Duration at; at < kFlood; at += kHonestEvery, ++honest) {
    const int n = honest / kKinds;
    const auto kind = static_cast<Kind>(honest % kKinds);
    Mail mail{at, at, kFirstRetry, kind, "", ""};
    if (kind == kAnchor) mail.address = fmt::format("192.0.2.{}", n % kAnchors);
    if (kind == kAnchorElsewhere) mail.address = fmt::format("192.0.3.{}", n % 250);
    if (kind == kReporter) mail.address = fmt::format("203.0.113.{}", n % kReporters);
    if (kind == kNewcomer) mail.address = fmt::format("203.0.114.{}", n % 250);
    mail.from = kind == kReporter   ? fmt::format("d@reporter{}.test", n % kReporters)
                : kind == kNewcomer ? fmt::format("d@newcomer{}.test", n)
                                    : anchor_name(n % kAnchors);
    mails.push(mail);
  }

  int64_t flood = 0, flood_taken = 0;
  size_t most_entries = 0;
  std::map<Kind, int> arrived, put_off;
  std::vector<std::string> lost;
  absl::Duration flooded;
  const auto attack = [&](absl::Duration now) {
    const auto n = static_cast<int>(flood++ / 5);
    const std::string own = fmt::format("2001:db8:{:x}:{:x}::1", n >> 14, n & 0x3fff);
    std::string address, from;
    switch (flood % 5) {
      case 0:  // one loud address
        address = "198.51.100.1", from = fmt::format("a@loud{}.test", n);
        break;
      case 1:  // many addresses with names that they make up
        address = own, from = fmt::format("a@made-up{}.test", n);
        break;
      case 2:  // and in the names of anchors
        address = own, from = anchor_name(n % kAnchors);
        break;
      case 3:  // users of the anchors' servers
        address = fmt::format("192.0.2.{}", n % kAnchors), from = fmt::format("a@user{}.test", n);
        break;
      default:  // domains whose SPF passes from anywhere
        address = own, from = fmt::format("a@sub{}.bought{}.test", n, n % 10);
        budgets.Prove({Ip(address), "c", from}, SenderStanding::kConfirmed, now);
    }
    const MailSender sender{Ip(address), "c", from};
    flood_taken += budgets.Take(sender, kRecipient, 20'000, now).within ? 1 : 0;
    most_entries = std::max(most_entries, budgets.entries());
  };
  while (!mails.empty()) {
    Mail mail = mails.top();
    mails.pop();
    for (; flooded <= mail.due && flooded < kFlood; flooded += kHonestEvery) {
      for (int i = 0; i < kFloodForEach; ++i) attack(flooded);
    }
    if (budgets.Take({Ip(mail.address), "c", mail.from}, kRecipient, 20'000, mail.due).within) {
      ++arrived[mail.kind];
      continue;
    }
    ++put_off[mail.kind];
    mail.due += mail.backoff;
    mail.backoff = std::min(2 * mail.backoff, kLastRetry);
    if (mail.due - mail.first < kGivenUp) {
      mails.push(mail);
    } else {
      lost.push_back(mail.from);
    }
  }
  EXPECT_EQ(flood, int64_t{kFloodForEach} * honest);
  EXPECT_THAT(lost, IsEmpty());
  for (const Kind kind : {kAnchor, kAnchorElsewhere, kReporter, kNewcomer}) {
    EXPECT_EQ(arrived[kind], honest / kKinds);
  }
  EXPECT_EQ(put_off[kAnchor], 0);  // they do not even wait
  // What was taken of the flood is what the recipient's budgets allow, saved up and in an hour.
  EXPECT_LE(flood_taken, 2 * 2 * limits.per_recipient);
  EXPECT_LE(most_entries, 6 * limits.senders);
  RecordProperty("flood", static_cast<int>(flood));
  RecordProperty("flood_taken", static_cast<int>(flood_taken));
  RecordProperty("entries", static_cast<int>(most_entries));
  RecordProperty("put_off_elsewhere", put_off[kAnchorElsewhere]);
  RecordProperty("put_off_reporters", put_off[kReporter]);
  RecordProperty("put_off_newcomers", put_off[kNewcomer]);
}

}  // namespace
}  // namespace dmarcate
