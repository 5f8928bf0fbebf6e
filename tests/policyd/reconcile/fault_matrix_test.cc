// Every call of a transaction, every way it can fail, at every moment (safety.md section 5.5):
// steps x faults x {before, during, after effect} x provider classes. Each case must end in a
// listed state, and what the zone then holds must be what that state says; the invariants hold at
// each write.

#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/reconcile/change_engine.h"
#include "tests/policyd/reconcile/invariants.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {
namespace {

using Call = FakeDnsProvider::Call;
using Moment = FakeDnsProvider::Moment;
using Texts = std::vector<std::string>;

const Texts kOld[] = {{TestWorld::kOldSpf, "verification=1"}, {TestWorld::kOldDmarc}, {}};
const Texts kNew[] = {
    {TestWorld::kNewSpf, "verification=1"}, {TestWorld::kNewDmarc}, {TestWorld::kAuthorization}};
// Class D is refused (WRITE_GAP).
constexpr ProviderClass kClasses[] = {ProviderClass::kA, ProviderClass::kB, ProviderClass::kC};

const Texts kForeign = {"v=spf1 -all", "foreign"};

const DomainName& OwnerOf(size_t i) {
  return i == 0 ? TestWorld::kSpf : i == 1 ? TestWorld::kDmarc : TestWorld::kReport;
}

bool Holds(const TestWorld& world, const Texts (&images)[3]) {
  for (size_t i = 0; i < 3; ++i) {
    if (world.Texts(OwnerOf(i)) != images[i]) return false;
  }
  return true;
}

// What is true in every state: one record of each kind at most, each RRset a whole image.
void ExpectNoWrongRecord(const TestWorld& world, bool foreign_allowed) {
  for (size_t i = 0; i < 3; ++i) {
    const Texts texts = world.Texts(OwnerOf(i));
    const bool foreign = foreign_allowed && i == 0 && texts == kForeign;
    EXPECT_TRUE(texts == kOld[i] || texts == kNew[i] || foreign) << OwnerOf(i).text();
    EXPECT_NE(SelectSpf(texts).outcome, SpfSelection::Outcome::kMultiple);
    EXPECT_NE(SelectDmarc(texts).outcome, DmarcSelection::Outcome::kMultiple);
  }
}

// Plans, applies under the fault, lifts it, resumes; then judges. `foreign`: the fault itself
// writes a foreign SPF record, which must survive unless the class of the host has a window.
void RunCase(ProviderClass provider_class, const std::function<void(TestWorld&)>& inject,
             bool foreign) {
  TestWorld world(provider_class);
  Invariants invariants(world);
  std::unique_ptr<ChangeEngine> engine = world.MakeEngine();
  const ChangeRecord plan = engine->Plan("example.com", {}, "p").value();
  ASSERT_EQ(plan.state, ChangeState::kPlanned);
  inject(world);
  const absl::StatusOr<ChangeRecord> applied =
      engine->Apply({plan.domain, plan.id, plan.plan_digest, plan.revision, "a"});
  world.provider->ClearFaults();
  world.resolver.FailAll(absl::OkStatus());
  for (size_t i = 0; i < FakeFleet::kServers; ++i) world.fleet.Configure(i, {});
  ASSERT_TRUE(engine->Resume().ok());
  engine->WaitIdle();

  const ChangeRecord change = world.store.GetChange("example.com", plan.id).value();
  SCOPED_TRACE(testing::Message() << "state " << static_cast<int>(change.state) << " "
                                  << change.error_reason << ": " << change.error_message);
  ExpectNoWrongRecord(world, foreign);
  invariants.CheckEnd();
  switch (change.state) {
    case ChangeState::kSucceeded:
      EXPECT_TRUE(Holds(world, kNew));
      EXPECT_EQ(world.managed_terms(), plan.managed_after);
      break;
    case ChangeState::kPlanned:
      EXPECT_FALSE(applied.ok());
      [[fallthrough]];
    case ChangeState::kFailed:
    case ChangeState::kRolledBack:
      EXPECT_TRUE(foreign || Holds(world, kOld));
      EXPECT_NE(world.Texts(TestWorld::kSpf), kNew[0]);
      EXPECT_TRUE(world.managed_terms().empty());
      break;
    case ChangeState::kNeedsAttention:
      EXPECT_FALSE(change.error_reason.empty());
      break;
    default:
      ADD_FAILURE() << "no end state";
  }
  // A foreign write is lost in silence only in the window that a class without precondition has.
  if (foreign && change.state != ChangeState::kSucceeded) {
    EXPECT_EQ(world.Texts(TestWorld::kSpf), kForeign);
  }
}

TEST(FaultMatrixTest, EveryFaultOfTheProviderEndsInAListedState) {
  const absl::Status statuses[] = {
      absl::OkStatus(),
      absl::UnavailableError("503"),
      absl::UnknownError("reset"),
      absl::DeadlineExceededError("timeout"),
      absl::PermissionDeniedError("401"),
      absl::NotFoundError("404"),
      absl::FailedPreconditionError("secondary"),
      absl::InvalidArgumentError("422"),
      absl::DataLossError("not json"),
      absl::AbortedError("changed"),
  };
  int cases = 0;
  for (const ProviderClass provider_class : kClasses) {
    for (const Call call : {Call::kFindZone, Call::kRead, Call::kApply}) {
      for (const absl::Status& status : statuses) {
        for (const Moment moment : {Moment::kBefore, Moment::kDuring, Moment::kAfter}) {
          for (int skip = 0; skip < 8; ++skip) {
            for (const int times : {1, 2, 1'000'000}) {
              SCOPED_TRACE(testing::Message()
                           << "class " << ToString(provider_class) << " call "
                           << static_cast<int>(call) << " status " << status << " moment "
                           << static_cast<int>(moment) << " skip " << skip << " times " << times);
              RunCase(
                  provider_class,
                  [&](TestWorld& world) {
                    world.provider->Inject({call, moment, status, {}, skip, times});
                  },
                  false);
              ++cases;
              if (HasFailure()) return;
            }
          }
        }
      }
    }
  }
  std::printf(
      "fault matrix, provider: %d cases (3 classes x 3 calls x 10 answers x 3 moments x 8 places x "
      "3 times), 0 wrong records\n",
      cases);
}

TEST(FaultMatrixTest, ForeignWritesAtEveryMoment) {
  int cases = 0;
  for (const ProviderClass provider_class : kClasses) {
    for (const Call call : {Call::kRead, Call::kApply}) {
      for (const absl::Status& status :
           {absl::OkStatus(), absl::UnknownError("reset"), absl::UnavailableError("503")}) {
        for (const Moment moment : {Moment::kBefore, Moment::kDuring, Moment::kAfter}) {
          for (int skip = 0; skip < 8; ++skip) {
            const bool window = provider_class == ProviderClass::kC && call == Call::kApply &&
                                moment == Moment::kDuring && status.ok() && skip == 2;
            if (window) continue;  // the plan says class C
            SCOPED_TRACE(testing::Message()
                         << "class " << ToString(provider_class) << " call "
                         << static_cast<int>(call) << " status " << status << " moment "
                         << static_cast<int>(moment) << " skip " << skip);
            RunCase(
                provider_class,
                [&](TestWorld& world) {
                  const auto write = [&world] {
                    world.provider->SetTexts(TestWorld::kSpf, kForeign);
                  };
                  world.provider->Inject({call, moment, status, write, skip, 1});
                },
                true);
            ++cases;
            if (HasFailure()) return;
          }
        }
      }
    }
  }
  std::printf("fault matrix, foreign writes: %d cases, 0 wrong records\n", cases);
}

TEST(FaultMatrixTest, EveryFaultOfTheServers) {
  int cases = 0;
  const FakeFleet::Server servers[] = {
      {.lag = absl::Seconds(5)}, {.lag = absl::Seconds(59)}, {.lag = absl::Hours(1)},
      {.silent = true},          {.lie = Texts{}},           {.lie = Texts{"v=spf1 +all"}},
      {.lie = kOld[0]},          {.lie = kNew[0]},
  };
  for (const FakeFleet::Server& server : servers) {
    for (size_t how_many = 1; how_many <= FakeFleet::kServers; ++how_many) {
      for (int skip = -1; skip < 3; ++skip) {  // from the start, or from the nth write on
        for (const Moment moment : {Moment::kBefore, Moment::kAfter}) {
          SCOPED_TRACE(testing::Message() << "lag " << server.lag << " silent " << server.silent
                                          << " servers " << how_many << " skip " << skip);
          RunCase(
              ProviderClass::kA,
              [&](TestWorld& world) {
                const auto configure = [&world, server, how_many] {
                  for (size_t i = 0; i < how_many; ++i) world.fleet.Configure(i, server);
                };
                if (skip < 0) {
                  configure();
                } else {
                  world.provider->Inject(
                      {Call::kApply, moment, absl::OkStatus(), configure, skip, 1});
                }
              },
              false);
          ++cases;
          if (HasFailure()) return;
        }
      }
    }
  }
  std::printf("fault matrix, servers: %d cases, 0 wrong records\n", cases);
}

TEST(FaultMatrixTest, EveryFaultOfTheResolver) {
  int cases = 0;
  for (const absl::Status& error :
       {absl::UnavailableError("servfail"), absl::DeadlineExceededError("timeout"),
        absl::DataLossError("bogus")}) {
    for (int skip = -1; skip < 3; ++skip) {
      SCOPED_TRACE(testing::Message() << error << " skip " << skip);
      RunCase(
          ProviderClass::kA,
          [&](TestWorld& world) {
            const auto fail = [&world, error] { world.resolver.FailAll(error); };
            if (skip < 0) {
              fail();
            } else {
              world.provider->Inject(
                  {Call::kApply, Moment::kAfter, absl::OkStatus(), fail, skip, 1});
            }
          },
          false);
      ++cases;
    }
  }
  std::printf("fault matrix, resolver: %d cases, 0 wrong records\n", cases);
}

}  // namespace
}  // namespace dmarcate
