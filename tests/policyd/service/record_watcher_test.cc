// The watcher over a DNS in memory, a clock that stands still and both stores in memory.

#include "policyd/service/record_watcher.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <latch>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/dns/fake_resolver.h"
#include "lib/store/fake_observation_store.h"
#include "lib/store/fake_policy_store.h"

namespace dmarcate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Texts = std::vector<std::string>;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

// Tells of each question before it is asked.
class WatchedResolver final : public Resolver {
 public:
  explicit WatchedResolver(Resolver& resolver) : resolver_(resolver) {}
  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override {
    if (before_) before_(name);
    return resolver_.Lookup(name, type);
  }
  void Before(std::function<void(const DomainName&)> call) { before_ = std::move(call); }

 private:
  Resolver& resolver_;
  std::function<void(const DomainName&)> before_;
};

class RecordWatcherTest : public testing::Test {
 protected:
  RecordWatcherTest() {
    AddDomain("example.com");
    SetTxt("example.com", {"v=spf1 include:_spf.vendor.test -all"});
    SetTxt("_dmarc.example.com", {"v=DMARC1; p=none"});
    resolver_.SetTxt(Name("_spf.vendor.test"), {"v=spf1 include:_b.vendor.test -all"});
    resolver_.SetTxt(Name("_b.vendor.test"), {"v=spf1 ip4:192.0.2.0/24 -all"});
  }
  void AddDomain(const std::string& name) {
    DomainRecord record;
    record.name = name;
    ASSERT_TRUE(policies_.PutDomain(record).ok());
    authoritative_.AddZone(Name(name));
  }
  void SetTxt(std::string_view name, const Texts& texts) {
    resolver_.SetTxt(Name(name), texts);
    authoritative_.SetTxt(Name(name), texts);
  }
  RecordWatcher& watcher() {
    if (!watcher_) {
      watcher_.emplace(
          WatchWorld{policies_, observations_, watched_, authoritative_, clock_, pacer_,
                     [this](const std::string&) { return Selectors{selectors_, true}; }},
          options_);
    }
    return *watcher_;
  }
  // Everything is due after that.
  void Later(absl::Duration pause = absl::Hours(2)) {
    clock_.Advance(pause);
    resolver_.ClearQueries();
    EXPECT_TRUE(watcher().RunDue());
  }
  std::vector<Observation> History(const std::string& owner, RecordKind kind = RecordKind::kSpf,
                                   const std::string& domain = "example.com") {
    return observations_.GetHistory(domain, {owner, kind}).value();
  }
  // Names the resolver was asked for TXT or MX records.
  Texts Asked() {
    Texts out;
    for (const FakeResolver::Query& query : resolver_.queries()) out.push_back(query.name.text());
    return out;
  }

  FakeClock clock_{absl::FromUnixSeconds(1'782'820'800)};
  FakePacer pacer_{clock_};
  FakePolicyStore policies_;
  FakeObservationStore observations_;
  FakeResolver resolver_;
  WatchedResolver watched_{resolver_};
  FakeAuthoritativeResolver authoritative_;
  Texts selectors_ = {"s1"};
  WatchOptions options_;
  std::optional<RecordWatcher> watcher_;
};

TEST_F(RecordWatcherTest, LooksAtAllNamesOfADomain) {
  ASSERT_TRUE(watcher().RunDue());
  EXPECT_THAT(*observations_.ListObserved("example.com"),
              ElementsAre(ObservedName{"_b.vendor.test", RecordKind::kSpf},
                          ObservedName{"_dmarc.example.com", RecordKind::kDmarc},
                          ObservedName{"_mta-sts.example.com", RecordKind::kMtaSts},
                          ObservedName{"_smtp._tls.example.com", RecordKind::kTlsRpt},
                          ObservedName{"_spf.vendor.test", RecordKind::kSpf},
                          ObservedName{"example.com", RecordKind::kSpf},
                          ObservedName{"example.com", RecordKind::kMx},
                          ObservedName{"s1._domainkey.example.com", RecordKind::kDkim}));
  const auto dmarc = History("_dmarc.example.com", RecordKind::kDmarc);
  ASSERT_THAT(dmarc, SizeIs(1));
  EXPECT_THAT(dmarc[0].values, ElementsAre("v=DMARC1; p=none"));
  EXPECT_TRUE(dmarc[0].from_servers);
  EXPECT_EQ(History("_mta-sts.example.com", RecordKind::kMtaSts)[0].outcome,
            ObservedOutcome::kNxDomain);
}

TEST_F(RecordWatcherTest, AsksTheServersOfTheDomainsOwnNamesOnly) {
  ASSERT_TRUE(watcher().RunDue());
  for (const FakeResolver::Query& query : authoritative_.queries()) {
    EXPECT_TRUE(query.name.IsAtOrBelow(Name("example.com"))) << query.name.text();
  }
  EXPECT_THAT(authoritative_.queries(), SizeIs(6));
  EXPECT_FALSE(History("_spf.vendor.test")[0].from_servers);
}

TEST_F(RecordWatcherTest, NothingIsDueAgainAtOnce) {
  ASSERT_TRUE(watcher().RunDue());
  resolver_.ClearQueries();
  ASSERT_TRUE(watcher().RunDue());
  EXPECT_THAT(Asked(), IsEmpty());
  // Nor after a restart: what is due is in the store.
  watcher_.reset();
  ASSERT_TRUE(watcher().RunDue());
  EXPECT_THAT(Asked(), IsEmpty());
}

TEST_F(RecordWatcherTest, AChangeIsANewEntryAndNoChangeIsNone) {
  ASSERT_TRUE(watcher().RunDue());
  const absl::Time first = History("example.com")[0].first_seen;
  Later();
  ASSERT_THAT(History("example.com"), SizeIs(1));
  EXPECT_EQ(History("example.com")[0].first_seen, first);
  EXPECT_GE(History("example.com")[0].last_seen, first + absl::Hours(2));
  SetTxt("example.com", {"v=spf1 -all"});
  Later();
  ASSERT_THAT(History("example.com"), SizeIs(2));
  EXPECT_THAT(History("example.com")[0].values, ElementsAre("v=spf1 -all"));
}

TEST_F(RecordWatcherTest, FollowsNewIncludesAtOnceAndLeavesOldOnes) {
  ASSERT_TRUE(watcher().RunDue());
  resolver_.SetTxt(Name("new.test"), {"v=spf1 -all"});
  SetTxt("example.com", {"v=spf1 include:new.test -all"});
  Later();
  EXPECT_THAT(History("new.test"), SizeIs(1));
  EXPECT_THAT(Asked(), Not(Contains("_spf.vendor.test")));
  EXPECT_THAT(History("_spf.vendor.test"), SizeIs(1)) << "its history stays for a while";
  Later(absl::Hours(24 * 401));
  Later();
  EXPECT_THAT(History("_spf.vendor.test"), IsEmpty());
}

TEST_F(RecordWatcherTest, WhenTheDnsIsDownTheLastKnownTreeIsStillLookedAt) {
  ASSERT_TRUE(watcher().RunDue());
  resolver_.Fail(Name("example.com"), RrType::kTxt, absl::UnavailableError("SERVFAIL"));
  authoritative_.Fail(Name("example.com"), RrType::kTxt, absl::UnavailableError("down"));
  Later();
  EXPECT_THAT(Asked(), Contains("_spf.vendor.test"));
  const auto history = History("example.com");
  ASSERT_THAT(history, SizeIs(2));
  EXPECT_EQ(history[0].outcome, ObservedOutcome::kServfail);
  EXPECT_EQ(history[1].outcome, ObservedOutcome::kRecords);
}

TEST_F(RecordWatcherTest, ACacheIsNotTakenForServersThatAreSilent) {
  ASSERT_TRUE(watcher().RunDue());
  authoritative_.SetTxt(Name("_dmarc.example.com"),
                        {"v=DMARC1; p=reject"});  // not in the cache yet
  Later();
  authoritative_.Fail(Name("_dmarc.example.com"), RrType::kTxt, absl::DeadlineExceededError("x"));
  Later();
  const auto history = History("_dmarc.example.com", RecordKind::kDmarc);
  ASSERT_THAT(history, SizeIs(3));
  EXPECT_EQ(history[0].outcome, ObservedOutcome::kTimeout);
  EXPECT_THAT(history[1].values, ElementsAre("v=DMARC1; p=reject"));
}

TEST_F(RecordWatcherTest, WhatFailedIsTriedAgainSoonAndTheRestIsNot) {
  ASSERT_TRUE(watcher().RunDue());
  resolver_.Fail(Name("_b.vendor.test"), RrType::kTxt, absl::DeadlineExceededError("late"));
  Later();
  Later(absl::Seconds(90));
  EXPECT_THAT(Asked(), ElementsAre("_b.vendor.test"));
}

TEST_F(RecordWatcherTest, LooksAreSpreadOverTime) {
  for (int i = 0; i < 50; ++i) AddDomain("d" + std::to_string(i) + ".test");
  options_.looks_per_second = 2;
  const absl::Duration start = clock_.Monotonic();
  ASSERT_TRUE(watcher().RunDue());
  // Six names of each, two more of the first.
  EXPECT_GE(clock_.Monotonic() - start, absl::Seconds((6 * 51 + 2) / 2 - 1));
  EXPECT_LE(clock_.Monotonic() - start, absl::Seconds((6 * 51 + 2) / 2 + 1));
}

TEST_F(RecordWatcherTest, NamesOfADomainAreBounded) {
  std::string spf = "v=spf1";
  for (int i = 0; i < 200; ++i) spf += " include:i" + std::to_string(i) + ".test";
  SetTxt("example.com", {spf});
  options_.names_per_domain = 20;
  ASSERT_TRUE(watcher().RunDue());
  EXPECT_THAT(*observations_.ListObserved("example.com"), SizeIs(20));
  EXPECT_THAT(History("_dmarc.example.com", RecordKind::kDmarc), SizeIs(1)) << "own names first";
}

TEST_F(RecordWatcherTest, ADomainThatTakesLongGoesOnInItsNextTurn) {
  options_.looks_per_second = 1;
  options_.time_per_domain = absl::Seconds(3);
  ASSERT_TRUE(watcher().RunDue());
  const size_t first = observations_.ListObserved("example.com")->size();
  EXPECT_LT(first, 8u);
  for (int i = 0; i < 5; ++i) Later(absl::Minutes(2));
  EXPECT_THAT(*observations_.ListObserved("example.com"), SizeIs(8));
}

TEST_F(RecordWatcherTest, ANewDomainIsFound) {
  ASSERT_TRUE(watcher().RunDue());
  AddDomain("example.net");
  SetTxt("example.net", {"v=spf1 -all"});
  Later(absl::Seconds(11));
  EXPECT_THAT(History("example.net", RecordKind::kSpf, "example.net"), SizeIs(1));
}

TEST_F(RecordWatcherTest, ADomainThatWasRemovedIsAskedAboutNoMore) {
  AddDomain("other.test");
  ASSERT_TRUE(watcher().RunDue());
  ASSERT_TRUE(policies_
                  .RemoveDomain({"other.test", policies_.GetDomain("other.test")->revision,
                                 clock_.Now(), "ann", [] { return absl::OkStatus(); }})
                  .ok());
  Later();
  EXPECT_THAT(Asked(), Contains("_dmarc.example.com"));
  EXPECT_THAT(Asked(), Not(Contains(testing::HasSubstr("other.test"))));
  // One that comes back is new.
  AddDomain("other.test");
  Later(absl::Seconds(11));
  EXPECT_THAT(Asked(), Contains("_dmarc.other.test"));
}

TEST_F(RecordWatcherTest, AFullDiskIsSurvived) {
  observations_.FailUpdates(absl::ResourceExhaustedError("disk"));
  ASSERT_TRUE(watcher().RunDue());
  EXPECT_THAT(Asked(), SizeIs(1)) << "nothing is asked that could not be kept";
  observations_.FailUpdates(absl::OkStatus());
  Later(absl::Minutes(2));
  EXPECT_THAT(*observations_.ListObserved("example.com"), SizeIs(8));
}

TEST_F(RecordWatcherTest, ANewDomainIsFoundThoughOthersAreAlwaysDue) {
  options_.interval = absl::Seconds(1);
  options_.looks_per_second = 1;
  AddDomain("example.net");
  int looks = 0;
  watched_.Before([&](const DomainName& name) {
    if (++looks == 100) AddDomain("new.test");
    if (name == Name("_dmarc.new.test") || looks == 1000) watcher().BeginStop();
  });
  EXPECT_FALSE(watcher().RunDue());
  EXPECT_LT(looks, 300);
}

TEST_F(RecordWatcherTest, AHistoryThatCannotBeReadCostsItsOwnNameOnly) {
  const ObservedName broken{"_dmarc.example.com", RecordKind::kDmarc};
  observations_.FailHistory(broken, absl::DataLossError("corrupt"));
  ASSERT_TRUE(watcher().RunDue());
  EXPECT_THAT(*observations_.ListObserved("example.com"), SizeIs(7));
  EXPECT_THAT(Asked(), Not(Contains("_dmarc.example.com")));
}

TEST_F(RecordWatcherTest, AClockThatIsSetBackDoesNotKeepFromLooking) {
  ASSERT_TRUE(watcher().RunDue());
  clock_.JumpWallTo(clock_.Now() - absl::Hours(1000));
  Later();
  EXPECT_THAT(Asked(), SizeIs(8));
  Later(absl::Minutes(30));
  EXPECT_THAT(Asked(), IsEmpty());
}

TEST_F(RecordWatcherTest, StopsBetweenTwoQuestions) {
  watched_.Before([this](const DomainName&) { watcher().BeginStop(); });
  EXPECT_FALSE(watcher().RunDue());
  watcher().Stop();
  EXPECT_THAT(Asked(), SizeIs(1));
  EXPECT_THAT(authoritative_.queries(), IsEmpty());
  EXPECT_THAT(*observations_.ListObserved("example.com"), IsEmpty()) << "half a look says nothing";
}

// Tells of each history that was written.
class TellingStore final : public ObservationStore {
 public:
  TellingStore(ObservationStore& store, std::function<void()> wrote)
      : store_(store), wrote_(std::move(wrote)) {}
  absl::StatusOr<std::vector<ObservedName>> ListObserved(std::string_view domain) override {
    return store_.ListObserved(domain);
  }
  absl::StatusOr<std::vector<Observation>> GetHistory(std::string_view domain,
                                                      const ObservedName& name) override {
    return store_.GetHistory(domain, name);
  }
  absl::Status UpdateHistory(std::string_view domain, const ObservedName& name,
                             const HistoryUpdate& update) override {
    const absl::Status status = store_.UpdateHistory(domain, name, update);
    wrote_();
    return status;
  }

 private:
  ObservationStore& store_;
  const std::function<void()> wrote_;
};

// Real threads; the names come in whatever order, and it lasts as long as it lasts.
TEST_F(RecordWatcherTest, RunsOnThreads) {
  for (int i = 0; i < 20; ++i) AddDomain("d" + std::to_string(i) + ".test");
  options_.looks_per_second = 1000;
  std::latch all(1);
  std::atomic<bool> told = false;
  TellingStore store(observations_, [&] {
    if (observations_.ListObserved("d19.test")->size() == 6 && !told.exchange(true)) {
      all.count_down();
    }
  });
  RecordWatcher threads({policies_, store, watched_, authoritative_, clock_, pacer_,
                         [this](const std::string&) { return Selectors{selectors_, true}; }},
                        options_);
  threads.Start();
  all.wait();
  threads.Stop();
  EXPECT_THAT(*observations_.ListObserved("d19.test"), SizeIs(6));
}

TEST_F(RecordWatcherTest, WhatAChangeHasWrittenIsLookedAtWhenItHasEnded) {
  ASSERT_TRUE(watcher().RunDue());
  SetTxt("example.com", {"v=spf1 -all"});
  SetTxt("_dmarc.example.com", {"v=DMARC1; p=none; rua=mailto:a@example.com"});
  ChangeRecord change;
  change.domain = "example.com";
  change.id = "01";
  change.state = ChangeState::kVerifying;
  change.record_changes.push_back({.zone = "example.com", .owner_name = "_dmarc.example.com"});
  change.apply_time = clock_.Now();
  const auto running = policies_.PutChange(change);
  ASSERT_TRUE(running.ok()) << running.status();
  Later(absl::Seconds(10));
  EXPECT_THAT(Asked(), IsEmpty()) << "it has not ended";

  change = *running;
  change.state = ChangeState::kSucceeded;
  change.end_time = clock_.Now();
  ASSERT_TRUE(policies_.PutChange(change).ok());
  Later(absl::Seconds(10));
  EXPECT_THAT(Asked(), ElementsAre("_dmarc.example.com"));
  EXPECT_THAT(History("_dmarc.example.com", RecordKind::kDmarc), SizeIs(2));
  EXPECT_THAT(History("example.com"), SizeIs(1)) << "what it has not written has its own time";
  Later(absl::Seconds(10));
  EXPECT_THAT(Asked(), IsEmpty()) << "once";
}

}  // namespace
}  // namespace dmarcate
