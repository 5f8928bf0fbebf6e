// The record that announces an MTA-STS policy goes through the transaction: the file first, then
// its id; whatever the DNS host does, and wherever policyd is killed.

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/mta_sts_plan.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/reason.h"
#include "policyd/reconcile/sts_file_source.h"
#include "tests/policyd/reconcile/mortal.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using Call = FakeDnsProvider::Call;
using Moment = FakeDnsProvider::Moment;
using Strings = std::vector<std::string>;

const DomainName kDomain = Name("example.com");
const DomainName kOwner = Name("_mta-sts.example.com");
constexpr char kSibling[] = "verification=2";

std::string File(MtaStsMode mode) {
  return RenderStsFile({mode, absl::Hours(24), {"mx1.example.com"}});
}
const std::string kTesting = File(MtaStsMode::kTesting);
const std::string kEnforce = File(MtaStsMode::kEnforce);
const std::string kNone = File(MtaStsMode::kNone);
std::string Record(const std::string& file, uint32_t serial) {
  return StsRecordText(StsId(file, serial));
}

class AnnouncedWorld : public TestWorld {
 public:
  explicit AnnouncedWorld(ProviderClass provider_class = ProviderClass::kA)
      : TestWorld(provider_class) {
    provider->SetTexts(kOwner, {kSibling});
    resolver.SetMx(kDomain, {{10, Name("mx1.example.com")}});
    sts_files = &files;
  }

  void Serve(const std::string& body, bool plain_text = true) {
    files.Serve(kDomain, ServedStsFile{body, plain_text});
  }
  std::vector<std::string> Live() const { return Texts(kOwner); }

  FakeStsFileSource files;
};

ChangeIntent Announce(const std::string& file, const std::string& rollout = "") {
  ChangeIntent intent;
  intent.mta_sts = StsAnnouncement{file, "", rollout};
  return intent;
}
ChangeRecord PlanIn(ChangeEngine& engine, const std::string& file,
                    const std::string& rollout = "") {
  return engine.Plan("example.com", Announce(file, rollout), "p").value();
}
ApplyRequest For(const ChangeRecord& plan) {
  return {plan.domain, plan.id, plan.plan_digest, plan.revision, "a"};
}
std::string CodeOf(const absl::Status& status) {
  const auto reason = ErrorReasonOf(status);
  return reason.has_value() ? reason->code : std::string(status.message());
}
std::string Refusal(const ChangeRecord& change) {
  const GuardRecord* guard = FindRefusal(change.guards);
  return guard == nullptr ? "" : fmt::format("{}: {}", guard->code, guard->message);
}

class MtaStsChangeTest : public testing::Test {
 protected:
  ChangeRecord Publish(const std::string& file, const std::string& rollout = "") {
    const ChangeRecord plan = PlanIn(*engine_, file, rollout);
    EXPECT_EQ(plan.state, ChangeState::kPlanned) << Refusal(plan);
    const absl::StatusOr<ChangeRecord> done = engine_->Apply(For(plan));
    EXPECT_TRUE(done.ok()) << done.status();
    EXPECT_EQ(done.value_or(plan).state, ChangeState::kSucceeded);
    return done.value_or(plan);
  }

  AnnouncedWorld world_;
  std::unique_ptr<ChangeEngine> engine_ = world_.MakeEngine();
};

TEST_F(MtaStsChangeTest, TheFileGoesBeforeItsId) {
  EXPECT_THAT(Refusal(PlanIn(*engine_, kTesting)),
              StartsWith("MTA_STS_FILE: https://mta-sts.example.com/.well-known/mta-sts.txt: "));
  world_.Serve(kTesting + "\r\n");
  EXPECT_THAT(Refusal(PlanIn(*engine_, kTesting)),
              HasSubstr("serve the file there, byte for byte"));
  world_.Serve(kTesting, false);
  EXPECT_THAT(Refusal(PlanIn(*engine_, kTesting)), HasSubstr("not served as text/plain"));
  EXPECT_EQ(world_.provider->writes(), 0);

  world_.Serve(kTesting);
  const Strings spf = world_.Texts(world_.kSpf);
  const ChangeRecord done = Publish(kTesting);
  EXPECT_THAT(world_.Live(), ElementsAre(kSibling, Record(kTesting, 1)));
  EXPECT_EQ(world_.Texts(world_.kSpf), spf) << "nothing else goes with it";
  ASSERT_EQ(done.record_changes.size(), 1U);
  EXPECT_TRUE(StsRecordBefore(done)->none());
  EXPECT_EQ(done.managed_after, done.managed_before);

  const ChangeRecord again = PlanIn(*engine_, kTesting);
  EXPECT_EQ(again.state, ChangeState::kSucceeded) << "it is there already";
  EXPECT_EQ(StsRecordBefore(again).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(world_.provider->writes(), 1);
}

TEST_F(MtaStsChangeTest, TheFileIsLookedAtOnceMoreBeforeTheRecordIsWritten) {
  world_.Serve(kTesting);
  const ChangeRecord plan = PlanIn(*engine_, kTesting);
  for (const absl::StatusOr<ServedStsFile>& now : std::vector<absl::StatusOr<ServedStsFile>>{
           ServedStsFile{kNone, true}, ServedStsFile{kTesting, false},
           absl::NotFoundError("the web server answers 404"), absl::UnavailableError("timeout")}) {
    world_.files.Serve(kDomain, now);
    EXPECT_EQ(CodeOf(engine_->Apply(For(plan)).status()), "GUARD_REFUSED");
  }
  EXPECT_THAT(world_.Live(), ElementsAre(kSibling));
  world_.Serve(kTesting);
  EXPECT_TRUE(engine_->Apply(For(plan)).ok()) << "the plan is as good as it was";
  EXPECT_THAT(world_.Live(), ElementsAre(kSibling, Record(kTesting, 1)));
}

TEST_F(MtaStsChangeTest, EachFileHasTheNextId) {
  world_.Serve(kTesting);
  Publish(kTesting);
  world_.Serve(kEnforce);
  const ChangeRecord second = Publish(kEnforce, "r1");
  EXPECT_THAT(world_.Live(), ElementsAre(kSibling, Record(kEnforce, 2)));
  EXPECT_EQ(StsRecordBefore(second)->id, StsId(kTesting, 1));
  // The file of before has another id than it had.
  world_.Serve(kTesting);
  Publish(kTesting);
  EXPECT_THAT(world_.Live(), ElementsAre(kSibling, Record(kTesting, 3)));
}

TEST_F(MtaStsChangeTest, EnforceIsForARolloutAndNamesEveryServer) {
  world_.Serve(kEnforce);
  EXPECT_THAT(Refusal(PlanIn(*engine_, kEnforce)),
              AllOf(StartsWith("MTA_STS_MODE: "), HasSubstr("dmarcate mta-sts start example.com")));
  EXPECT_EQ(Refusal(PlanIn(*engine_, kEnforce, "r1")), "");
  const ChangeRecord plan = PlanIn(*engine_, kEnforce, "r1");
  world_.resolver.SetMx(kDomain, {{10, Name("mx1.example.com")}, {20, Name("mx9.example.com")}});
  EXPECT_THAT(Refusal(PlanIn(*engine_, kEnforce, "r1")),
              StartsWith("MTA_STS_MX: the file does not name mx9.example.com"));
  EXPECT_EQ(CodeOf(engine_->Apply(For(plan)).status()), "GUARD_REFUSED") << "since it was planned";
  world_.resolver.Fail(kDomain, RrType::kMx, absl::UnavailableError("timeout"));
  EXPECT_THAT(Refusal(PlanIn(*engine_, kEnforce, "r1")), StartsWith("MTA_STS_MX: "));
  EXPECT_EQ(world_.provider->writes(), 0);
}

TEST_F(MtaStsChangeTest, GoesOnlyAfterModeNone) {
  world_.Serve(kTesting);
  Publish(kTesting);
  EXPECT_THAT(Refusal(PlanIn(*engine_, "")), StartsWith("MTA_STS_FILE: the policy at"));
  world_.files.Serve(kDomain, absl::UnavailableError("timeout"));
  EXPECT_THAT(Refusal(PlanIn(*engine_, "")), HasSubstr("is not known"));
  world_.Serve(kNone);
  Publish(kNone);
  const ChangeRecord gone = Publish("");
  EXPECT_THAT(world_.Live(), ElementsAre(kSibling));
  EXPECT_EQ(PlanIn(*engine_, "").state, ChangeState::kSucceeded) << "nothing is left to do";

  const absl::StatusOr<ChangeRecord> back =
      engine_->Rollback({gone.domain, gone.id, gone.revision, "a"});
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->state, ChangeState::kSucceeded) << back->error_message;
  EXPECT_THAT(world_.Live(), ElementsAre(kSibling, Record(kNone, 2)));
}

TEST_F(MtaStsChangeTest, TwoRecordsAreNobodysToChooseFrom) {
  const Strings two = {"v=STSv1; id=1", "v=STSv1; id=2"};
  world_.provider->SetTexts(kOwner, two);
  world_.Serve(kTesting);
  EXPECT_THAT(Refusal(PlanIn(*engine_, kTesting)),
              StartsWith("MTA_STS_RECORD: there are 2 MTA-STS records"));
  world_.Serve(kNone);
  EXPECT_THAT(Refusal(PlanIn(*engine_, "")), StartsWith("MTA_STS_RECORD: "));
  EXPECT_EQ(world_.Live(), two);
}

TEST_F(MtaStsChangeTest, SomebodyElsesRecordSincePlanningStopsIt) {
  world_.Serve(kTesting);
  const ChangeRecord plan = PlanIn(*engine_, kTesting);
  world_.provider->SetTexts(kOwner, {kSibling, "v=STSv1; id=theirs"});
  EXPECT_EQ(CodeOf(engine_->Apply(For(plan)).status()), "STALE_PLAN");
  EXPECT_THAT(world_.Live(), ElementsAre(kSibling, "v=STSv1; id=theirs"));
  // A plan of now says what it replaces.
  EXPECT_EQ(StsRecordBefore(PlanIn(*engine_, kTesting))->id, "theirs");
}

TEST_F(MtaStsChangeTest, WithoutAnyoneToFetchItNothingIsAnnounced) {
  world_.sts_files = nullptr;
  engine_.reset();
  engine_ = world_.MakeEngine();
  EXPECT_THAT(Refusal(PlanIn(*engine_, kTesting)), StartsWith("MTA_STS_FILE: "));
}

TEST_F(MtaStsChangeTest, ARollbackBringsBackTheRecordAndSaysThatItIsNotTheFile) {
  world_.Serve(kTesting);
  const ChangeRecord first = Publish(kTesting);
  world_.Serve(kNone);
  const ChangeRecord second = Publish(kNone);
  const absl::StatusOr<ChangeRecord> back =
      engine_->Rollback({second.domain, second.id, second.revision, "a"});
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->state, ChangeState::kSucceeded) << back->error_message;
  EXPECT_THAT(world_.Live(), ElementsAre(kSibling, Record(kTesting, 1)));
  const auto told = std::ranges::find(back->guards, guard_code::kMtaStsRecord, &GuardRecord::code);
  ASSERT_NE(told, back->guards.end());
  EXPECT_EQ(told->verdict, GuardVerdict::kWarn);
  EXPECT_EQ(back->intent.mta_sts, second.intent.mta_sts);
}

TEST(MtaStsChangeKillTest, EndsWhereverItWasKilled) {
  int kills = 0;
  for (const bool undo : {false, true}) {
    for (int point = 1;; ++point) {
      SCOPED_TRACE(testing::Message() << (undo ? "undone" : "applied") << ", killed at " << point);
      AnnouncedWorld world;
      world.Serve(kTesting);
      const ChangeRecord plan = PlanIn(*world.MakeEngine(), kTesting);
      ASSERT_EQ(plan.state, ChangeState::kPlanned);
      const auto live = [&](int points, auto work) {
        ChangeEngineOptions options;
        options.max_running = 1;
        Life life(world, options);
        if (points > 0) life.killer.Arm(points);
        work(life.engine());
        life.engine().WaitIdle();
        return life.killer.dead();
      };
      const auto apply = [&](ChangeEngine& engine) { (void)engine.Apply(For(plan)); };
      const auto roll_back = [&](ChangeEngine& engine) {
        const ChangeRecord now = world.store.GetChange("example.com", plan.id).value();
        (void)engine.Rollback({now.domain, now.id, now.revision, "a"});
      };
      const auto resume = [](ChangeEngine& engine) { (void)engine.Resume(); };
      if (undo) live(0, apply);
      const bool died = undo ? live(point, roll_back) : live(point, apply);
      live(0, resume);
      if (undo) {
        live(0, roll_back);  // the operator asks again
      } else {
        live(0, apply);
      }
      const ChangeRecord change = world.store.GetChange("example.com", plan.id).value();
      ASSERT_EQ(change.state, undo ? ChangeState::kRolledBack : ChangeState::kSucceeded)
          << change.error_message;
      ASSERT_EQ(world.Live(),
                undo ? Strings({kSibling}) : Strings({kSibling, Record(kTesting, 1)}));
      ASSERT_EQ(world.provider->writes(), undo ? 2 : 1);
      ASSERT_TRUE(world.store.OpenChanges()->empty());
      if (!died) break;
      ++kills;
    }
  }
  EXPECT_GT(kills, 10);
  std::printf("killed while announcing and undoing: %d times\n", kills);
}

// As fault_matrix_test.cc: each call of the host, each error of it, at each moment.
TEST(MtaStsChangeFaultTest, EveryFaultOfTheProviderEndsInAListedState) {
  const absl::Status statuses[] = {absl::OkStatus(),
                                   absl::UnavailableError("503"),
                                   absl::UnknownError("reset"),
                                   absl::PermissionDeniedError("401"),
                                   absl::NotFoundError("404"),
                                   absl::InvalidArgumentError("422"),
                                   absl::AbortedError("changed")};
  const Strings before = {kSibling};
  const Strings after = {kSibling, Record(kTesting, 1)};
  int cases = 0, succeeded = 0;
  for (const ProviderClass provider_class :
       {ProviderClass::kA, ProviderClass::kB, ProviderClass::kC}) {
    for (const Call call : {Call::kFindZone, Call::kRead, Call::kApply}) {
      for (const absl::Status& status : statuses) {
        for (const Moment moment : {Moment::kBefore, Moment::kDuring, Moment::kAfter}) {
          for (int skip = 0; skip < 4; ++skip) {
            for (const int times : {1, 1'000'000}) {
              SCOPED_TRACE(testing::Message()
                           << "class " << ToString(provider_class) << " call "
                           << static_cast<int>(call) << " status " << status << " moment "
                           << static_cast<int>(moment) << " skip " << skip << " times " << times);
              AnnouncedWorld world(provider_class);
              world.Serve(kTesting);
              const std::unique_ptr<ChangeEngine> engine = world.MakeEngine();
              const ChangeRecord plan = PlanIn(*engine, kTesting);
              ASSERT_EQ(plan.state, ChangeState::kPlanned);
              world.provider->Inject({call, moment, status, {}, skip, times});
              (void)engine->Apply(For(plan));
              world.provider->ClearFaults();
              ASSERT_TRUE(engine->Resume().ok());
              engine->WaitIdle();

              const ChangeRecord change = world.store.GetChange("example.com", plan.id).value();
              SCOPED_TRACE(ToString(change.state) + " " + change.error_message);
              const Strings live = world.Live();
              ASSERT_TRUE(live == before || live == after);
              switch (change.state) {
                case ChangeState::kSucceeded:
                  ASSERT_EQ(live, after);
                  ++succeeded;
                  break;
                case ChangeState::kPlanned:
                case ChangeState::kFailed:
                case ChangeState::kRolledBack:
                  ASSERT_EQ(live, before);
                  break;
                case ChangeState::kNeedsAttention:
                  ASSERT_FALSE(change.error_reason.empty());
                  break;
                default:
                  FAIL() << "no end state";
              }
              ++cases;
            }
          }
        }
      }
    }
  }
  EXPECT_GT(succeeded, 100);
  EXPECT_LT(succeeded, cases);
  std::printf("faults while announcing: %d cases, %d of them succeeded\n", cases, succeeded);
}

}  // namespace
}  // namespace dmarcate
