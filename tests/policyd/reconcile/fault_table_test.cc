// The failure table of safety.md section 5.3: one case for each of its rows, with the row's step
// and fault as its name. The invariants are watched in every one.

#include <cctype>
#include <functional>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/plan/guard.h"
#include "policyd/reconcile/reason.h"
#include "tests/policyd/reconcile/invariants.h"
#include "tests/policyd/reconcile/mortal.h"
#include "tests/policyd/reconcile/test_world.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using Call = FakeDnsProvider::Call;
using Moment = FakeDnsProvider::Moment;
using Texts = std::vector<std::string>;

constexpr int kAlways = 1'000'000;

// What a row works with.
struct Bench {
  explicit Bench(ProviderClass provider_class) : world(provider_class), invariants(world) {}

  ChangeRecord Plan(ChangeIntent intent = {}) {
    return engine->Plan("example.com", intent, "p").value();
  }
  static ApplyRequest For(const ChangeRecord& plan) {
    return {plan.domain, plan.id, plan.plan_digest, plan.revision, "a"};
  }
  absl::StatusOr<ChangeRecord> Apply(const ChangeRecord& plan) { return engine->Apply(For(plan)); }
  ChangeRecord Stored(const ChangeRecord& plan) {
    return world.store.GetChange(plan.domain, plan.id).value();
  }
  void Resume() {
    EXPECT_TRUE(engine->Resume().ok());
    engine->WaitIdle();
  }
  void Fault(Call call, Moment moment, const absl::Status& status, std::function<void()> hook = {},
             int skip = 0, int times = 1) {
    world.provider->Inject({call, moment, status, std::move(hook), skip, times});
  }
  void ExpectOld() {
    EXPECT_EQ(world.Texts(TestWorld::kSpf), (Texts{TestWorld::kOldSpf, "verification=1"}));
    EXPECT_EQ(world.Texts(TestWorld::kDmarc), Texts{TestWorld::kOldDmarc});
    EXPECT_EQ(world.Texts(TestWorld::kReport), Texts{});
  }
  void ExpectNew() {
    EXPECT_EQ(world.Texts(TestWorld::kSpf), (Texts{TestWorld::kNewSpf, "verification=1"}));
    EXPECT_EQ(world.Texts(TestWorld::kDmarc), Texts{TestWorld::kNewDmarc});
    EXPECT_EQ(world.Texts(TestWorld::kReport), Texts{TestWorld::kAuthorization});
  }
  void ExpectNothingWritten() {
    EXPECT_EQ(world.provider->writes(), 0);
    ExpectOld();
  }

  TestWorld world;
  Invariants invariants;
  std::unique_ptr<ChangeEngine> engine = world.MakeEngine();
};

std::string ReasonOf(const absl::Status& status) {
  const std::optional<ErrorReason> reason = ErrorReasonOf(status);
  return reason.has_value() ? reason->code : status.ToString();
}

std::string RefusalOf(const ChangeRecord& plan) {
  EXPECT_EQ(plan.state, ChangeState::kRefused);
  const GuardRecord* refusal = FindRefusal(plan.guards);
  return refusal == nullptr ? "" : refusal->code;
}

bool Warns(const ChangeRecord& plan, std::string_view code) {
  return std::ranges::any_of(plan.guards, [&](const GuardRecord& guard) {
    return guard.code == code && guard.verdict == GuardVerdict::kWarn;
  });
}

struct Row {
  const char* step;
  const char* fault;
  std::function<void(Bench&)> run;
  ProviderClass provider_class = ProviderClass::kA;
};

ChangeEngineOptions Shared() {
  ChangeEngineOptions options;
  options.max_running = 1;
  options.store_use = StoreUse::kShared;
  return options;
}

void HeldByOther(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  const ChangeRecord other = bench.Plan({.spf_from_decisions = true});
  absl::Status second;
  bench.Fault(Call::kApply, Moment::kBefore, absl::OkStatus(),
              [&] { second = bench.Apply(other).status(); });
  EXPECT_EQ(bench.Apply(plan)->state, ChangeState::kSucceeded);
  EXPECT_EQ(ReasonOf(second), "CHANGE_IN_PROGRESS");
  EXPECT_EQ(bench.Stored(other).fence, 0u);
}

void HolderDead(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  Life other(bench.world, Shared());
  absl::StatusOr<ChangeRecord> late = absl::UnknownError("not run");
  // The first holder is asleep within its first write, for longer than its lease.
  bench.Fault(Call::kApply, Moment::kBefore, absl::OkStatus(), [&] {
    EXPECT_TRUE(other.engine().Resume().ok());
    other.engine().WaitIdle();
    EXPECT_EQ(bench.Stored(plan).state, ChangeState::kApplying) << "taken from the living";
    bench.world.clock.Advance(absl::Minutes(4));
    EXPECT_TRUE(other.engine().Resume().ok());
    other.engine().WaitIdle();
  });
  late = bench.Apply(plan);
  EXPECT_EQ(ReasonOf(late.status()), "LEASE_LOST");
  const ChangeRecord change = bench.Stored(plan);
  EXPECT_EQ(change.state, ChangeState::kSucceeded);
  EXPECT_EQ(change.fence, 2u);
  EXPECT_EQ(bench.world.provider->writes(), 3) << "the old holder wrote";
  bench.ExpectNew();
}

std::function<void(Bench&)> ReadFails(const absl::Status& status) {
  return [status](Bench& bench) {
    const ChangeRecord plan = bench.Plan();
    bench.Fault(Call::kRead, Moment::kBefore, status, {}, 0, kAlways);
    EXPECT_EQ(ReasonOf(bench.Apply(plan).status()), "PROVIDER_UNAVAILABLE");
    bench.ExpectNothingWritten();
    bench.world.provider->ClearFaults();
    bench.Fault(Call::kRead, Moment::kBefore, status, {}, 0, 3);  // within the deadline
    EXPECT_EQ(bench.Apply(plan)->state, ChangeState::kSucceeded);
  };
}

void TruncatedPages(Bench& bench) {
  bench.Fault(Call::kRead, Moment::kDuring, absl::OkStatus(), {}, 0, kAlways);
  EXPECT_EQ(RefusalOf(bench.Plan()), "ZONE_INCONSISTENT");
  bench.world.provider->ClearFaults();
  const ChangeRecord plan = bench.Plan();
  bench.Fault(Call::kRead, Moment::kDuring, absl::OkStatus(), {}, 0, kAlways);
  EXPECT_EQ(ReasonOf(bench.Apply(plan).status()), "STALE_PLAN");
  bench.ExpectNothingWritten();
}

void TokenExpired(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.Fault(Call::kRead, Moment::kBefore, absl::PermissionDeniedError("needs dns:edit"));
  const absl::Status status = bench.Apply(plan).status();
  EXPECT_EQ(ReasonOf(status), "PROVIDER_CREDENTIAL");
  EXPECT_THAT(status.ToString(), HasSubstr("needs dns:edit"));
  bench.ExpectNothingWritten();
}

void OneServerUnreachable(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.world.fleet.Configure(1, {.silent = true});
  EXPECT_EQ(RefusalOf(bench.Plan()), "ZONE_INCONSISTENT");
  const absl::Status status = bench.Apply(plan).status();
  EXPECT_EQ(ReasonOf(status), "GUARD_REFUSED");
  EXPECT_THAT(status.ToString(), HasSubstr("ns2.test"));
  bench.ExpectNothingWritten();
}

void ServersDisagree(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.world.fleet.Configure(1, {.lie = Texts{"v=spf1 -all"}});
  const absl::Status status = bench.Apply(plan).status();
  EXPECT_EQ(ReasonOf(status), "GUARD_REFUSED");
  const std::map<std::string, std::string> views = ErrorReasonOf(status)->metadata;
  EXPECT_EQ(views.at("guard"), "ZONE_INCONSISTENT");
  EXPECT_TRUE(views.contains("provider"));
  EXPECT_TRUE(views.contains("ns2.test 192.0.2.2:53"));
  bench.ExpectNothingWritten();
}

void AliasAtTheName(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.world.fleet.SetAlias(TestWorld::kDmarc, Name("vendor.test"));
  EXPECT_EQ(RefusalOf(bench.Plan()), "CNAME_AT_NAME");
  EXPECT_EQ(ReasonOf(bench.Apply(plan).status()), "GUARD_REFUSED");
  bench.ExpectNothingWritten();
}

void NameServersChanged(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.world.fleet.MoveTo("elsewhere.test");
  const absl::Status status = bench.Apply(plan).status();
  EXPECT_EQ(ReasonOf(status), "GUARD_REFUSED");
  EXPECT_EQ(ErrorReasonOf(status)->metadata.at("guard"), "ZONE_MOVED");
  EXPECT_THAT(status.ToString(), HasSubstr("ns1.elsewhere.test"));
  bench.ExpectNothingWritten();
}

void BaseDiffers(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.world.provider->SetTexts(TestWorld::kSpf, {TestWorld::kOldSpf, "verification=2"});
  const absl::Status status = bench.Apply(plan).status();
  EXPECT_EQ(ReasonOf(status), "STALE_PLAN");
  EXPECT_THAT(ErrorReasonOf(status)->metadata.at("found"), HasSubstr("verification=2"));
  EXPECT_EQ(bench.world.provider->writes(), 0);
  EXPECT_EQ(bench.Stored(plan).state, ChangeState::kFailed);
}

void TwoRecordsAlready(Bench& bench) {
  bench.world.provider->SetTexts(TestWorld::kSpf, {TestWorld::kOldSpf, "v=spf1 -all"});
  EXPECT_EQ(RefusalOf(bench.Plan({.spf_from_decisions = true})), "SPF_MULTIPLE");
  bench.world.provider->SetTexts(TestWorld::kDmarc, {TestWorld::kOldDmarc, TestWorld::kNewDmarc});
  EXPECT_EQ(RefusalOf(bench.Plan({.dmarc_report_address = true})), "DMARC_MULTIPLE");
  EXPECT_EQ(bench.world.provider->writes(), 0);
}

void TooManyLookUps(Bench& bench) {
  std::string many = "v=spf1";
  for (int i = 0; i < 10; ++i) {
    many += " include:n" + std::to_string(i) + ".test";
    bench.world.resolver.SetTxt(Name("n" + std::to_string(i) + ".test"), {"v=spf1 -all"});
  }
  bench.world.resolver.SetTxt(Name("a.test"), {many + " -all"});
  EXPECT_EQ(RefusalOf(bench.Plan({.spf_from_decisions = true})), "SPF_LOOKUP_LIMIT");
  bench.world.resolver.SetTxt(Name("a.test"), {"v=spf1 a:x.test a:y.test a:z.test -all"});
  EXPECT_EQ(RefusalOf(bench.Plan({.spf_from_decisions = true})), "SPF_VOID_LIMIT");
  bench.ExpectNothingWritten();
}

void TooLarge(Bench& bench) {
  for (const auto& [octets, refused] : {std::pair{500, false}, {1200, true}}) {
    std::vector<TxtRecord> records = {MakeTxtRecord(TestWorld::kOldSpf),
                                      MakeTxtRecord(std::string(static_cast<size_t>(octets), 'x'))};
    bench.world.provider->Set(TestWorld::kSpf, records);
    const ChangeRecord plan = bench.Plan({.spf_from_decisions = true});
    if (refused) {
      EXPECT_EQ(RefusalOf(plan), "TXT_TOO_LARGE");
    } else {
      EXPECT_TRUE(Warns(plan, "TXT_TOO_LARGE"));
    }
  }
  // A text of over 255 octets is cut, never sent whole.
  std::string spf = "v=spf1";
  while (spf.size() < 255) spf += " ip4:203.0.113." + std::to_string(spf.size() % 200);
  bench.world.provider->SetTexts(TestWorld::kSpf, {spf + " -all"});
  const ChangeRecord plan = bench.Plan({.spf_from_decisions = true});
  ASSERT_EQ(bench.Apply(plan)->state, ChangeState::kSucceeded);
  for (const TxtRecord& record : bench.world.provider->Get(TestWorld::kSpf).records) {
    EXPECT_EQ(record.strings.size(), 2u);
    for (const std::string& one : record.strings) EXPECT_LE(one.size(), 255u);
  }
}

// The planner keeps these by how it works; the assertion stands behind it, on the images alone.
void UnmanagedTermLoss(Bench& bench) {
  ChangeRecord plan = bench.Plan({.spf_from_decisions = true});
  const std::pair<std::string, std::string> cases[] = {
      {"\"v=spf1  mx include:a.test ~all\"", "UNMANAGED_TERM_LOSS"},
      {"\"v=spf1  ip4:203.0.113.9 mx include:a.test ~all\"", "UNMANAGED_TERM_LOSS"},
      {"\"v=spf1  mx ip4:203.0.113.9 include:a.test -all\"", "UNMANAGED_TERM_LOSS"},
  };
  const SpfMeasures measures;
  for (const auto& [after, code] : cases) {
    ChangeRecord bad = plan;
    bad.record_changes[0].after[0] = after;
    const auto guards = JudgeChange(bad, measures).value();
    ASSERT_NE(FindRefusal(guards), nullptr) << after;
    EXPECT_EQ(FindRefusal(guards)->code, code);
  }
  plan.record_changes[0].after[1] = "\"verification=2\"";
  EXPECT_EQ(FindRefusal(JudgeChange(plan, measures).value())->code, "SIBLING_TXT_LOSS");
}

void DnsErrorWhileCounting(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.world.resolver.Fail(Name("a.test"), RrType::kTxt, absl::UnavailableError("servfail"));
  EXPECT_EQ(RefusalOf(bench.Plan()), "SPF_LOOKUP_LIMIT");
  EXPECT_EQ(ReasonOf(bench.Apply(plan).status()), "GUARD_REFUSED");
  bench.ExpectNothingWritten();
}

void DiskFull(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  for (const absl::Status& error :
       {absl::ResourceExhaustedError("disk full"), absl::InternalError("sync")}) {
    bench.world.store.FailPuts(error);
    EXPECT_FALSE(bench.Apply(plan).ok());
    bench.ExpectNothingWritten();
  }
  bench.world.store.FailPuts(absl::OkStatus());
}

void RefusedBeforeSend(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.Fault(Call::kApply, Moment::kBefore, absl::UnavailableError("connection refused"), {}, 0,
              3);
  EXPECT_EQ(bench.Apply(plan)->state, ChangeState::kSucceeded);
  EXPECT_EQ(bench.world.provider->writes(), 3);
}

void AnswerLost(Bench& bench) {
  for (const absl::Status& status :
       {absl::DeadlineExceededError("timeout"), absl::UnknownError("reset")}) {
    for (const Moment moment : {Moment::kBefore, Moment::kAfter}) {
      Bench fresh(ProviderClass::kC);
      const ChangeRecord plan = fresh.Plan();
      fresh.Fault(Call::kApply, moment, status);
      const ChangeRecord change = fresh.Apply(plan).value();
      EXPECT_EQ(change.state, ChangeState::kSucceeded);
      EXPECT_TRUE(std::ranges::any_of(
          change.steps, [](const StepRecord& step) { return step.step == "UNKNOWN"; }));
      EXPECT_EQ(fresh.world.provider->writes(), 3);
    }
  }
  bench.ExpectNothingWritten();
}

void SuccessButUnchanged(Bench& bench) {
  const ChangeRecord plan = bench.Plan({.spf_from_decisions = true});
  bench.Fault(Call::kApply, Moment::kDuring, absl::OkStatus());
  EXPECT_EQ(bench.Apply(plan)->state, ChangeState::kSucceeded) << "one retry";
  const ChangeRecord second = bench.Plan({.dmarc_report_address = true});
  bench.Fault(Call::kApply, Moment::kDuring, absl::OkStatus(), {}, 0, kAlways);
  const ChangeRecord change = bench.Apply(second).value();
  EXPECT_EQ(change.state, ChangeState::kNeedsAttention);
  EXPECT_EQ(change.error_reason, "WRITE_OUTCOME_UNKNOWN");
}

void AppliedTwice(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  // It arrived, and the host says that it was not even sent: so it is sent again.
  bench.Fault(Call::kApply, Moment::kAfter, absl::UnavailableError("503"), {}, 0, 2);
  EXPECT_EQ(bench.Apply(plan)->state, ChangeState::kSucceeded);
  EXPECT_EQ(bench.world.provider->writes(), 3);
  bench.ExpectNew();
}

void HalfOfSeveral(Bench& bench) {
  for (int written = 0; written < 3; ++written) {
    Bench fresh(ProviderClass::kC);
    const ChangeRecord plan = fresh.Plan();
    fresh.Fault(Call::kApply, Moment::kBefore, absl::InvalidArgumentError("422"), {}, written);
    const ChangeRecord change = fresh.Apply(plan).value();
    EXPECT_EQ(change.state, written == 0 ? ChangeState::kFailed : ChangeState::kRolledBack);
    fresh.ExpectOld();
  }
  bench.ExpectNothingWritten();
}

void Normalised(Bench& bench) {
  const ChangeRecord plan = bench.Plan({.spf_from_decisions = true});
  const auto normalise = [&] {  // other cuts, another order, a TTL of its own
    bench.world.provider->Set(
        TestWorld::kSpf,
        {MakeTxtRecord("verification=1"),
         TxtRecord{{TestWorld::kNewSpf.substr(0, 9), TestWorld::kNewSpf.substr(9)}}},
        600);
  };
  bench.Fault(Call::kApply, Moment::kAfter, absl::OkStatus(), normalise);
  const ChangeRecord change = bench.Apply(plan).value();
  EXPECT_EQ(change.state, ChangeState::kSucceeded);
  EXPECT_TRUE(std::ranges::any_of(change.steps, [](const StepRecord& step) {
    return step.step == "READ_BACK" && step.detail == "example.com: TTL 600 s, asked for 3600 s";
  }));
}

void ForeignWriteInTheWindow(Bench& bench) {
  const ChangeRecord plan = bench.Plan({.spf_from_decisions = true});
  bench.Fault(Call::kApply, Moment::kDuring, absl::OkStatus(), [&] {
    bench.world.provider->SetTexts(TestWorld::kSpf, {TestWorld::kOldSpf, "verification=1", "new"});
  });
  const ChangeRecord change = bench.Apply(plan).value();
  EXPECT_EQ(change.state, ChangeState::kNeedsAttention);
  EXPECT_EQ(change.error_reason, "VERIFY_CONFLICT");
  EXPECT_THAT(change.error_metadata.at("found"), HasSubstr("new"));
  EXPECT_THAT(bench.world.Texts(TestWorld::kSpf), testing::Contains("new"));
}

void EventualConsistency(Bench& bench) {
  const ChangeRecord plan = bench.Plan({.spf_from_decisions = true});
  const RrSet old = bench.world.provider->Get(TestWorld::kSpf);
  // What is read back is old for a while.
  int reads = 0;
  bench.Fault(Call::kApply, Moment::kAfter, absl::OkStatus(),
              [&] { bench.world.provider->Set(TestWorld::kSpf, old.records); });
  bench.Fault(
      Call::kRead, Moment::kBefore, absl::OkStatus(),
      [&] {
        if (++reads != 3) return;
        bench.world.provider->SetTexts(TestWorld::kSpf, {TestWorld::kNewSpf, "verification=1"});
      },
      1, kAlways);
  EXPECT_EQ(bench.Apply(plan)->state, ChangeState::kSucceeded);
  EXPECT_GE(reads, 3);
  EXPECT_EQ(bench.world.provider->writes(), 1);
}

void ServersStayOld(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.world.fleet.Configure(3, {.lag = absl::Hours(48)});
  EXPECT_EQ(bench.Apply(plan)->state, ChangeState::kVerifying);
  for (int i = 0; i < 200 && bench.Stored(plan).state == ChangeState::kVerifying; ++i) {
    bench.world.clock.Advance(absl::Seconds(30));
    bench.Resume();
  }
  EXPECT_EQ(bench.Stored(plan).error_reason, "VERIFY_TIMEOUT");
  bench.ExpectNew();
}

void ThirdValue(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.Fault(
      Call::kApply, Moment::kAfter, absl::OkStatus(),
      [&] { bench.world.fleet.Configure(1, {.lie = Texts{"v=spf1 +all"}}); }, 2);
  const ChangeRecord change = bench.Apply(plan).value();
  EXPECT_EQ(change.state, ChangeState::kNeedsAttention);
  EXPECT_EQ(change.error_reason, "VERIFY_CONFLICT");
}

void Bogus(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.Fault(
      Call::kApply, Moment::kAfter, absl::OkStatus(),
      [&] {
        bench.world.resolver.Fail(TestWorld::kSpf, RrType::kTxt, absl::DataLossError("bogus"));
      },
      2);
  const ChangeRecord change = bench.Apply(plan).value();
  EXPECT_EQ(change.state, ChangeState::kRolledBack);
  EXPECT_EQ(change.error_reason, "DNSSEC_BOGUS");
  EXPECT_EQ(bench.world.provider->writes(), 6) << "goes back once";
  bench.ExpectOld();
}

void LiveEvaluationFails(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.Fault(
      Call::kApply, Moment::kAfter, absl::OkStatus(),
      [&] { bench.world.resolver.Remove(Name("a.test")); }, 2);
  EXPECT_EQ(bench.Apply(plan)->state, ChangeState::kRolledBack);
  bench.ExpectOld();
}

void NotOurAfterImage(Bench& bench) {
  const ChangeRecord plan = bench.Plan({.spf_from_decisions = true});
  bench.Fault(Call::kApply, Moment::kAfter, absl::OkStatus(),
              [&] { bench.world.resolver.Remove(Name("a.test")); });
  // After the read-back, before the rollback reads.
  bench.Fault(
      Call::kRead, Moment::kBefore, absl::OkStatus(),
      [&] { bench.world.provider->SetTexts(TestWorld::kSpf, {"v=spf1 -all"}); }, 2);
  const ChangeRecord change = bench.Apply(plan).value();
  EXPECT_EQ(change.state, ChangeState::kNeedsAttention);
  EXPECT_EQ(change.error_reason, "ROLLBACK_BLOCKED");
  EXPECT_EQ(bench.world.Texts(TestWorld::kSpf), Texts{"v=spf1 -all"});
  EXPECT_EQ(bench.world.provider->writes(), 1);
}

void RollbackProviderDown(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.Fault(
      Call::kApply, Moment::kAfter, absl::OkStatus(),
      [&] { bench.world.resolver.Remove(Name("a.test")); }, 2);
  bench.Fault(Call::kApply, Moment::kBefore, absl::UnavailableError("down"), {}, 2, kAlways);
  EXPECT_FALSE(bench.Apply(plan).ok());
  for (int i = 0; i < 20; ++i) {
    bench.world.clock.Advance(absl::Hours(1));
    bench.Resume();
    EXPECT_EQ(bench.Stored(plan).state, ChangeState::kRollingBack);
  }
  bench.world.provider->ClearFaults();
  bench.Resume();
  EXPECT_EQ(bench.Stored(plan).state, ChangeState::kRolledBack);
  bench.ExpectOld();
}

// Interrupted while it wrote, and the host refuses now: the write of before may still arrive.
ChangeRecord InterruptedWhileWriting(Bench& bench) {
  ChangeRecord change = bench.Plan({.spf_from_decisions = true});
  change.state = ChangeState::kApplying;
  change.apply_time = bench.world.clock.Now();
  change.steps = {{"JOURNALED", "", change.apply_time},
                  {"WRITING", "example.com", change.apply_time}};
  return bench.world.store.PutChange(change).value();
}

void RefusedAfterARestart(Bench& bench) {
  const ChangeRecord change = InterruptedWhileWriting(bench);
  bench.Fault(Call::kApply, Moment::kBefore, absl::PermissionDeniedError("403"), {}, 0, kAlways);
  bench.Resume();
  const ChangeRecord after = bench.Stored(change);
  EXPECT_EQ(after.state, ChangeState::kNeedsAttention) << "that nothing was written is not known";
  EXPECT_EQ(after.error_reason, "WRITE_OUTCOME_UNKNOWN");
  EXPECT_THAT(after.error_message, HasSubstr("still holds what was there"));
  EXPECT_THAT(after.error_message, HasSubstr("403"));
  bench.ExpectNothingWritten();
}

void DownAfterARestart(Bench& bench) {
  const ChangeRecord change = InterruptedWhileWriting(bench);
  bench.Fault(Call::kApply, Moment::kBefore, absl::UnavailableError("503"), {}, 0, kAlways);
  bench.Resume();
  EXPECT_EQ(bench.Stored(change).state, ChangeState::kApplying) << "it is asked again";
  bench.world.provider->ClearFaults();
  bench.Resume();
  EXPECT_EQ(bench.Stored(change).state, ChangeState::kSucceeded);
  EXPECT_EQ(bench.world.provider->writes(), 1);
}

void KilledAtEachPoint(Bench& bench) {
  for (int point = 1;; ++point) {
    Bench fresh(ProviderClass::kA);
    const ChangeRecord plan = fresh.Plan();
    ChangeEngineOptions options;
    options.max_running = 1;
    Life life(fresh.world, options);
    life.killer.Arm(point);
    (void)life.engine().Apply(Bench::For(plan));
    const bool died = life.killer.dead();
    fresh.Resume();
    const ChangeState state = fresh.Stored(plan).state;
    EXPECT_TRUE(state == ChangeState::kSucceeded || state == ChangeState::kPlanned);
    if (state == ChangeState::kSucceeded) {
      fresh.ExpectNew();
    } else {
      fresh.ExpectOld();
    }
    fresh.invariants.CheckEnd();
    if (!died) break;
  }
  bench.ExpectNothingWritten();
}

void ClockJumps(Bench& bench) {
  for (const int days : {-366, 366}) {
    for (int write = 0; write < 3; ++write) {
      for (const absl::Duration lag : {absl::ZeroDuration(), absl::Minutes(10)}) {
        Bench fresh(ProviderClass::kA);
        const ChangeRecord plan = fresh.Plan();
        for (size_t i = 0; i < 2; ++i) fresh.world.fleet.Configure(i, {.lag = lag});
        fresh.Fault(
            Call::kApply, Moment::kAfter, absl::OkStatus(),
            [&] { fresh.world.clock.JumpWallTo(fresh.world.clock.Now() + absl::Hours(24 * days)); },
            write);
        const absl::Duration start = fresh.world.clock.Monotonic();
        ChangeRecord change = fresh.Apply(plan).value();
        while (change.state == ChangeState::kVerifying) {
          fresh.world.clock.Advance(absl::Seconds(30));
          fresh.Resume();
          change = fresh.Stored(plan);
        }
        EXPECT_EQ(change.state, ChangeState::kSucceeded)
            << days << " days: " << change.error_message;
        EXPECT_LE(fresh.world.clock.Monotonic() - start, lag + absl::Minutes(2));
      }
    }
  }
  bench.ExpectNothingWritten();
}

void CancelledByUser(Bench& bench) {
  // Before the first write: nothing. The engine that runs it finds its lease gone.
  const ChangeRecord plan = bench.Plan();
  bench.Fault(Call::kRead, Moment::kBefore, absl::OkStatus(), [&] {
    const ChangeRecord now = bench.Stored(plan);
    EXPECT_EQ(bench.engine->Cancel({now.domain, now.id, now.revision, "c"})->state,
              ChangeState::kCancelled);
  });
  EXPECT_EQ(ReasonOf(bench.Apply(plan).status()), "LEASE_LOST");
  EXPECT_EQ(bench.Stored(plan).state, ChangeState::kCancelled);
  bench.ExpectNothingWritten();
  // After: it finishes.
  const ChangeRecord second = bench.Plan();
  absl::Status late;
  bench.Fault(Call::kApply, Moment::kBefore, absl::OkStatus(), [&] {
    const ChangeRecord now = bench.Stored(second);
    late = bench.engine->Cancel({now.domain, now.id, now.revision, "c"}).status();
  });
  EXPECT_EQ(bench.Apply(second)->state, ChangeState::kSucceeded);
  EXPECT_EQ(ReasonOf(late), "CHANGE_STATE");
}

void PlanExpired(Bench& bench) {
  const ChangeRecord plan = bench.Plan();
  bench.world.clock.Advance(absl::Minutes(31));
  EXPECT_EQ(ReasonOf(bench.Apply(plan).status()), "PLAN_EXPIRED");
  EXPECT_EQ(bench.Stored(plan).state, ChangeState::kExpired);
  bench.ExpectNothingWritten();
}

// Not a row of the table, but of 5.1: what a host of class D cannot promise is refused.
void ClassD(Bench& bench) {
  EXPECT_EQ(RefusalOf(bench.Plan()), "WRITE_GAP");
  bench.ExpectNothingWritten();
}

const Row kRows[] = {
    {"lease", "held by other", HeldByOther},
    {"lease", "holder dead", HolderDead},
    {"read API", "timeout", ReadFails(absl::DeadlineExceededError("timeout"))},
    {"read API", "5xx or 429", ReadFails(absl::UnavailableError("429"))},
    {"read API", "truncated pages, page loop", TruncatedPages},
    {"read API", "token expired or lost rights", TokenExpired},
    {"read auth", "one server unreachable", OneServerUnreachable},
    {"read auth", "servers disagree", ServersDisagree},
    {"read auth", "CNAME at the name", AliasAtTheName},
    {"read auth", "name servers changed", NameServersChanged},
    {"compare", "base differs", BaseDiffers},
    {"lint", "two records already there", TwoRecordsAlready},
    {"lint", "too many look-ups or void ones", TooManyLookUps},
    {"lint", "too large", TooLarge},
    {"lint", "unmanaged term or other TXT touched", UnmanagedTermLoss},
    {"lint", "DNS error while counting", DnsErrorWhileCounting},
    {"journal", "disk full, sync error", DiskFull},
    {"write", "refused before send", RefusedBeforeSend},
    {"write", "answer lost", AnswerLost},
    {"write", "200 but unchanged", SuccessButUnchanged},
    {"write", "applied twice", AppliedTwice},
    {"write", "half of several RRsets", HalfOfSeveral},
    {"write", "content normalised", Normalised},
    {"write", "foreign change in the window", ForeignWriteInTheWindow, ProviderClass::kB},
    {"read back", "eventual consistency", EventualConsistency},
    {"verify", "servers old after the deadline", ServersStayOld},
    {"verify", "a third value", ThirdValue},
    {"verify", "DNSSEC bogus", Bogus},
    {"verify", "live evaluation fails", LiveEvaluationFails},
    {"rollback", "current is not our after image", NotOurAfterImage},
    {"rollback", "provider down", RollbackProviderDown},
    {"write", "refused after a restart", RefusedAfterARestart},
    {"write", "provider down after a restart", DownAfterARestart},
    {"any", "kill", KilledAtEachPoint},
    {"any", "clock jumps", ClockJumps},
    {"any", "cancel by user", CancelledByUser},
    {"any", "plan expired", PlanExpired},
    {"class", "D", ClassD, ProviderClass::kD},
};

std::string CaseName(const Row& row) {
  std::string name;
  for (const char c : std::string(row.step) + "_" + row.fault) {
    name += (std::isalnum(static_cast<unsigned char>(c)) != 0) ? c : '_';
  }
  return name;
}

class FaultTableTest : public testing::TestWithParam<Row> {};

TEST_P(FaultTableTest, EndsAsTheTableSays) {
  Bench bench(GetParam().provider_class);
  GetParam().run(bench);
  bench.invariants.CheckEnd();
}

INSTANTIATE_TEST_SUITE_P(Rows, FaultTableTest, testing::ValuesIn(kRows),
                         [](const auto& row) { return CaseName(row.param); });

}  // namespace
}  // namespace dmarcate
