// What every store of removals promises (removal_store.h), run on the fake and on RocksDB; what
// RocksDB takes with a domain; and a process that is killed while it removes.

#include "lib/store/removal_store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/store/fake_policy_store.h"
#include "lib/store/policy_keys.h"
#include "lib/store/rocks_policy_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using absl::StatusCode;
using testing::IsEmpty;
using testing::SizeIs;

const absl::Time kNow = absl::FromUnixMicros(1'764'000'000'123'456);
constexpr char kChildVariable[] = "DMARCATE_REMOVAL_CRASH_CHILD";

DomainRecord Domain(const std::string& name, const std::string& provider = "") {
  DomainRecord record;
  record.name = name;
  record.uid = "uid";
  record.create_time = record.update_time = kNow;
  record.dns_provider = provider;
  record.report_addresses = {{"r-0@reports.example", kNow, kNow + absl::Hours(1)},
                             {"r-1@reports.example", kNow + absl::Minutes(1)}};
  return record;
}

DnsProviderRecord Provider(const std::string& id) {
  DnsProviderRecord record;
  record.id = id;
  record.type = "manual";
  record.create_time = kNow;
  return record;
}

SourceDecision Decision(const std::string& domain, const std::string& source) {
  SourceDecision record;
  record.domain = domain;
  record.source_id = source;
  record.state = SourceState::kApproved;
  record.decide_time = kNow;
  return record;
}

ChangeRecord Change(const std::string& domain, const std::string& id, ChangeState state) {
  ChangeRecord record;
  record.domain = domain;
  record.id = id;
  record.state = state;
  record.create_time = kNow;
  record.plan_expire_time = kNow + absl::Hours(1);
  return record;
}

RemovalRequest Removing(const std::string& id, uint64_t revision) {
  return {id, revision, kNow + absl::Hours(2), "local"};
}

// One store with both its faces.
struct Stores {
  std::shared_ptr<PolicyStore> policies;
  RemovalStore* removals = nullptr;
};
struct Param {
  std::string name;
  Stores (*open)(const std::string& directory);
};
void PrintTo(const Param& param, std::ostream* out) { *out << param.name; }

class RemovalStoreTest : public testing::TestWithParam<Param> {
 protected:
  PolicyStore& policies() { return *stores_.policies; }
  RemovalStore& removals() { return *stores_.removals; }

 private:
  TempDir directory_;
  Stores stores_ = GetParam().open(directory_.path("policy"));
};

TEST_P(RemovalStoreTest, ADomainGoesWithItsDecisionsAndIsRemembered) {
  ASSERT_TRUE(policies().PutDomain(Domain("example.com")).ok());
  ASSERT_TRUE(policies().PutDomain(Domain("example.co")).ok());
  for (const char* domain : {"example.com", "example.co"}) {
    ASSERT_TRUE(policies().PutDecision(Decision(domain, "sendgrid")).ok());
  }
  ASSERT_TRUE(policies().PutChange(Change("example.com", "c1", ChangeState::kSucceeded)).ok());
  ASSERT_EQ(removals().RemoveDomain(Removing("example.com", 1)), absl::OkStatus());

  EXPECT_EQ(policies().GetDomain("example.com").status().code(), StatusCode::kNotFound);
  EXPECT_THAT(*policies().ListDecisions("example.com"), IsEmpty());
  EXPECT_THAT(*policies().ListDecisions("example.co"), SizeIs(1)) << "of another domain";
  EXPECT_TRUE(policies().GetChange("example.com", "c1").ok()) << "the journal stays";
  const auto removal = removals().FindRemoval(RemovedKind::kDomain, "example.com");
  ASSERT_TRUE(removal.ok() && removal->has_value());
  const RemovalRecord want = {
      "example.com",
      "uid",
      1,
      kNow,
      kNow + absl::Hours(2),
      "local",
      {{"r-0@reports.example", kNow, kNow + absl::Hours(1)},
       {"r-1@reports.example", kNow + absl::Minutes(1), kNow + absl::Hours(2)}}};
  EXPECT_EQ(**removal, want);
  EXPECT_THAT(*removals().ListRemovals(RemovedKind::kDomain), testing::ElementsAre(want));
  EXPECT_THAT(*removals().ListRemovals(RemovedKind::kProvider), IsEmpty());
  EXPECT_EQ(removals().RemoveDomain(Removing("example.com", 1)).code(), StatusCode::kNotFound)
      << "a second time";
}

TEST_P(RemovalStoreTest, OneThatHasChangedOrIsHeldStays) {
  ASSERT_TRUE(policies().PutDomain(Domain("example.com")).ok());
  EXPECT_EQ(removals().RemoveDomain(Removing("example.com", 2)).code(), StatusCode::kAborted);
  RemovalRequest held = Removing("example.com", 1);
  held.check = [this]() -> absl::Status {
    // It may read.
    const auto open = policies().OpenChanges();
    if (!open.ok()) return open.status();
    return absl::FailedPreconditionError("held");
  };
  EXPECT_EQ(removals().RemoveDomain(held).code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(policies().GetDomain("example.com").ok());
  EXPECT_FALSE(removals().FindRemoval(RemovedKind::kDomain, "example.com")->has_value());
}

TEST_P(RemovalStoreTest, WhoReadTheDomainBeforeWritesNothingForItAfterwards) {
  ASSERT_TRUE(policies().PutDomain(Domain("example.com")).ok());
  const auto planned = policies().PutChange(Change("example.com", "c1", ChangeState::kPlanned));
  ASSERT_TRUE(planned.ok());
  ASSERT_EQ(removals().RemoveDomain(Removing("example.com", 1)), absl::OkStatus());
  DomainRecord read = Domain("example.com");
  read.revision = 1;
  EXPECT_EQ(policies().PutDomain(read).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(policies().PutDecision(Decision("example.com", "a")).status().code(),
            StatusCode::kNotFound);
  EXPECT_EQ(
      policies().PutChange(Change("example.com", "c2", ChangeState::kPlanned)).status().code(),
      StatusCode::kNotFound);
  ChangeRecord begun = *planned;
  begun.state = ChangeState::kApplying;
  EXPECT_EQ(policies().PutChange(begun).status().code(), StatusCode::kNotFound)
      << "a plan does not begin";
  ChangeRecord expired = *planned;
  expired.state = ChangeState::kExpired;
  EXPECT_TRUE(policies().PutChange(expired).ok()) << "it may end";
}

TEST_P(RemovalStoreTest, OneThatIsThereAgainGoesOnAfterTheLastRevision) {
  ASSERT_TRUE(policies().PutDomain(Domain("example.com")).ok());
  DomainRecord second = Domain("example.com");
  second.revision = 1;
  ASSERT_TRUE(policies().PutDomain(second).ok());
  ASSERT_EQ(removals().RemoveDomain(Removing("example.com", 2)), absl::OkStatus());
  const auto again = policies().PutDomain(Domain("example.com"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->revision, 3u);
  EXPECT_EQ(policies().PutDomain(Domain("example.com")).status().code(),
            StatusCode::kAlreadyExists);
  EXPECT_TRUE(policies().PutDecision(Decision("example.com", "a")).ok());
  EXPECT_TRUE(policies().PutChange(Change("example.com", "c1", ChangeState::kApplying)).ok());
  ASSERT_EQ(removals().RemoveDomain(Removing("example.com", 3)), absl::OkStatus());
  EXPECT_EQ((*removals().FindRemoval(RemovedKind::kDomain, "example.com"))->revision, 3u);
}

TEST_P(RemovalStoreTest, AProviderGoesAndNoDomainIsBoundToItAnyMore) {
  ASSERT_TRUE(policies().PutProvider(Provider("main")).ok());
  ASSERT_EQ(removals().RemoveProvider(Removing("main", 1)), absl::OkStatus());
  EXPECT_EQ(policies().GetProvider("main").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(policies().PutDomain(Domain("example.com", "main")).status().code(),
            StatusCode::kNotFound);
  EXPECT_TRUE(policies().PutDomain(Domain("example.com", "other")).ok());
  EXPECT_EQ(removals().RemoveProvider(Removing("main", 1)).code(), StatusCode::kNotFound);
  const auto again = policies().PutProvider(Provider("main"));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->revision, 2u);
  EXPECT_TRUE(policies().PutDomain(Domain("second.example", "main")).ok());
}

INSTANTIATE_TEST_SUITE_P(All, RemovalStoreTest,
                         testing::Values(Param{"Fake",
                                               [](const std::string&) {
                                                 auto store = std::make_shared<FakePolicyStore>();
                                                 return Stores{store, store.get()};
                                               }},
                                         Param{"RocksDb",
                                               [](const std::string& directory) {
                                                 std::shared_ptr<RocksPolicyStore> store =
                                                     *RocksPolicyStore::Open(directory);
                                                 return Stores{store, store.get()};
                                               }}),
                         [](const auto& param) { return param.param.name; });

// ---- what RocksDB takes along ----

InsightUpdate Insight() {
  InsightUpdate update;
  InsightRecord record;
  record.id = "i";
  record.first_seen = record.last_seen = kNow;
  update.put.push_back(record);
  update.look = InsightLookRecord{kNow, {}, 0, 0, 0};
  return update;
}

HistoryUpdate History() {
  HistoryUpdate update;
  Observation seen;
  seen.first_seen = seen.last_seen = kNow;
  update.put.push_back(seen);
  return update;
}

RolloutRecord Rollout(const std::string& domain) {
  RolloutRecord record;
  record.domain = domain;
  record.id = "r1";
  record.create_time = record.update_time = kNow;
  return record;
}

RolloutRules Rules(const std::string& domain) {
  RolloutRules rules;
  rules.domain = domain;
  rules.two_people = true;
  return rules;
}

// Everything that is kept by domain, once.
absl::Status FillDomain(RocksPolicyStore& store, const std::string& domain) {
  absl::Status status = store.PutDomain(Domain(domain)).status();
  for (int i = 0; i < 5; ++i) {
    status.Update(store.PutDecision(Decision(domain, std::to_string(i))).status());
  }
  status.Update(store.UpdateInsights(domain, Insight(), InsightSync::kSynced));
  status.Update(store.UpdateHistory(domain, {domain, RecordKind::kSpf}, History()));
  status.Update(store.PutGroupings({domain, {{"a", "b", {}, "me", "", kNow}}, 0}).status());
  status.Update(store.PutRolloutRules(Rules(domain)).status());
  AlertUpdate told;
  told.told.push_back({.domain = domain, .insight = "i", .seen = kNow, .window = kNow});
  status.Update(store.UpdateAlerts(told));
  return status;
}

constexpr int kKinds = 8;

// What is there of it beside the journal: 0 nothing, kKinds all kinds.
int KindsLeft(RocksPolicyStore& store, const std::string& domain) {
  int left = store.GetDomain(domain).ok() ? 1 : 0;
  left += store.ListDecisions(domain)->empty() ? 0 : 1;
  left += store.ListInsights(domain)->empty() ? 0 : 1;
  left += store.GetInsightLook(domain)->has_value() ? 1 : 0;
  left += store.ListObserved(domain)->empty() ? 0 : 1;
  left += store.GetGroupings(domain)->rules.empty() ? 0 : 1;
  left += store.GetRolloutRules(domain)->revision == 0 ? 0 : 1;
  const auto told = store.ListTold();
  for (const ToldRecord& record : *told) left += record.domain == domain ? 1 : 0;
  return left;
}

TEST(RocksRemovals, AllThatIsKeptByDomainGoesAndTheJournalStays) {
  const TempDir directory;
  const auto store = *RocksPolicyStore::Open(directory.path("policy"));
  for (const char* domain : {"example.com", "example.co", "a.example.com"}) {
    ASSERT_EQ(FillDomain(*store, domain), absl::OkStatus());
    ASSERT_EQ(KindsLeft(*store, domain), kKinds);
  }
  ASSERT_TRUE(store->PutRolloutRules(Rules(std::string(kRulesOfAll))).ok());
  ASSERT_TRUE(store->PutRollout(Rollout("example.com"), {}).ok());
  FleetRecord fleet;
  fleet.id = "f1";
  ASSERT_TRUE(store->PutFleet(fleet, {{.domain = "example.com"}}).ok());
  ASSERT_EQ(store->RemoveDomain(Removing("example.com", 1)), absl::OkStatus());
  EXPECT_EQ(KindsLeft(*store, "example.com"), 0);
  EXPECT_EQ(KindsLeft(*store, "example.co"), kKinds);
  EXPECT_EQ(KindsLeft(*store, "a.example.com"), kKinds);
  EXPECT_TRUE(store->GetRolloutRules(kRulesOfAll)->two_people);
  EXPECT_TRUE(store->GetRollout("example.com", "r1").ok());
  EXPECT_THAT(*store->ListFleetMembers("f1", "", 10), SizeIs(1));
}

TEST(RocksRemovals, ALookThatWasUnderWayLeavesNothing) {
  const TempDir directory;
  const auto store = *RocksPolicyStore::Open(directory.path("policy"));
  ASSERT_EQ(FillDomain(*store, "example.com"), absl::OkStatus());
  ASSERT_EQ(store->RemoveDomain(Removing("example.com", 1)), absl::OkStatus());
  EXPECT_EQ(store->UpdateInsights("example.com", Insight(), InsightSync::kLater).code(),
            StatusCode::kNotFound);
  EXPECT_EQ(
      store->UpdateHistory("example.com", {"example.com", RecordKind::kSpf}, History()).code(),
      StatusCode::kNotFound);
  EXPECT_EQ(store->PutGroupings({"example.com", {}, 0}).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(store->PutRolloutRules(Rules("example.com")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(store->PutRollout(Rollout("example.com"), {}).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(KindsLeft(*store, "example.com"), 0);
}

// docs/store.md
TEST(RemovalKeys, AreAsDocumented) {
  const std::string zero(1, '\0');
  EXPECT_EQ(policy_keys::Removal("domain", "example.com"), "pdomain" + zero + "example.com" + zero);
  EXPECT_EQ(policy_keys::ParseRemoval(policy_keys::Removal("domain", "example.com")),
            "example.com");
}

// ---- kill -9 ----

// Runs in a process of its own until it is killed: adds domains and removes them, a line in the
// ledger for each removal that was acknowledged.
TEST(DISABLED_RemovalCrashChild, Removes) {
  const char* directory = std::getenv(kChildVariable);
  ASSERT_NE(directory, nullptr);
  const auto store = *RocksPolicyStore::Open(std::string(directory) + "/policy");
  const int ledger =
      open((std::string(directory) + "/ledger").c_str(), O_WRONLY | O_APPEND | O_CREAT, 0600);
  ASSERT_GE(ledger, 0);
  for (int i = 0;; ++i) {
    const std::string domain = fmt::format("d{}-{}.example", getpid(), i);
    if (!FillDomain(*store, domain).ok()) std::abort();
    if (!store->RemoveDomain(Removing(domain, 1)).ok()) std::abort();
    const std::string line = domain + "\n";
    if (write(ledger, line.data(), line.size()) < 0) std::abort();
  }
}

pid_t StartChild(const std::string& directory) {
  const pid_t child = fork();
  if (child != 0) return child;
  setenv(kChildVariable, directory.c_str(), 1);
  const int null = open("/dev/null", O_WRONLY);
  dup2(null, STDOUT_FILENO);
  execl("/proc/self/exe", "removal_store_test", "--gtest_filter=DISABLED_RemovalCrashChild.Removes",
        "--gtest_also_run_disabled_tests", nullptr);
  _exit(127);
}

size_t SizeOf(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<size_t>(size);
}

TEST(RocksRemovals, KilledAtAnyMomentADomainIsThereOrGoneAsAWhole) {
  const TempDir directory;
  const std::string ledger = directory.path("ledger");
  std::mt19937_64 random(std::random_device{}());
  for (int round = 0; round < 8; ++round) {
    const size_t until = SizeOf(ledger) + 20 + random() % 200;
    const pid_t child = StartChild(directory.path(""));
    ASSERT_GT(child, 0);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (SizeOf(ledger) < until && std::chrono::steady_clock::now() < deadline) usleep(200);
    usleep(static_cast<useconds_t>(random() % 3000));
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    ASSERT_GE(SizeOf(ledger), until) << "the child does not remove";

    const auto store = *RocksPolicyStore::Open(directory.path("policy"));
    std::ifstream lines(ledger);
    for (std::string domain; std::getline(lines, domain);) {
      EXPECT_EQ(KindsLeft(*store, domain), 0) << domain << ": it was said to be gone";
    }
    // Also of those that nobody was told of: who is remembered as removed left nothing.
    const auto removals = store->ListRemovals(RemovedKind::kDomain);
    ASSERT_TRUE(removals.ok()) << removals.status();
    for (const RemovalRecord& removal : *removals) {
      EXPECT_EQ(KindsLeft(*store, removal.id), 0) << removal.id;
    }
    // And nothing is kept of a domain that is neither there nor removed.
    const auto all_told = store->ListTold();
    ASSERT_TRUE(all_told.ok()) << all_told.status();
    for (const ToldRecord& told : *all_told) {
      EXPECT_TRUE(store->GetDomain(told.domain).ok()) << told.domain;
    }
  }
}

}  // namespace
}  // namespace dmarcate
