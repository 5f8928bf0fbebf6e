#include "policyd/rollout/next_step.h"

#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/rollout/codec.h"
#include "policyd/rollout/never_events.h"
#include "tests/policyd/rollout/rollout_testing.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;

struct Case {
  std::string name;
  PolicyStage stage = PolicyStage::kObserve;
  int day = 45;  // of the rollout
  std::function<void(RolloutState&, Evidence&)> change;
  StepAction want = StepAction::kHold;
  std::string want_reason;  // part of it
};

void Confirm(RolloutState& state, PolicyStage stage, double bound = 0) {
  state.mode = RolloutMode::kConfirm;
  state.confirmation = Confirmation{"ann", Noon(44), stage, "e1", bound};
}
void Replace(Evidence& evidence, const std::vector<Traffic>& traffic) {
  const DayNumber last = evidence.anchors[0].days.back();
  evidence.sources.clear();
  for (const Traffic& one : traffic) evidence.sources.push_back(SourceOf(one, last - 59, last));
}
Breakage Gone() {
  Breakage breakage;
  breakage.source_id = "exchange";
  breakage.name = "s1._domainkey.example.com";
  breakage.since = Noon(45) - absl::Hours(1);
  breakage.looks = 4;
  return breakage;
}

const Case kCases[] = {
    {"AllWellGoesUp", PolicyStage::kObserve, 45, [](auto&, auto&) {}, StepAction::kStepUp,
     "step up to quarantine-test"},
    {"AdviceNeverActs", PolicyStage::kObserve, 45,
     [](auto& s, auto&) { s.mode = RolloutMode::kAdvise; }, StepAction::kReady, "only advises"},
    {"ConfirmWaitsForAPerson", PolicyStage::kObserve, 45,
     [](auto& s, auto&) { s.mode = RolloutMode::kConfirm; }, StepAction::kReady,
     "G9 waits for a person"},
    {"APersonsYesIsEnough", PolicyStage::kObserve, 45,
     [](auto& s, auto&) { Confirm(s, PolicyStage::kQuarantineTest); }, StepAction::kStepUp, "up"},
    {"AYesToAnotherStageIsNone", PolicyStage::kObserve, 45,
     [](auto& s, auto&) { Confirm(s, PolicyStage::kQuarantine); }, StepAction::kReady, "G9"},
    {"AYesOnOlderDecisionsIsVoid", PolicyStage::kObserve, 45,
     [](auto& s, auto& e) {
       Confirm(s, PolicyStage::kQuarantineTest);
       e.decisions_etag = "e2";
     },
     StepAction::kReady, "G9"},
    {"DwellIsDaysWithReports", PolicyStage::kObserve, 45,
     [](auto& s, auto&) { s.stage_start = Noon(20); }, StepAction::kHold, "dwell"},
    {"ATestThatIsLeftOutIsSpentBefore", PolicyStage::kObserve, 36,
     [](auto& s, auto& e) {
       e.records.dmarc = {"v=DMARC1; p=none; np=reject"};
       s.settings.gates.observe_days = 30;
     },
     StepAction::kHold, "dwell"},
    {"AndThenItGoesOn", PolicyStage::kObserve, 40,
     [](auto&, auto& e) { e.records.dmarc = {"v=DMARC1; p=none; np=reject"}; }, StepAction::kStepUp,
     "to quarantine:"},
    {"OneAnchorIsNone", PolicyStage::kObserve, 45,
     [](auto&, auto& e) {
       e.anchors[1].days.clear();
       e.anchors[2].days.clear();
     },
     StepAction::kHold, "G1"},
    {"ASilentAnchorCloses", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { e.anchors[2].days.resize(56); }, StepAction::kHold, "G1"},
    {"UnlessItsSilenceIsKnown", PolicyStage::kObserve, 45,
     [](auto&, auto& e) {
       e.anchors[2].days.resize(56);
       e.anchors[2].waived = true;
     },
     StepAction::kStepUp, "up"},
    {"StaleReportsClose", PolicyStage::kObserve, 45,
     [](auto&, auto& e) {
       for (AnchorEvidence& anchor : e.anchors) anchor.last_report = Noon(41);
     },
     StepAction::kHold, "G1"},
    {"AFailingSourceCloses", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { Replace(e, {{.messages = 1000, .failing = 30}}); }, StepAction::kHold,
     "G2"},
    {"ALowVolumeSourceIsListed", PolicyStage::kObserve, 45,
     [](auto&, auto& e) {
       Replace(e, {{}, {.id = "small"}});
       e.sources[1].days = {{DayOf(Noon(44)), 0, 1, 1, 1, 0}};
     },
     StepAction::kStepUp, "up"},
    {"SpfOnlyIsEnoughForQuarantine", PolicyStage::kQuarantineTest, 45,
     [](auto&, auto& e) { Replace(e, {{.spf_only = 300}}); }, StepAction::kStepUp,
     "to quarantine:"},
    {"SpfOnlyIsNotForReject", PolicyStage::kQuarantine, 45,
     [](auto&, auto& e) { Replace(e, {{.spf_only = 300}}); }, StepAction::kHold, "G3"},
    {"APendingSourceThatAlignsCloses", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { Replace(e, {{}, {.id = "new", .standing = SourceStanding::kPending}}); },
     StepAction::kHold, "G4"},
    {"ASpooferDoesNot", PolicyStage::kObserve, 45,
     [](auto&, auto& e) {
       Replace(e, {{},
                   {.id = "spoofer",
                    .standing = SourceStanding::kPending,
                    .messages = 90'000,
                    .failing = 90'000,
                    .looks_legitimate = false}});
     },
     StepAction::kStepUp, "up"},
    {"ASilentSenderMustBeNamed", PolicyStage::kObserve, 45,
     [](auto&, auto& e) {
       e.sources.push_back({.id = "payroll", .standing = SourceStanding::kApproved});
     },
     StepAction::kHold, "G5"},
    {"AndThenItIsKnown", PolicyStage::kObserve, 45,
     [](auto& s, auto& e) {
       e.sources.push_back({.id = "payroll", .standing = SourceStanding::kApproved});
       s.settings.waived_sources = {"payroll"};
     },
     StepAction::kStepUp, "up"},
    {"ElevenLookUpsClose", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { e.records.spf_lookups = 11; }, StepAction::kHold, "G6"},
    {"DriftIsRemembered", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { e.records.last_drift = Noon(42); }, StepAction::kHold, "G6"},
    {"ABacklogCloses", PolicyStage::kObserve, 45, [](auto&, auto& e) { e.ingest.queued = 3; },
     StepAction::kHold, "G7"},
    {"ForwardersClose", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { Replace(e, {{.messages = 1000, .forwarded = 30}}); }, StepAction::kHold,
     "G8"},
    {"ListsKeepMailboxesFromReject", PolicyStage::kQuarantine, 45,
     [](auto& s, auto&) { s.settings.ordinary_mailboxes = true; }, StepAction::kHold, "G8"},
    {"UnlessTheLossIsAccepted", PolicyStage::kQuarantine, 45,
     [](auto& s, auto&) {
       s.settings.ordinary_mailboxes = true;
       s.settings.accepted_loss = "lists are not used here";
     },
     StepAction::kStepUp, "to reject-test"},
    {"FrozenAtYearsEnd", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { e.rules.freezes = {{Noon(40), Noon(50), "year end"}}; },
     StepAction::kHold, "G10"},
    {"NotAnyMore", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { e.rules.freezes = {{Noon(40), Noon(45), "year end"}}; },
     StepAction::kStepUp, "up"},
    {"TwoPeopleAreWantedInAutomaticToo", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { e.rules.two_people = true; }, StepAction::kHold, "G9 waits for two people"},
    {"OneOfTwoHasSaidYes", PolicyStage::kObserve, 45,
     [](auto& s, auto& e) {
       e.rules.two_people = true;
       Confirm(s, PolicyStage::kQuarantineTest);
       s.mode = RolloutMode::kConfirm;
     },
     StepAction::kReady, "has said yes, and another person is wanted"},
    {"BothHave", PolicyStage::kObserve, 45,
     [](auto& s, auto& e) {
       e.rules.two_people = true;
       Confirm(s, PolicyStage::kQuarantineTest);
       s.confirmation->second_by = "bob";
     },
     StepAction::kStepUp, "up"},
    {"OnePersonTwiceIsOne", PolicyStage::kObserve, 45,
     [](auto& s, auto& e) {
       e.rules.two_people = true;
       Confirm(s, PolicyStage::kQuarantineTest);
       s.confirmation->second_by = s.confirmation->by;
     },
     StepAction::kReady, "another person is wanted"},
    {"BothHaveOnOtherApprovals", PolicyStage::kObserve, 45,
     [](auto& s, auto& e) {
       e.rules.two_people = true;
       Confirm(s, PolicyStage::kQuarantineTest);
       s.confirmation->second_by = "bob";
       e.decisions_etag = "e2";
     },
     StepAction::kReady, "G9 waits for two people"},
    {"ApprovalsThatGoOnChanging", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { e.decisions_settled = false; }, StepAction::kHold,
     "while this was decided"},
    {"NotWhileAnotherChangeIsOpen", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { e.control.open_change = "c9"; }, StepAction::kHold, "G10"},
    {"TooLittleMail", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { Replace(e, {{.messages = 10}}); }, StepAction::kHold, "loss-bound"},
    {"APersonMaySignForTooLittleMail", PolicyStage::kObserve, 45,
     [](auto& s, auto& e) {
       Replace(e, {{.messages = 10}});
       Confirm(s, PolicyStage::kQuarantineTest, 0.02);
     },
     StepAction::kStepUp, "up"},
    {"ButNotForFailingMail", PolicyStage::kObserve, 45,
     [](auto& s, auto& e) {
       Replace(e, {{.messages = 100, .failing = 10}});
       Confirm(s, PolicyStage::kQuarantineTest, 0.5);
     },
     StepAction::kHold, "loss-bound"},
    {"ReceiversMustHaveSeenIt", PolicyStage::kQuarantineTest, 45,
     [](auto&, auto& e) {
       for (AnchorEvidence& anchor : e.anchors) anchor.policy_seen_since.reset();
     },
     StepAction::kHold, "receiver-proof"},
    {"DriftPauses", PolicyStage::kQuarantine, 45,
     [](auto&, auto& e) { e.records.dmarc = {"v=DMARC1; p=reject"}; }, StepAction::kPause,
     "pause (drift)"},
    {"LoweredOutsideIsNeverRaisedBack", PolicyStage::kQuarantine, 45,
     [](auto&, auto& e) { e.records.dmarc = {"v=DMARC1; p=none"}; }, StepAction::kPause, "drift"},
    {"AnAliasIsDrift", PolicyStage::kQuarantine, 45,
     [](auto&, auto& e) { e.records.alias = "_dmarc.host.test"; }, StepAction::kPause,
     "it is an alias of _dmarc.host.test"},
    {"TwoRecordsAreDrift", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { e.records.dmarc.push_back("v=DMARC1; p=none"); }, StepAction::kPause,
     "drift"},
    {"UnreadIsNotGone", PolicyStage::kObserve, 45,
     [](auto&, auto& e) {
       e.records.dmarc.clear();
       e.records.looked = absl::InfinitePast();
     },
     StepAction::kHold, "could not be read"},
    {"SomethingThatWeSawBroken", PolicyStage::kReject, 45,
     [](auto&, auto& e) { e.breakages = {Gone()}; }, StepAction::kStepDown,
     "step down to reject-test"},
    {"NotBeforeItIsSure", PolicyStage::kReject, 45,
     [](auto&, auto& e) {
       e.breakages = {Gone()};
       e.breakages[0].looks = 2;
     },
     StepAction::kComplete, "reached"},
    {"BrokenSpfThatDkimCarriesPausesOnly", PolicyStage::kQuarantine, 45,
     [](auto&, auto& e) {
       e.breakages = {Gone()};
       e.breakages[0].kind = BreakageKind::kIncludeBroken;
       e.breakages[0].source_id.clear();
       e.breakages[0].carried = true;
     },
     StepAction::kPause, "all approved mail passes by DKIM"},
    {"NotIfItsMailPassesAnyhow", PolicyStage::kReject, 45,
     [](auto&, auto& e) {
       e.breakages = {Gone()};
       e.breakages[0].carried = true;
     },
     StepAction::kComplete, "reached"},
    // Of a vendor that was left, the key goes as well.
    {"ARetiredSourceLowersNothing", PolicyStage::kReject, 45,
     [](auto&, auto& e) {
       e.breakages = {Gone()};
       Replace(e, {{.id = "other"}});
       e.sources.push_back({.id = "exchange", .standing = SourceStanding::kApproved});
     },
     StepAction::kComplete, "reached"},
    {"OneThatIsSilentForWeeksPausesOnly", PolicyStage::kReject, 45,
     [](auto&, auto& e) {
       e.breakages = {Gone()};
       Replace(e, {{.id = "other"}, {}});
       std::erase_if(e.sources[1].days,
                     [](const SourceDay& day) { return day.day > DayOf(Noon(45)) - 10; });
     },
     StepAction::kPause, "its DKIM key is gone"},
    {"OneStageADay", PolicyStage::kRejectTest, 45,
     [](auto& s, auto& e) {
       e.breakages = {Gone()};
       s.last_auto_down = Noon(45) - absl::Hours(23);
     },
     StepAction::kPause, "one stage down in 24 hours"},
    {"ConfirmOnlyPauses", PolicyStage::kReject, 45,
     [](auto& s, auto& e) {
       e.breakages = {Gone()};
       s.mode = RolloutMode::kConfirm;
     },
     StepAction::kPause, "breakage"},
    {"ReportsAloneNeverLower", PolicyStage::kReject, 45,
     [](auto&, auto& e) { Replace(e, {{.messages = 1000, .failing = 900}}); }, StepAction::kPause,
     "source failing"},
    {"ANewSenderPauses", PolicyStage::kQuarantine, 45,
     [](auto&, auto& e) {
       Replace(e, {{}, {.id = "new", .standing = SourceStanding::kPending, .messages = 100}});
     },
     StepAction::kPause, "new source"},
    {"ChangeThatNeedsAttention", PolicyStage::kQuarantine, 45,
     [](auto&, auto& e) { e.control.attention_change = "c1"; }, StepAction::kPause, "c1"},
    {"EvidenceOfAnotherDomain", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { e.domain = "example.net"; }, StepAction::kHold, "is of example.net"},
    {"ProofLapsed", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { e.control.domain_verified = false; }, StepAction::kHold, "proof"},
    {"DiskFull", PolicyStage::kObserve, 45, [](auto&, auto& e) { e.ingest.disk_full = true; },
     StepAction::kHold, "disk"},
    {"Suspended", PolicyStage::kObserve, 45, [](auto&, auto& e) { e.control.suspended = true; },
     StepAction::kHold, "suspended"},
    {"RestoredBackup", PolicyStage::kObserve, 45,
     [](auto&, auto& e) { e.control.writable = false; }, StepAction::kHold, "restored"},
    {"AbortWithEverythingBroken", PolicyStage::kReject, 45,
     [](auto& s, auto& e) {
       const ControlEvidence control = e.control;
       e = {};
       e.domain = s.domain;
       e.control = control;
       s.abort_to = PolicyStage::kObserve;
     },
     StepAction::kAbort, "abort to observe"},
    {"TargetReached", PolicyStage::kQuarantine, 45,
     [](auto& s, auto&) { s.target = PolicyStage::kQuarantine; }, StepAction::kComplete,
     "quarantine is reached"},
    {"PausedStays", PolicyStage::kQuarantine, 45,
     [](auto& s, auto&) {
       s.status = RolloutStatus::kPaused;
       s.pause_reason = PauseReason::kOperator;
     },
     StepAction::kHold, "paused (operator)"},
};

class NextStepTest : public testing::TestWithParam<Case> {};

TEST_P(NextStepTest, Case) {
  const Case& c = GetParam();
  RolloutState state = HealthyState(c.stage);
  const absl::Time now = Noon(c.day);
  Evidence evidence = HealthyEvidence(state, now);
  c.change(state, evidence);
  const Step step = NextStep(state, evidence, now);
  EXPECT_EQ(ToString(step.action), ToString(c.want)) << step.reason;
  EXPECT_THAT(step.reason, HasSubstr(c.want_reason));
  EXPECT_GT(step.ask_again, now);
  EXPECT_TRUE(CheckNeverEvents(state, evidence, step, now).ok())
      << CheckNeverEvents(state, evidence, step, now);
  // The log makes the same decision of the same bytes, after any number of restarts.
  const DecisionInput input{state, evidence, now};
  const Decision logged = DecodeDecision(EncodeDecision(Record(input, step))).value();
  EXPECT_EQ(DecodeInput(logged.input).value(), input);
  EXPECT_TRUE(Replay(logged).ok()) << Replay(logged);
}
INSTANTIATE_TEST_SUITE_P(All, NextStepTest, testing::ValuesIn(kCases),
                         [](const auto& one) { return one.param.name; });

// A year of rollout: 74 days with reports, and the days of the changes themselves.
TEST(RolloutWalkTest, FromNoneToReject) {
  RolloutState state = HealthyState();
  std::vector<std::string> log;
  for (int day = 1; day < 365; ++day) {
    const absl::Time now = Noon(day);
    const Evidence evidence = HealthyEvidence(state, now);
    const Step step = NextStep(state, evidence, now);
    ASSERT_TRUE(CheckNeverEvents(state, evidence, step, now).ok());
    state = AfterDecision(state, step, now);
    if (step.action == StepAction::kStepUp) state = AfterPublished(state, step, now);
    if (step.action == StepAction::kStepUp || step.action == StepAction::kComplete) {
      log.push_back(fmt::format("{}: {}", day, ToString(state.stage)));
    }
  }
  EXPECT_THAT(log, testing::ElementsAre("31: quarantine-test", "39: quarantine", "70: reject-test",
                                        "78: reject", "79: reject"));
  EXPECT_EQ(state.status, RolloutStatus::kCompleted);
}

TEST(RolloutWalkTest, SinceIsWhenTheGateTurned) {
  RolloutState state = HealthyState();
  for (int day = 1; day <= 20; ++day) {
    const Step step = NextStep(state, HealthyEvidence(state, Noon(day)), Noon(day));
    state = AfterDecision(state, step, Noon(day));
    EXPECT_EQ(GateOf(step, GateId::kDwell).since, Noon(1));
  }
  Evidence evidence = HealthyEvidence(state, Noon(21));
  evidence.ingest.queued = 1;
  const Step step = NextStep(state, evidence, Noon(21));
  EXPECT_EQ(GateOf(step, GateId::kIngest).since, Noon(21));
  EXPECT_EQ(GateOf(step, GateId::kRecords).since, Noon(1));
}

TEST(CodecTest, BytesThatAreNotOursAreRefused) {
  const DecisionInput input{HealthyState(), HealthyEvidence(HealthyState(), Noon(9)), Noon(9)};
  const std::string bytes = EncodeInput(input);
  EXPECT_EQ(EncodeInput(DecodeInput(bytes).value()), bytes);
  for (size_t cut = 0; cut < bytes.size(); cut += 1 + bytes.size() / 300) {
    EXPECT_EQ(DecodeInput(bytes.substr(0, cut)).status().code(), absl::StatusCode::kDataLoss);
  }
  Decision decision = Record(input, NextStep(input.state, input.evidence, input.now));
  decision.input += " ";
  EXPECT_EQ(Replay(decision).code(), absl::StatusCode::kDataLoss);
  decision = Record(input, NextStep(input.state, input.evidence, input.now));
  decision.action = StepAction::kStepUp;
  EXPECT_EQ(Replay(decision).code(), absl::StatusCode::kFailedPrecondition);
}

struct SettingsCase {
  std::string name;
  std::function<void(RolloutSettings&)> change;
  std::string want;  // part of the message; empty: allowed
};
const SettingsCase kSettingsCases[] = {
    {"Defaults", [](auto&) {}, ""},
    {"OneAnchor", [](auto& s) { s.gates.min_anchors = 1; }, "min_anchors: 1 is not in 2 to 20"},
    {"NoDwell", [](auto& s) { s.gates.observe_days = 0; }, "observe_days"},
    {"ShortTest", [](auto& s) { s.gates.test_days = 1; }, "test_days"},
    {"ShortQuarantine", [](auto& s) { s.gates.quarantine_days = 13; }, "quarantine_days"},
    {"LowAlignment", [](auto& s) { s.gates.source_aligned = 0.9; }, "source_aligned"},
    {"NotANumber", [](auto& s) { s.gates.source_dkim = 0.0 / 0.0; }, "source_dkim"},
    {"StaleReports", [](auto& s) { s.gates.freshness = absl::Hours(1000); }, "freshness"},
    {"NoProof", [](auto& s) { s.gates.receiver_proof = 0; }, "receiver_proof"},
    {"HighFloor", [](auto& s) { s.gates.source_floor = 1'000'000; }, "source_floor"},
    {"FreezeBackwards", [](auto& s) { s.freezes = {{Noon(2), Noon(1), "x"}}; }, "freezes"},
    {"NoWorkingDay", [](auto& s) { s.hours.days.fill(false); }, "no day of the week"},
};
class SettingsTest : public testing::TestWithParam<SettingsCase> {};
TEST_P(SettingsTest, Case) {
  RolloutSettings settings;
  GetParam().change(settings);
  const absl::Status got = CheckSettings(settings);
  EXPECT_EQ(got.ok(), GetParam().want.empty()) << got;
  EXPECT_THAT(std::string(got.message()), HasSubstr(GetParam().want));
}
INSTANTIATE_TEST_SUITE_P(All, SettingsTest, testing::ValuesIn(kSettingsCases),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace dmarcate
