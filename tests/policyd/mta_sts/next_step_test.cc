#include "policyd/mta_sts/next_step.h"

#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/mta_sts/codec.h"
#include "policyd/mta_sts/never_events.h"
#include "tests/policyd/mta_sts/mta_sts_testing.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;

struct Case {
  std::string name;
  StsStage stage = StsStage::kTesting;
  std::function<void(StsState&, StsEvidence&)> change;
  StsAction want = StsAction::kHold;
  std::string want_reason;  // part of it
};

constexpr int kDay = 20;  // of the ladder

void Yes(StsState& state, StsStage stage, double bound = 0) {
  state.mode = RolloutMode::kConfirm;
  state.confirmation =
      StsConfirmation{"ann", Noon(kDay - 1), stage, WantedStsFile(state.settings, stage), bound};
}
void Move(StsState& state, StsEvidence& evidence, StsStage to, StsMoveKind kind) {
  const std::string file = WantedStsFile(state.settings, to);
  state.move = StsMove{to, kind, file, StsId(file, 2), Noon(kDay - 1), "all gates hold"};
  state.serial = 2;
  evidence.file.body = file;
}
void Break(StsEvidence& evidence, std::vector<MxFault> faults) {
  evidence.mx.hosts[1].faults = std::move(faults);
  evidence.mx.hosts[1].since = Noon(kDay) - absl::Hours(2);
  evidence.mx.hosts[1].looks = 4;
}
void Report(StsState& state, StsEvidence& evidence, const StsTraffic& traffic) {
  evidence = HealthyStsEvidence(state, Noon(kDay), traffic);
}

const Case kCases[] = {
    {"FromOffTheFileOfTestingFirst", StsStage::kOff, [](auto&, auto&) {}, StsAction::kServe,
     "serve testing: all gates hold"},
    {"ConfirmWaitsForAPerson", StsStage::kOff,
     [](auto& s, auto&) { s.mode = RolloutMode::kConfirm; }, StsAction::kReady,
     "yes waits for a person"},
    {"APersonsYesIsEnough", StsStage::kOff, [](auto& s, auto&) { Yes(s, StsStage::kTesting); },
     StsAction::kServe, "serve testing"},
    {"AYesToAnotherFileIsNone", StsStage::kOff,
     [](auto& s, auto&) {
       Yes(s, StsStage::kTesting);
       s.settings.mx.push_back("mx3.example.com");
     },
     StsAction::kReady, "yes waits"},
    {"AdviceNeverActs", StsStage::kTesting, [](auto& s, auto&) { s.mode = RolloutMode::kAdvise; },
     StsAction::kReady, "only advises"},
    {"SomebodyElsesRecordIsLeftAlone", StsStage::kOff,
     [](auto&, auto& e) { e.records.mta_sts = {"v=STSv1; id=7;"}; }, StsAction::kHold,
     "record closed"},
    {"SomebodyElsesPolicyIsLeftAlone", StsStage::kOff,
     [](auto&, auto& e) {
       e.file.sight = FileSight::kServed;
       e.file.body = "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 86400\n";
     },
     StsAction::kHold, "file closed"},
    {"AWebPageIsNoPolicy", StsStage::kOff,
     [](auto&, auto& e) {
       e.file.sight = FileSight::kServed;
       e.file.body = "<html>";
     },
     StsAction::kServe, "serve testing"},
    {"OurFileMayBeThereBefore", StsStage::kOff,
     [](auto& s, auto& e) {
       e.file.sight = FileSight::kServed;
       e.file.body = WantedStsFile(s.settings, StsStage::kTesting);
     },
     StsAction::kServe, "serve testing"},
    {"WithoutReportsNobodyLearns", StsStage::kOff,
     [](auto&, auto& e) { e.records.tls_rpt = {"v=TLSRPTv1;"}; }, StsAction::kHold,
     "tlsrpt closed"},
    {"TestingBearsFaultyServers", StsStage::kOff,
     [](auto&, auto& e) { Break(e, {MxFault::kNoStartTls}); }, StsAction::kServe, "serve testing"},
    {"ButNotServersThatAreNotNamed", StsStage::kOff,
     [](auto& s, auto&) { s.settings.mx = {"mx1.example.com"}; }, StsAction::kHold, "mx closed"},
    {"ADomainWithoutMailHasNone", StsStage::kOff, [](auto&, auto& e) { e.mx.hosts.clear(); },
     StsAction::kHold, "mx closed"},

    {"TheIdWaitsForTheFile", StsStage::kOff,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kTesting, StsMoveKind::kUp);
       e.file.sight = FileSight::kMissing;
       e.file.detail = "the web server answers 404";
     },
     StsAction::kHold, "not served yet: the web server answers 404"},
    {"ForEachByteOfIt", StsStage::kOff,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kTesting, StsMoveKind::kUp);
       e.file.sight = FileSight::kServed;
       e.file.body.pop_back();
     },
     StsAction::kHold, "not served yet: the lines are the same, but"},
    {"AndASecondLook", StsStage::kTesting,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       e.file.looks = 1;
     },
     StsAction::kHold, "seen in 1 of 2 looks"},
    {"AndALookOfThisHour", StsStage::kTesting,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       e.file.looked = Noon(kDay) - absl::Minutes(61);
     },
     StsAction::kHold, "within the last hour"},
    {"ThenTheIdFollows", StsStage::kTesting,
     [](auto& s, auto& e) { Move(s, e, StsStage::kEnforce, StsMoveKind::kUp); },
     StsAction::kPublish, "publish the id of the file of enforce"},
    {"UnlessAServerBrokeMeanwhile", StsStage::kTesting,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       e.mx.hosts[0].faults = {MxFault::kNoStartTls};
       e.mx.hosts[0].since = Noon(kDay);
       e.mx.hosts[0].looks = 1;
     },
     StsAction::kHold, "its id waits"},
    {"OrAPersonWantsToBeAskedMeanwhile", StsStage::kTesting,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       s.mode = RolloutMode::kConfirm;
     },
     StsAction::kReady, "ready for enforce: yes waits for a person"},
    {"OrTwoPeopleAreWantedMeanwhile", StsStage::kTesting,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       s.confirmation = StsConfirmation{"ann", s.move->since, StsStage::kEnforce, s.move->file};
       e.rules.two_people = true;
     },
     StsAction::kReady, "ready for enforce: yes waits for a person"},
    {"OrAFreezeBeganMeanwhile", StsStage::kTesting,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       e.rules.freezes = {{Noon(kDay) - absl::Hours(1), Noon(kDay) + absl::Hours(1), "sale"}};
     },
     StsAction::kHold, "its id waits"},
    {"AFreezeOfAllDomainsHolds", StsStage::kOff,
     [](auto&, auto& e) {
       e.rules.freezes = {{Noon(kDay) - absl::Hours(1), Noon(kDay) + absl::Hours(1), "sale"}};
     },
     StsAction::kHold, "window closed"},
    {"TwoPeopleAreWantedInModeAutomaticToo", StsStage::kOff,
     [](auto&, auto& e) { e.rules.two_people = true; }, StsAction::kReady,
     "yes waits for a person"},
    {"OneOfThemIsNotEnough", StsStage::kOff,
     [](auto& s, auto& e) {
       e.rules.two_people = true;
       s.confirmation = StsConfirmation{"ann", Noon(kDay), StsStage::kTesting,
                                        WantedStsFile(s.settings, StsStage::kTesting)};
     },
     StsAction::kReady, "yes waits for a person"},
    {"BothAre", StsStage::kOff,
     [](auto& s, auto& e) {
       e.rules.two_people = true;
       s.confirmation = StsConfirmation{"ann", Noon(kDay), StsStage::kTesting,
                                        WantedStsFile(s.settings, StsStage::kTesting)};
       s.confirmation->second_by = "bob";
     },
     StsAction::kServe, "serve testing"},
    {"ASuspendedDomainStaysWhereItIs", StsStage::kOff,
     [](auto&, auto& e) {
       e.control.suspended = true;
       e.control.why = "all domains are suspended: a merger";
     },
     StsAction::kHold, "frozen: all domains are suspended: a merger"},
    {"OrSessionsFailedMeanwhile", StsStage::kTesting,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       for (StsReporter& reporter : e.reporters) {
         for (StsReporterDay& day : reporter.days) day.failed = day.sessions / 100;
       }
     },
     StsAction::kHold, "its id waits"},
    {"OrNoReportSaysAnythingAnyMore", StsStage::kTesting,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       e.reporters.clear();
     },
     StsAction::kHold, "its id waits: 0 of 0 sessions"},
    {"OrOtherPatternsAreWantedMeanwhile", StsStage::kTesting,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       s.settings.mx.push_back("mx3.example.com");
     },
     StsAction::kServe, "serve enforce"},
    {"OrAnotherChangeIsOpen", StsStage::kTesting,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       e.control.open_change = "c9";
     },
     StsAction::kHold, "change c9 is open"},

    {"AllWellGoesUp", StsStage::kTesting, [](auto&, auto&) {}, StsAction::kServe,
     "serve enforce: all gates hold"},
    {"TheTargetMayBeTesting", StsStage::kTesting,
     [](auto& s, auto&) { s.target = StsStage::kTesting; }, StsAction::kComplete,
     "the target testing"},
    {"DwellIsDaysWithReports", StsStage::kTesting,
     [](auto&, auto& e) {
       for (StsReporter& reporter : e.reporters) reporter.days.resize(10);
     },
     StsAction::kHold, "dwell"},
    {"OneReporterIsNone", StsStage::kTesting, [](auto&, auto& e) { e.reporters.resize(1); },
     StsAction::kHold, "reporters, failures closed"},
    {"OldReportsClose", StsStage::kTesting,
     [](auto& s, auto& e) {
       s.stage_start = kBegin - absl::Hours(24 * 20);
       e = HealthyStsEvidence(s, Noon(kDay));
       for (StsReporter& reporter : e.reporters) reporter.days.resize(30);
     },
     StsAction::kHold, "reporters closed"},
    {"FailuresClose", StsStage::kTesting,
     [](auto& s, auto& e) { Report(s, e, {.sessions = 1000, .failed = 12}); }, StsAction::kHold,
     "failures closed"},
    {"FewSessionsCloseToo", StsStage::kTesting,
     [](auto& s, auto& e) { Report(s, e, {.sessions = 3}); }, StsAction::kHold, "failures closed"},
    {"AndAreSignedByAPersonAfterAMonth", StsStage::kTesting,
     [](auto& s, auto& e) {
       s.stage_start = kBegin - absl::Hours(24 * 20);
       Yes(s, StsStage::kEnforce, 0.05);
       Report(s, e, {.sessions = 3});
     },
     StsAction::kServe, "serve enforce"},
    {"ButNotWithALowerBoundThanIs", StsStage::kTesting,
     [](auto& s, auto& e) {
       s.stage_start = kBegin - absl::Hours(24 * 20);
       Yes(s, StsStage::kEnforce, 0.005);
       Report(s, e, {.sessions = 3});
     },
     StsAction::kReady, "failures waits for a person"},
    {"AFaultyServerCloses", StsStage::kTesting,
     [](auto&, auto& e) { Break(e, {MxFault::kOldTls}); }, StsAction::kHold, "mx closed"},
    {"AnUnreachedServerCloses", StsStage::kTesting,
     [](auto&, auto& e) { Break(e, {MxFault::kNotReached}); }, StsAction::kHold, "mx closed"},
    {"AServerThatWasLeftOutCloses", StsStage::kTesting, [](auto&, auto& e) { e.mx.left_out = 1; },
     StsAction::kHold, "mx closed"},
    {"OldLooksClose", StsStage::kTesting,
     [](auto&, auto& e) { e.mx.looked = Noon(kDay) - absl::Hours(25); }, StsAction::kHold,
     "mx closed"},
    {"AFileThatIsNotFoundCloses", StsStage::kTesting,
     [](auto&, auto& e) {
       e.file.sight = FileSight::kUnknown;
       e.file.looked = absl::InfinitePast();
     },
     StsAction::kHold, "file closed"},
    {"AFreezeCloses", StsStage::kTesting,
     [](auto& s, auto&) { s.settings.freezes = {{Noon(kDay - 1), Noon(kDay + 1), "fair"}}; },
     StsAction::kHold, "window closed"},
    {"OtherPatternsAreTestedFirst", StsStage::kTesting,
     [](auto& s, auto&) { s.settings.mx.push_back("mx3.example.com"); }, StsAction::kServe,
     "serve the new file of testing"},

    {"TheTargetIsReached", StsStage::kEnforce, [](auto&, auto&) {}, StsAction::kComplete,
     "the target enforce is reached"},
    {"NewPatternsAreServed", StsStage::kEnforce,
     [](auto& s, auto&) { s.settings.mx.push_back("mx3.example.com"); }, StsAction::kServe,
     "serve the new file of enforce"},
    {"WithAPersonsYes", StsStage::kEnforce,
     [](auto& s, auto&) {
       s.mode = RolloutMode::kConfirm;
       s.settings.mx.push_back("mx3.example.com");
     },
     StsAction::kReady, "new file of enforce"},
    {"AForeignRecordPauses", StsStage::kEnforce,
     [](auto&, auto& e) { e.records.mta_sts = {"v=STSv1; id=7;"}; }, StsAction::kPause, "drift"},
    {"TwoRecordsPause", StsStage::kEnforce,
     [](auto&, auto& e) { e.records.mta_sts.push_back("v=STSv1; id=7;"); }, StsAction::kPause,
     "2 records"},
    {"NoRecordPauses", StsStage::kTesting, [](auto&, auto& e) { e.records.mta_sts.clear(); },
     StsAction::kPause, "no record"},
    {"AForeignFilePauses", StsStage::kEnforce,
     [](auto&, auto& e) { e.file.body = "version: STSv1\r\nmode: none\r\nmax_age: 60\r\n"; },
     StsAction::kPause, "what is served is not the policy"},
    {"ABrokenWebServerPauses", StsStage::kEnforce,
     [](auto&, auto& e) {
       e.file.sight = FileSight::kUntrusted;
       e.file.detail = "certificate has expired";
     },
     StsAction::kPause, "senders cannot fetch the policy: certificate has expired"},
    {"OneBadLookIsNone", StsStage::kEnforce,
     [](auto&, auto& e) {
       e.file.sight = FileSight::kMissing;
       e.file.looks = 1;
     },
     StsAction::kComplete, "reached"},
    {"UnreadRecordsAreNoDrift", StsStage::kEnforce,
     [](auto&, auto& e) {
       e.records.mta_sts.clear();
       e.records.looked = absl::InfinitePast();
     },
     StsAction::kHold, "could not be read"},
    {"AnMxHostThatIsNotNamedPauses", StsStage::kEnforce,
     [](auto&, auto& e) { e.mx.hosts.push_back({.name = "evil.test"}); }, StsAction::kPause,
     "the MX records name evil.test"},
    {"EvenInModeAutomaticStrippedTlsPauses", StsStage::kEnforce,
     [](auto&, auto& e) { Break(e, {MxFault::kNoStartTls}); }, StsAction::kPause, "no STARTTLS"},
    {"AndSoDoesACertificateOfNobody", StsStage::kEnforce,
     [](auto&, auto& e) { Break(e, {MxFault::kUntrusted, MxFault::kExpired}); }, StsAction::kPause,
     "not trusted"},
    {"AnExpiredOneGoesDown", StsStage::kEnforce,
     [](auto&, auto& e) { Break(e, {MxFault::kExpired}); }, StsAction::kServe,
     "step down to testing: mx2.example.com: certificate out of date"},
    {"NotBeforeItIsProved", StsStage::kEnforce,
     [](auto&, auto& e) {
       Break(e, {MxFault::kExpired});
       e.mx.hosts[1].looks = 2;
     },
     StsAction::kComplete, "reached"},
    {"NotInConfirm", StsStage::kEnforce,
     [](auto& s, auto& e) {
       s.mode = RolloutMode::kConfirm;
       Break(e, {MxFault::kExpired});
     },
     StsAction::kPause, "mx"},
    {"NotTwiceADay", StsStage::kEnforce,
     [](auto& s, auto& e) {
       s.last_auto_down = Noon(kDay) - absl::Hours(23);
       Break(e, {MxFault::kExpired});
     },
     StsAction::kPause, "mx"},
    {"TheWayDownGoesOnWhilePaused", StsStage::kEnforce,
     [](auto& s, auto& e) {
       Break(e, {MxFault::kExpired});
       Move(s, e, StsStage::kTesting, StsMoveKind::kDown);
       s.status = RolloutStatus::kPaused;
       s.pause_reason = StsPause::kMx;
     },
     StsAction::kPublish, "publish the id of the file of testing"},
    {"WhatReportersSayOnlyPauses", StsStage::kEnforce,
     [](auto& s, auto& e) { Report(s, e, {.sessions = 100, .failed = 30}); }, StsAction::kPause,
     "630 of 2100 sessions in 7 days failed"},
    {"WhoResumedHasSeenIt", StsStage::kEnforce,
     [](auto& s, auto& e) {
       s.resume_time = Noon(kDay) - absl::Hours(1);
       Report(s, e, {.sessions = 100, .failed = 30});
     },
     StsAction::kComplete, "reached"},
    {"PausedHolds", StsStage::kTesting,
     [](auto& s, auto&) {
       s.status = RolloutStatus::kPaused;
       s.pause_reason = StsPause::kOperator;
       s.pause_detail = "ann";
     },
     StsAction::kHold, "paused (operator): ann"},
    {"AttentionPauses", StsStage::kTesting,
     [](auto&, auto& e) { e.control.attention_change = "c3"; }, StsAction::kPause, "c3"},
    {"AChangeOnItsWayFreezes", StsStage::kTesting, [](auto& s, auto&) { s.pending_change = "c4"; },
     StsAction::kHold, "frozen: change c4"},
    {"ForeignEvidenceFreezes", StsStage::kTesting, [](auto&, auto& e) { e.domain = "example.org"; },
     StsAction::kHold, "frozen: the evidence"},
    {"ADemoNeverWrites", StsStage::kTesting, [](auto&, auto& e) { e.control.writable = false; },
     StsAction::kHold, "must not write"},

    {"AbortToTestingNeedsNoEvidence", StsStage::kEnforce,
     [](auto& s, auto& e) {
       s.abort_to = StsStage::kTesting;
       e.reporters.clear();
       e.mx = {};
     },
     StsAction::kServe, "serve the file of testing: asked for"},
    {"AbortToOffSaysNoneFirst", StsStage::kEnforce,
     [](auto& s, auto&) { s.abort_to = StsStage::kOff; }, StsAction::kServe,
     "serve the file of withdrawn"},
    {"AndPublishesThat", StsStage::kTesting,
     [](auto& s, auto& e) {
       s.abort_to = StsStage::kOff;
       Move(s, e, StsStage::kWithdrawn, StsMoveKind::kByPerson);
     },
     StsAction::kPublish, "withdrawn"},
    {"WaitsForTheCaches", StsStage::kWithdrawn,
     [](auto& s, auto&) {
       s.abort_to = StsStage::kOff;
       s.cached_until = Noon(kDay) + absl::Seconds(1);
     },
     StsAction::kHold, "in their caches until"},
    {"AndThenRemovesTheRecord", StsStage::kWithdrawn,
     [](auto& s, auto&) {
       s.abort_to = StsStage::kOff;
       s.cached_until = Noon(kDay);
     },
     StsAction::kRemove, "remove the record"},
    {"UnlessItIsNotOurs", StsStage::kWithdrawn,
     [](auto& s, auto& e) {
       s.abort_to = StsStage::kOff;
       e.records.mta_sts = {"v=STSv1; id=7;"};
     },
     StsAction::kHold, "not ours to remove"},
    {"AbortOfNothingEnds", StsStage::kOff, [](auto& s, auto&) { s.abort_to = StsStage::kOff; },
     StsAction::kEnd, "ended at off"},
    {"AbortCallsAFileBackThatWasServed", StsStage::kTesting,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       s.abort_to = StsStage::kTesting;
     },
     StsAction::kServe, "serve the file of testing"},
};

class StsNextStepTest : public testing::TestWithParam<Case> {};
TEST_P(StsNextStepTest, Case) {
  StsState state = HealthySts(GetParam().stage);
  StsEvidence evidence = HealthyStsEvidence(state, Noon(kDay));
  GetParam().change(state, evidence);
  const StsStep step = NextStep(state, evidence, Noon(kDay));
  EXPECT_EQ(ToString(step.action), ToString(GetParam().want)) << step.reason;
  EXPECT_THAT(step.reason, HasSubstr(GetParam().want_reason));
  EXPECT_GT(step.ask_again, Noon(kDay) - absl::Seconds(1));
  EXPECT_TRUE(CheckNeverEvents(state, evidence, step, Noon(kDay)).ok())
      << CheckNeverEvents(state, evidence, step, Noon(kDay));
  // The same from bytes.
  const StsDecisionInput input{state, evidence, Noon(kDay)};
  const auto decoded = DecodeStsInput(EncodeStsInput(input));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, input);
  StsDecision decision = Record(input, step);
  EXPECT_TRUE(Replay(decision).ok());
  decision.reason += "?";
  EXPECT_EQ(Replay(decision).code(), absl::StatusCode::kFailedPrecondition);
  decision.input += "1;";
  EXPECT_EQ(Replay(decision).code(), absl::StatusCode::kDataLoss);
}
INSTANTIATE_TEST_SUITE_P(All, StsNextStepTest, testing::ValuesIn(kCases),
                         [](const auto& one) { return one.param.name; });

// A step as it would be if a gate were wrong.
StsStep Forced(const StsState& state, StsAction action, StsStage to, StsMoveKind kind) {
  StsStep step;
  step.action = action;
  step.to = to;
  step.kind = kind;
  step.file = WantedStsFile(state.settings, to);
  step.id = StsId(step.file, 2);
  step.reason = "forced";
  return step;
}

struct NeverCase {
  std::string name;
  StsStage stage = StsStage::kTesting;
  StsAction action = StsAction::kServe;
  StsStage to = StsStage::kEnforce;
  StsMoveKind kind = StsMoveKind::kUp;
  std::function<void(StsState&, StsEvidence&)> change;
  std::string want;  // empty: it may be
};
const NeverCase kNever[] = {
    {"AllWell", StsStage::kTesting, StsAction::kServe, StsStage::kEnforce, StsMoveKind::kUp,
     [](auto&, auto&) {}, ""},
    {"EnforceFromOff", StsStage::kOff, StsAction::kServe, StsStage::kEnforce, StsMoveKind::kUp,
     [](auto&, auto&) {}, "S2"},
    {"BeyondTheTarget", StsStage::kTesting, StsAction::kServe, StsStage::kEnforce, StsMoveKind::kUp,
     [](auto& s, auto&) { s.target = StsStage::kTesting; }, "S2"},
    {"AFault", StsStage::kTesting, StsAction::kServe, StsStage::kEnforce, StsMoveKind::kUp,
     [](auto&, auto& e) { e.mx.hosts[0].faults = {MxFault::kNotReached}; }, "S3"},
    {"AHostNotNamed", StsStage::kTesting, StsAction::kServe, StsStage::kEnforce, StsMoveKind::kUp,
     [](auto&, auto& e) { e.mx.hosts[0].name = "mx9.example.com"; }, "S3"},
    {"NoHosts", StsStage::kEnforce, StsAction::kServe, StsStage::kEnforce, StsMoveKind::kRefresh,
     [](auto&, auto& e) { e.mx.hosts.clear(); }, "S3"},
    {"FewDays", StsStage::kTesting, StsAction::kServe, StsStage::kEnforce, StsMoveKind::kUp,
     [](auto& s, auto&) { s.stage_start = Noon(kDay - 6); }, "S4"},
    {"ManyFailures", StsStage::kTesting, StsAction::kServe, StsStage::kEnforce, StsMoveKind::kUp,
     [](auto& s, auto& e) { Report(s, e, {.sessions = 100, .failed = 3}); }, "S4"},
    {"NoYes", StsStage::kTesting, StsAction::kServe, StsStage::kEnforce, StsMoveKind::kUp,
     [](auto& s, auto&) { s.mode = RolloutMode::kConfirm; }, "S5"},
    {"Advice", StsStage::kOff, StsAction::kServe, StsStage::kTesting, StsMoveKind::kUp,
     [](auto& s, auto&) { s.mode = RolloutMode::kAdvise; }, "S5"},
    {"Paused", StsStage::kOff, StsAction::kServe, StsStage::kTesting, StsMoveKind::kUp,
     [](auto& s, auto&) { s.status = RolloutStatus::kPaused; }, "S5"},
    {"AnotherFileIsServed", StsStage::kOff, StsAction::kPublish, StsStage::kTesting,
     StsMoveKind::kUp,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kTesting, StsMoveKind::kUp);
       e.file.sight = FileSight::kServed;
       e.file.body += "\n";
     },
     "S1"},
    {"TheFileWasSeenLongAgo", StsStage::kTesting, StsAction::kPublish, StsStage::kEnforce,
     StsMoveKind::kUp,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       e.file.looked -= absl::Hours(2);
     },
     "S1"},
    {"AnotherFileWasMeant", StsStage::kTesting, StsAction::kPublish, StsStage::kEnforce,
     StsMoveKind::kUp,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       s.move.reset();
     },
     "S1"},
    {"AForeignRecord", StsStage::kTesting, StsAction::kPublish, StsStage::kEnforce,
     StsMoveKind::kUp,
     [](auto& s, auto& e) {
       Move(s, e, StsStage::kEnforce, StsMoveKind::kUp);
       e.records.mta_sts = {"v=STSv1; id=7;"};
     },
     "S8"},
    {"RemovedWithoutModeNone", StsStage::kTesting, StsAction::kRemove, StsStage::kOff,
     StsMoveKind::kByPerson, [](auto&, auto&) {}, "S6"},
    {"RemovedEarly", StsStage::kWithdrawn, StsAction::kRemove, StsStage::kOff,
     StsMoveKind::kByPerson, [](auto& s, auto&) { s.cached_until = Noon(kDay) + absl::Seconds(1); },
     "S6"},
    {"DownOnStrippedTls", StsStage::kEnforce, StsAction::kServe, StsStage::kTesting,
     StsMoveKind::kDown, [](auto&, auto& e) { Break(e, {MxFault::kNoStartTls}); }, "S7"},
    {"DownTwiceADay", StsStage::kEnforce, StsAction::kServe, StsStage::kTesting, StsMoveKind::kDown,
     [](auto& s, auto& e) {
       Break(e, {MxFault::kExpired});
       s.last_auto_down = Noon(kDay) - absl::Hours(1);
     },
     "S7"},
    {"AnAbortOfNobody", StsStage::kEnforce, StsAction::kServe, StsStage::kTesting,
     StsMoveKind::kByPerson, [](auto&, auto&) {}, "S5"},
};
class StsNeverEventsTest : public testing::TestWithParam<NeverCase> {};
TEST_P(StsNeverEventsTest, Case) {
  StsState state = HealthySts(GetParam().stage);
  StsEvidence evidence = HealthyStsEvidence(state, Noon(kDay));
  GetParam().change(state, evidence);
  const absl::Status status = CheckNeverEvents(
      state, evidence, Forced(state, GetParam().action, GetParam().to, GetParam().kind),
      Noon(kDay));
  if (GetParam().want.empty()) {
    EXPECT_TRUE(status.ok()) << status;
  } else {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), testing::StartsWith(GetParam().want + ":"));
  }
}
INSTANTIATE_TEST_SUITE_P(All, StsNeverEventsTest, testing::ValuesIn(kNever),
                         [](const auto& one) { return one.param.name; });

TEST(StsStateTest, ReadsNoBrokenBytes) {
  StsState state = HealthySts(StsStage::kTesting);
  Yes(state, StsStage::kEnforce);
  state.gates = {{StsGateId::kMx, true, Noon(3)}};
  const std::string bytes = EncodeStsState(state);
  EXPECT_EQ(DecodeStsState(bytes).value(), state);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodeStsState(bytes.substr(0, size)).status().code(), absl::StatusCode::kDataLoss)
        << size;
  }
  EXPECT_FALSE(DecodeStsState(bytes + "1;").ok());
  EXPECT_FALSE(DecodeStsInput(bytes).ok());
}

}  // namespace
}  // namespace dmarcate
