// From off to enforce and back, as people and policyd go: what is served, what is published, and
// what is said about it.

#include "policyd/reconcile/mta_sts_controller.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/mta_sts/codec.h"
#include "policyd/reconcile/reason.h"
#include "tests/policyd/reconcile/sts_world.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing_support::IsOk;

std::string ReasonOf(const absl::Status& status) {
  const auto reason = ErrorReasonOf(status);
  return reason.has_value() ? reason->code : std::string(status.message());
}

std::string FileOf(StsStage stage) { return WantedStsFile(HealthyStsSettings(), stage); }
// The record of the n-th file that was to be served.
std::string RecordOf(StsStage stage, uint32_t serial) {
  return StsRecordText(StsId(FileOf(stage), serial));
}

class MtaStsControllerTest : public testing::Test, protected StsTestWorld {
 protected:
  ~MtaStsControllerTest() override { EXPECT_THAT(unfounded_ids, IsEmpty()); }
  StsRollout Start(RolloutMode mode, StsStage target = StsStage::kEnforce) {
    auto rollout = controller->Create(Wanted(mode, target), "ann", RunMode::kExecute);
    EXPECT_THAT(rollout, IsOk());
    return rollout.value_or(StsRollout());
  }
  absl::StatusOr<StsRollout> SayYes(StsStage stage) {
    return controller->Advance({.rollout = Asked(), .stage = stage, .file = FileOf(stage)});
  }
};

TEST_F(MtaStsControllerTest, FromOffToEnforceFileFirst) {
  Start(RolloutMode::kAutomatic);
  EXPECT_EQ(web.File(), std::nullopt);
  Hours(1);  // the file is served, and nothing says so yet
  EXPECT_EQ(web.File(), FileOf(StsStage::kTesting));
  EXPECT_THAT(published, IsEmpty());
  Hours(1);
  EXPECT_THAT(published, ElementsAre(RecordOf(StsStage::kTesting, 1)));
  EXPECT_EQ(Now().stage, StsStage::kTesting);
  Days(30);
  EXPECT_THAT(published,
              ElementsAre(RecordOf(StsStage::kTesting, 1), RecordOf(StsStage::kEnforce, 2)));
  EXPECT_EQ(Now().status, RolloutStatus::kCompleted);
  EXPECT_EQ(web.File(), FileOf(StsStage::kEnforce));
  EXPECT_THAT(world.Texts(TestWorld::kSpf), ElementsAre(TestWorld::kOldSpf, "verification=1"));
  // Every decision of it can be made again, and what is the same is said once a day.
  const std::vector<RolloutLogRecord> log = Log();
  EXPECT_LT(log.size(), 80u);
  int started = 0;
  for (const RolloutLogRecord& entry : log) {
    if (entry.event == RolloutEvent::kStarted) ++started;
    if (entry.decision.empty()) continue;
    DMARCATE_ASSERT_OK_AND_ASSIGN(const StsDecision decision, DecodeStsDecision(entry.decision));
    EXPECT_THAT(Replay(decision), IsOk());
    EXPECT_FALSE(entry.explanation.empty());
  }
  EXPECT_EQ(started, 2);
}

TEST_F(MtaStsControllerTest, ConfirmWaitsForAPersonsYesToTheFileThatWasShown) {
  Start(RolloutMode::kConfirm);
  Days(3);
  EXPECT_EQ(web.File(), std::nullopt);
  EXPECT_THAT(Log().front().text, HasSubstr("ready for testing"));
  EXPECT_EQ(ReasonOf(SayYes(StsStage::kEnforce).status()), "FIELD_INVALID");
  StsAdvanceRequest other{.rollout = Asked(),
                          .stage = StsStage::kTesting,
                          .file = FileOf(StsStage::kTesting) + "mx: evil.test\r\n"};
  EXPECT_EQ(ReasonOf(controller->Advance(other).status()), "ETAG_MISMATCH");
  StsAdvanceRequest request{
      .rollout = Asked(), .stage = StsStage::kTesting, .file = FileOf(StsStage::kTesting)};
  request.rollout.mode = RunMode::kValidateOnly;
  ASSERT_THAT(controller->Advance(request), IsOk());
  EXPECT_EQ(web.File(), std::nullopt);
  ASSERT_THAT(SayYes(StsStage::kTesting), IsOk());
  EXPECT_EQ(web.File(), FileOf(StsStage::kTesting));  // at once
  Hours(1);
  EXPECT_THAT(published, ElementsAre(RecordOf(StsStage::kTesting, 1)));
  const absl::Status early = SayYes(StsStage::kEnforce).status();
  EXPECT_EQ(ReasonOf(early), "GATE_UNMET");
  EXPECT_THAT(ErrorReasonOf(early)->metadata, Contains(Key("dwell")));
  Days(40);
  EXPECT_EQ(published.size(), 1u);  // one yes is for one file
  ASSERT_THAT(SayYes(StsStage::kEnforce), IsOk());
  Hours(1);
  EXPECT_EQ(Now().stage, StsStage::kEnforce);
  // Who said so is in the log, and in the change.
  const std::vector<RolloutLogRecord> log = Log();
  const auto started = std::ranges::find(log, RolloutEvent::kStarted, &RolloutLogRecord::event);
  ASSERT_NE(started, log.end());
  EXPECT_EQ(started->who, "ann");
  EXPECT_EQ(world.store.GetChange("example.com", started->change_id)->requested_by, "ann");
}

TEST_F(MtaStsControllerTest, TwoPeopleSayYesWhereTwoAreWanted) {
  evidence.change = [](const StsState&, absl::Time, StsEvidence& seen) {
    seen.rules.two_people = true;
  };
  Start(RolloutMode::kAutomatic);
  Hours(2);
  EXPECT_EQ(web.File(), std::nullopt) << "in mode automatic, too";
  ASSERT_THAT(SayYes(StsStage::kTesting), IsOk());
  Hours(1);
  EXPECT_EQ(web.File(), std::nullopt);
  EXPECT_THAT(controller->Explain("example.com", Last().record.id)->text,
              HasSubstr("ann said yes; another person has not"));
  EXPECT_EQ(ReasonOf(SayYes(StsStage::kTesting).status()), "ROLLOUT_STATE") << "the same person";
  RolloutRequest other = Asked();
  other.principal = "bob";
  ASSERT_THAT(
      controller->Advance(
          {.rollout = other, .stage = StsStage::kTesting, .file = FileOf(StsStage::kTesting)}),
      IsOk());
  EXPECT_EQ(web.File(), FileOf(StsStage::kTesting));
  Hours(1);
  EXPECT_EQ(Now().stage, StsStage::kTesting);
  EXPECT_EQ(published.size(), 1u);
}

TEST_F(MtaStsControllerTest, AFreezeHoldsTheIdOfAFileOnItsWay) {
  Start(RolloutMode::kAutomatic);
  Hours(1);
  ASSERT_EQ(web.File(), FileOf(StsStage::kTesting));
  bool frozen = true;
  evidence.change = [&](const StsState&, absl::Time now, StsEvidence& seen) {
    if (frozen) seen.rules.freezes = {{now - absl::Hours(1), now + absl::Hours(1), "sale"}};
  };
  Days(2);
  EXPECT_THAT(published, IsEmpty());
  frozen = false;
  Days(1);
  EXPECT_EQ(Now().stage, StsStage::kTesting);
}

TEST_F(MtaStsControllerTest, WhoHasAWebServerOfHisOwnIsWaitedFor) {
  web.theirs = "";
  Start(RolloutMode::kAutomatic);
  Days(5);
  EXPECT_THAT(published, IsEmpty());
  EXPECT_EQ(Now().move->file, FileOf(StsStage::kTesting));
  EXPECT_THAT(controller->Explain("example.com", Last().record.id)->text,
              HasSubstr("wait with the id"));
  web.theirs = FileOf(StsStage::kTesting);
  Days(1);
  EXPECT_THAT(published, ElementsAre(RecordOf(StsStage::kTesting, 1)));
}

TEST_F(MtaStsControllerTest, AdviseServesAndPublishesNothing) {
  Start(RolloutMode::kAdvise);
  Days(5);
  EXPECT_EQ(web.File(), std::nullopt);
  EXPECT_THAT(published, IsEmpty());
  EXPECT_EQ(ReasonOf(SayYes(StsStage::kTesting).status()), "ROLLOUT_STATE");
}

TEST_F(MtaStsControllerTest, AFailingMailServerPausesUntilAPersonResumes) {
  Start(RolloutMode::kAutomatic);
  Days(30);
  ASSERT_EQ(Now().stage, StsStage::kEnforce);
  bool broken = true;
  evidence.change = [&](const StsState&, absl::Time now, StsEvidence& seen) {
    if (!broken) return;
    seen.mx.hosts.front().faults = {MxFault::kNoStartTls};
    seen.mx.hosts.front().since = now - absl::Hours(1);
  };
  Days(1);
  EXPECT_EQ(Now().pause_reason, StsPause::kMx);
  EXPECT_THAT(Now().pause_detail, HasSubstr("mx1.example.com: no STARTTLS"));
  EXPECT_TRUE(std::ranges::any_of(Log(), &RolloutLogRecord::alert));
  EXPECT_EQ(Now().stage, StsStage::kEnforce);  // a policy that gave way would be none
  broken = false;
  Days(2);
  EXPECT_EQ(Now().status, RolloutStatus::kPaused);
  ASSERT_THAT(controller->Resume(Asked()), IsOk());
  Days(1);
  EXPECT_EQ(Now().status, RolloutStatus::kCompleted);
  EXPECT_EQ(published.size(), 2u);
}

TEST_F(MtaStsControllerTest, ACertificateOutOfDateLeadsDownToTestingByItself) {
  Start(RolloutMode::kAutomatic);
  Days(30);
  ASSERT_EQ(Now().stage, StsStage::kEnforce);
  evidence.change = [](const StsState&, absl::Time now, StsEvidence& seen) {
    seen.mx.hosts.front().faults = {MxFault::kExpired};
    seen.mx.hosts.front().since = now - absl::Hours(1);
  };
  Days(2);
  EXPECT_EQ(Now().stage, StsStage::kTesting);
  EXPECT_EQ(Now().status, RolloutStatus::kPaused);
  EXPECT_EQ(published.back(), RecordOf(StsStage::kTesting, 3));
  bool told = false;
  for (const RolloutLogRecord& entry : Log()) {
    if (entry.event == RolloutEvent::kPublished && entry.lowered) told = entry.alert;
  }
  EXPECT_TRUE(told);
}

TEST_F(MtaStsControllerTest, WithdrawalLastsAsLongAsCachesDo) {
  Start(RolloutMode::kAutomatic);
  Days(30);
  ASSERT_EQ(Now().stage, StsStage::kEnforce);
  evidence.change = [](const StsState&, absl::Time, StsEvidence& seen) { seen.reporters.clear(); };
  RolloutRequest request = Asked();
  request.revision = 0;
  ASSERT_THAT(controller->Abort(request, StsStage::kOff), IsOk());
  EXPECT_EQ(web.File(), FileOf(StsStage::kWithdrawn));
  EXPECT_EQ(published.size(), 2u);  // the file first, here too
  Hours(1);
  EXPECT_EQ(published.back(), RecordOf(StsStage::kWithdrawn, 3));
  const absl::Time withdrawn = Now().stage_start;
  Days(29);
  EXPECT_EQ(Now().stage, StsStage::kWithdrawn);
  Days(3);
  EXPECT_EQ(Now().stage, StsStage::kOff);
  EXPECT_EQ(Now().status, RolloutStatus::kAborted);
  EXPECT_GE(Now().stage_start - withdrawn, absl::Hours(30 * 24));
  EXPECT_THAT(world.Texts(kStsOwner), IsEmpty());
  EXPECT_EQ(web.File(), std::nullopt);
  ASSERT_THAT(controller->Abort(request, StsStage::kOff), IsOk());  // twice is OK
  // A new one goes on with other ids: who had one of these asks anew.
  evidence.change = nullptr;
  Start(RolloutMode::kAutomatic);
  Hours(2);
  EXPECT_EQ(published.back(), RecordOf(StsStage::kTesting, 4));
}

TEST_F(MtaStsControllerTest, AnAbortToTestingEndsThereAndTheFileStays) {
  Start(RolloutMode::kAutomatic);
  Days(30);
  ASSERT_THAT(controller->Abort(Asked(), StsStage::kTesting), IsOk());
  Hours(2);
  EXPECT_EQ(Now().status, RolloutStatus::kAborted);
  EXPECT_EQ(Now().stage, StsStage::kTesting);
  Days(3);
  EXPECT_EQ(web.File(), FileOf(StsStage::kTesting));
  EXPECT_EQ(published.size(), 3u);
  // A new one begins where this one ended.
  const StsRollout next = Start(RolloutMode::kConfirm);
  EXPECT_EQ(next.state.stage, StsStage::kTesting);
  EXPECT_EQ(next.state.record_id, StsId(FileOf(StsStage::kTesting), 3));
  EXPECT_EQ(web.File(), FileOf(StsStage::kTesting));
}

TEST_F(MtaStsControllerTest, AClockThatIsSetBackHidesNoRolloutBehindTheOneBefore) {
  Start(RolloutMode::kAutomatic);
  Days(30);
  ASSERT_THAT(controller->Abort(Asked(), StsStage::kTesting), IsOk());
  Hours(2);
  const StsRollout ended = Last();
  ASSERT_EQ(ended.state.status, RolloutStatus::kAborted);
  world.clock.JumpWallTo(kBegin - absl::Hours(24));
  // The last by id is the one that is served, and that keeps others from being started.
  const StsRollout next = Start(RolloutMode::kConfirm);
  EXPECT_GT(next.record.id, ended.record.id);
  EXPECT_EQ(Last().record.id, next.record.id);
  EXPECT_EQ(
      ReasonOf(
          controller->Create(Wanted(RolloutMode::kConfirm), "ann", RunMode::kExecute).status()),
      "ROLLOUT_ACTIVE");
}

TEST_F(MtaStsControllerTest, DriftPausesAndIsNeverFought) {
  Start(RolloutMode::kAutomatic);
  Days(2);
  ASSERT_EQ(Now().stage, StsStage::kTesting);
  world.provider->SetTexts(kStsOwner, {"v=STSv1; id=theirs;"});
  const size_t writes = published.size();
  Days(3);
  EXPECT_EQ(Now().pause_reason, StsPause::kDrift);
  EXPECT_EQ(published.size(), writes);
  // Who resumes adopts what is announced and served, and nobody knows what it replaced.
  ASSERT_THAT(controller->Resume(Asked()), IsOk());
  EXPECT_EQ(Now().record_id, "theirs");
  EXPECT_EQ(Now().stage, StsStage::kTesting);
  EXPECT_GE(Now().cached_until, world.clock.Now() + absl::Hours(365 * 24));
  EXPECT_THAT(Log().front().text, HasSubstr("adopts testing"));
  unfounded_ids.clear();  // theirs
}

TEST_F(MtaStsControllerTest, ARecordThatIsGoneIsOff) {
  Start(RolloutMode::kAutomatic);
  Days(30);
  ASSERT_EQ(Now().stage, StsStage::kEnforce);
  world.provider->SetTexts(kStsOwner, {});
  Days(1);
  EXPECT_EQ(Now().pause_reason, StsPause::kDrift);
  ASSERT_THAT(controller->Resume(Asked()), IsOk());
  EXPECT_EQ(Now().stage, StsStage::kOff);
  EXPECT_GE(Now().cached_until, world.clock.Now() + absl::Hours(30 * 24));
}

TEST_F(MtaStsControllerTest, APolicyThatIsLiveIsAdopted) {
  const std::string file = FileOf(StsStage::kTesting);
  web.theirs = file;
  world.provider->SetTexts(kStsOwner, {StsRecordText(StsId(file, 7))});
  const StsRollout rollout = Start(RolloutMode::kAutomatic);
  EXPECT_EQ(rollout.state.stage, StsStage::kTesting);
  published.clear();
  Days(5);
  EXPECT_THAT(published, IsEmpty());  // it is what is wanted
  web.theirs.reset();
  Days(30);
  EXPECT_THAT(published, ElementsAre(RecordOf(StsStage::kEnforce, 8)));
}

TEST_F(MtaStsControllerTest, RefusesWhatCannotBegin) {
  const auto start = [this](const StsState& state) {
    return ReasonOf(controller->Create(state, "ann", RunMode::kExecute).status());
  };
  StsState state = Wanted(RolloutMode::kConfirm);
  state.settings.testing_days = 1;
  EXPECT_EQ(start(state), "FIELD_INVALID");
  EXPECT_EQ(start(Wanted(RolloutMode::kConfirm, StsStage::kOff)), "FIELD_INVALID");
  state = Wanted(RolloutMode::kConfirm);
  world.provider->SetTexts(kStsOwner, {"v=STSv1; id=a;"});
  EXPECT_EQ(start(state), "ROLLOUT_STATE");  // not served
  web.theirs = "no policy";
  EXPECT_EQ(start(state), "ROLLOUT_STATE");
  web.theirs = FileOf(StsStage::kWithdrawn);
  EXPECT_EQ(start(state), "ROLLOUT_STATE");
  web.theirs = FileOf(StsStage::kEnforce);
  EXPECT_EQ(start(Wanted(RolloutMode::kConfirm, StsStage::kTesting)), "ROLLOUT_STATE");
  world.provider->SetTexts(kStsOwner, {"v=STSv1; id=a;", "v=STSv1; id=b;"});
  EXPECT_EQ(start(state), "ROLLOUT_STATE");
  world.provider->SetTexts(kStsOwner, {});
  web.theirs.reset();
  evidence.change = [](const StsState&, absl::Time, StsEvidence& seen) { seen.records = {}; };
  EXPECT_EQ(start(state), "DNS_UNAVAILABLE");
  evidence.change = nullptr;
  EXPECT_THAT(controller->Create(state, "ann", RunMode::kValidateOnly), IsOk());
  EXPECT_THAT(rollouts.ListRollouts("example.com", "", "", 10).value(), IsEmpty());
  Start(RolloutMode::kConfirm);
  EXPECT_EQ(start(state), "ROLLOUT_ACTIVE");
  unfounded_ids.clear();  // theirs
}

TEST_F(MtaStsControllerTest, OtherPatternsAreAnotherFileOfTheSameStage) {
  Start(RolloutMode::kAutomatic);
  Days(30);
  ASSERT_EQ(Now().status, RolloutStatus::kCompleted);
  const auto add = [](StsState& state) {
    state.settings.mx.push_back("mx3.example.com");
    return absl::OkStatus();
  };
  ASSERT_THAT(controller->Update(Asked(), "settings.mx", add), IsOk());
  EXPECT_EQ(Now().status, RolloutStatus::kActive);
  Days(1);
  EXPECT_EQ(Now().stage, StsStage::kEnforce);
  EXPECT_EQ(Now().status, RolloutStatus::kCompleted);
  EXPECT_THAT(*web.File(), HasSubstr("mx: mx3.example.com"));
  EXPECT_EQ(published.size(), 3u);
  const auto bad = [](StsState& state) {
    state.settings.min_reporters = 1;
    return absl::OkStatus();
  };
  EXPECT_EQ(ReasonOf(controller->Update(Asked(), "x", bad).status()), "FIELD_INVALID");
  const auto low = [](StsState& state) {
    state.target = StsStage::kTesting;
    return absl::OkStatus();
  };
  EXPECT_EQ(ReasonOf(controller->Update(Asked(), "x", low).status()), "ROLLOUT_STATE");
}

TEST_F(MtaStsControllerTest, PauseHoldsWhatIsOnItsWay) {
  Start(RolloutMode::kAutomatic);
  Hours(1);
  ASSERT_TRUE(Now().move.has_value());
  ASSERT_THAT(controller->Pause(Asked(), "new servers"), IsOk());
  Days(2);
  EXPECT_THAT(published, IsEmpty());
  EXPECT_EQ(Now().pause_detail, "ann: new servers");
  EXPECT_EQ(web.File(), FileOf(StsStage::kTesting));  // somebody may have fetched it
  ASSERT_THAT(controller->Resume(Asked()), IsOk());
  Hours(2);
  EXPECT_THAT(published, ElementsAre(RecordOf(StsStage::kTesting, 1)));
}

TEST_F(MtaStsControllerTest, AProviderThatRefusesIsNotAskedEachTick) {
  Start(RolloutMode::kAutomatic);
  world.provider->Inject({.call = FakeDnsProvider::Call::kApply,
                          .moment = FakeDnsProvider::Moment::kBefore,
                          .status = absl::PermissionDeniedError("read only"),
                          .times = 1'000'000});
  for (int tick = 0; tick < 2 * 60 * 24 * 3; ++tick) {
    world.clock.Advance(absl::Seconds(30));
    (void)controller->Tick();
  }
  const size_t changes = world.store.ListChanges("example.com", "", 10'000)->size();
  EXPECT_GE(changes, 1u);
  EXPECT_LE(changes, 40u);
  EXPECT_THAT(published, IsEmpty());
  world.provider->ClearFaults();
  if (Now().status == RolloutStatus::kPaused) {
    ASSERT_THAT(controller->Resume(Asked()), IsOk());
  }
  Days(1);
  EXPECT_THAT(published, ElementsAre(RecordOf(StsStage::kTesting, 1)));
}

}  // namespace
}  // namespace dmarcate
