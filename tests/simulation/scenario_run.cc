// RunScenario of scenario.h.

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "absl/strings/numbers.h"
#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "tests/simulation/judge.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/sim_world.h"

namespace dmarcate::simulation {
namespace {

using Words = std::vector<std::string>;

struct KnownService {
  const char* id;
  const char* signs_as;
};
constexpr KnownService kKnownServices[] = {{"sendgrid", "sendgrid.net"},
                                           {"salesforce", "salesforce.com"},
                                           {"mailgun", "mailgun.org"},
                                           {"amazon-ses", "amazonses.com"}};

absl::Status Wrong(std::string_view why) { return absl::InvalidArgumentError(std::string(why)); }

class Player {
 public:
  absl::Status Do(const Statement& statement) {
    const Words& words = statement.words;
    const std::string& verb = words.front();
    if (world_ == nullptr && !IsSetting(verb)) DMARCATE_RETURN_IF_ERROR(Begin());
    DMARCATE_RETURN_IF_ERROR(verb == "expect" ? Expect(words) : Act(words));
    if (judge_ == nullptr || judge_->violations().empty()) return absl::OkStatus();
    const Violation& violation = judge_->violations().front();
    return absl::FailedPreconditionError(
        fmt::format("never-event {}: {}", violation.rule, violation.text));
  }
  absl::Status End() {
    if (judge_ == nullptr) return Wrong("the scenario does not start");
    judge_->CheckEnd();
    if (judge_->violations().empty()) return absl::OkStatus();
    const Violation& violation = judge_->violations().front();
    return absl::FailedPreconditionError(
        fmt::format("never-event {}: {}", violation.rule, violation.text));
  }
  int held() const { return held_; }
  int32_t days() const { return world_ == nullptr ? 0 : world_->day(); }

 private:
  static bool IsSetting(const std::string& verb) {
    return verb == "domain" || verb == "mode" || verb == "target" || verb == "begin" ||
           verb == "policyds";
  }

  absl::Status Begin() {
    world_ = std::make_unique<SimWorld>(1, options_);
    judge_ = std::make_unique<Judge>(*world_);
    site_ = &world_->AddDomain(domain_, "v=DMARC1; p=none; rua=mailto:r@reports.test",
                               "v=spf1 include:_spf.partner.test ip4:198.51.100.0/24 -all");
    world_->AddName("_spf.partner.test", "v=spf1 ip4:192.0.2.0/24 -all");
    return absl::OkStatus();
  }

  // Numbers and times.
  static absl::StatusOr<double> Number(const std::string& word) {
    double value = 0;
    if (!absl::SimpleAtod(word, &value)) return Wrong(fmt::format("'{}' is no number", word));
    return value;
  }
  // "5 days" at words[i].
  static absl::StatusOr<absl::Duration> Span(const Words& words, size_t i) {
    if (i + 1 >= words.size()) return Wrong("a number and days, hours or minutes are missing");
    DMARCATE_ASSIGN_OR_RETURN(const double number, Number(words[i]));
    const std::string& unit = words[i + 1];
    if (unit.starts_with("day")) return absl::Hours(24) * number;
    if (unit.starts_with("hour")) return absl::Hours(1) * number;
    if (unit.starts_with("minute")) return absl::Minutes(1) * number;
    return Wrong(fmt::format("'{}' is not days, hours or minutes", unit));
  }
  // "key k1" in a list of options; empty: not there.
  static std::string Option(const Words& words, const std::string& name) {
    const auto found = std::ranges::find(words, name);
    return found == words.end() || found + 1 == words.end() ? "" : *(found + 1);
  }
  static bool Has(const Words& words, const std::string& name) {
    return std::ranges::find(words, name) != words.end();
  }

  absl::Status Act(const Words& words) {
    const std::string& verb = words.front();
    const std::string what = words.size() > 1 ? words[1] : "";
    if (verb == "domain") {
      domain_ = what;
    } else if (verb == "mode") {
      const std::map<std::string, RolloutMode> modes = {{"advise", RolloutMode::kAdvise},
                                                        {"confirm", RolloutMode::kConfirm},
                                                        {"automatic", RolloutMode::kAutomatic}};
      if (!modes.contains(what)) return Wrong("mode is advise, confirm or automatic");
      state_.mode = modes.at(what);
    } else if (verb == "target") {
      const std::optional<PolicyStage> stage = ParsePolicyStage(what);
      if (!stage.has_value()) return Wrong("target is quarantine or reject");
      state_.target = *stage;
    } else if (verb == "begin") {
      DMARCATE_ASSIGN_OR_RETURN(const DayNumber day, ParseDay(what));
      options_.begin = StartOfDay(day);
    } else if (verb == "policyds") {
      options_.policyds = what == "2" ? 2 : 1;
    } else if (verb == "sender") {
      return OnSender(words);
    } else if (verb == "reporter") {
      return OnReporter(words);
    } else if (verb == "approve" || verb == "reject") {
      world_->Decide(*site_, SourceIdOf(what),
                     verb == "approve" ? SourceState::kApproved : SourceState::kRejected);
    } else if (verb == "start") {
      if (site_->rollout_id.empty()) world_->RunTo(absl::Hours(1));
      state_.settings.ordinary_mailboxes = false;
      return world_->Start(*site_, state_);
    } else if (verb == "after") {
      DMARCATE_ASSIGN_OR_RETURN(const absl::Duration span, Span(words, 1));
      world_->RunTo(world_->now() + span);
    } else if (verb == "until") {
      return Until(words);
    } else if (verb == "mark") {
      Mark();
    } else if (verb == "pause") {
      return world_->Pause(*site_);
    } else if (verb == "resume") {
      return world_->Resume(*site_);
    } else if (verb == "advance") {
      if (words.size() > 2) return world_->Advance(*site_, words[2]);
      return world_->Advance(*site_);
    } else if (verb == "two") {
      world_->WantTwoPeople(domain_);
    } else if (verb == "freeze") {
      DMARCATE_ASSIGN_OR_RETURN(const absl::Duration span, Span(words, 1));
      freeze_ = world_->Freeze(domain_, absl::ZeroDuration(), span);
    } else if (verb == "thaw") {
      world_->Thaw(domain_, freeze_);
    } else if (verb == "abort") {
      const std::optional<PolicyStage> stage = ParsePolicyStage(what == "none" ? "observe" : what);
      if (!stage.has_value()) return Wrong("abort to none or quarantine");
      (void)world_->Abort(*site_, *stage);  // what cannot be done at once is tried again
    } else {
      return OnAccident(words);
    }
    return absl::OkStatus();
  }

  std::string SourceIdOf(const std::string& word) const {
    return word == "own" ? "own-" + domain_ : word;
  }

  absl::Status OnSender(const Words& words) {
    if (words.size() < 4) return Wrong("sender NAME N a day ..., or sender NAME fails N %");
    const std::string id = SourceIdOf(words[1]);
    const auto known = std::ranges::find(site_->senders, id, &Sender::id);
    if (words[2] == "fails") {
      if (known == site_->senders.end()) return Wrong(fmt::format("there is no sender {}", id));
      DMARCATE_ASSIGN_OR_RETURN(const double share, Number(words[3]));
      known->failing = share / 100;
      return absl::OkStatus();
    }
    Sender sender;
    sender.id = id;
    DMARCATE_ASSIGN_OR_RETURN(sender.daily, Number(words[2]));
    if (known != site_->senders.end()) {
      known->daily = sender.daily;
      return absl::OkStatus();
    }
    sender.selector = Option(words, "key");
    sender.spf_aligned = Has(words, "spf");
    if (words[1] != "own") {
      const auto service = std::ranges::find(kKnownServices, words[1], &KnownService::id);
      if (service == std::end(kKnownServices)) {
        if (words[1] != "spoofer") return Wrong("a sender is own, spoofer or a service");
        sender.kind = Sender::Kind::kSpoofer;
      } else {
        sender.kind = Sender::Kind::kService;
        sender.signs_as = service->signs_as;
      }
    } else if (sender.selector.empty()) {
      sender.unsigned_share = 1;
    }
    sender.first_day = world_->day();
    world_->AddSender(*site_, sender);
    return absl::OkStatus();
  }

  absl::Status OnReporter(const Words& words) {
    if (words.size() < 3) return Wrong("reporter NAME N % ..., or reporter NAME silent");
    const auto known = std::ranges::find(world_->reporters, words[1], &Reporter::key);
    const std::string& what = words[2];
    if (known != world_->reporters.end()) {
      if (what == "silent") {
        known->silent_from = world_->day();
        known->silent_to = 1'000'000;
      } else if (what == "speaks") {
        known->silent_to = world_->day() - 1;
      } else if (what == "late") {
        known->late = 0.3;
      } else if (what == "twice") {
        known->twice = 1;
      } else if (what == "claims") {
        known->lies_from = world_->day();
        known->lie = Has(words, "fails") ? Reporter::Lie::kAllFails : Reporter::Lie::kAllIsWell;
      } else {
        return Wrong("a reporter is silent, speaks, is late, reports twice or claims something");
      }
      return absl::OkStatus();
    }
    Reporter reporter;
    reporter.key = words[1];
    DMARCATE_ASSIGN_OR_RETURN(const double share, Number(what));
    reporter.share = share / 100;
    if (Has(words, "stranger")) reporter.trust = TrustClass::kAuthenticated;
    if (Has(words, "unverified")) reporter.trust = TrustClass::kUnverified;
    if (Has(words, "testing")) reporter.says_testing = true;
    if (const std::string offset = Option(words, "offset"); !offset.empty()) {
      DMARCATE_ASSIGN_OR_RETURN(const double hours, Number(offset));
      reporter.period_offset_hours = static_cast<int32_t>(hours);
    }
    world_->AddReporter(reporter);
    return absl::OkStatus();
  }

  absl::Status OnAccident(const Words& words) {
    const std::string& verb = words.front();
    const std::string what = words.size() > 1 ? words[1] : "";
    Surroundings& around = site_->around;
    if (verb == "intake") {
      if (what == "starts") {
        world_->StartIntake(*site_);
      } else {
        world_->StopIntake(
            *site_, what == "backlog" ? SimWorld::Intake::kBacklog : SimWorld::Intake::kDown);
      }
    } else if (verb == "key") {
      if (words.size() < 3) return Wrong("key SELECTOR gone, or back");
      world_->SetKey(*site_, what, words[2] == "back");
    } else if (verb == "record") {
      world_->WriteByHand("_dmarc." + domain_, Words(words.begin() + 1, words.end()));
    } else if (verb == "spf") {
      world_->WriteByHand(domain_, Words(words.begin() + 1, words.end()));
    } else if (verb == "include") {
      world_->WriteByHand("_spf.partner.test", Words(words.begin() + 1, words.end()));
    } else if (verb == "dns") {
      world_->dns.SetDown(what == "down");
    } else if (verb == "provider") {
      return OnProvider(what);
    } else if (verb == "clock") {
      if (what == "right") {
        world_->JumpWall(absl::ZeroDuration());
        return absl::OkStatus();
      }
      DMARCATE_ASSIGN_OR_RETURN(const absl::Duration span, Span(words, 1));
      world_->JumpWall(span);
    } else if (verb == "suspend" || verb == "release") {
      around.suspended = verb == "suspend";
      world_->Suspend(domain_, around.suspended);
    } else if (verb == "disk") {
      around.disk_full = what == "full";
    } else if (verb == "proof") {
      around.proven = what != "lapses";
    } else if (verb == "reports") {
      around.reports_readable = what != "unreadable";
    } else if (verb == "kill") {
      // kill policyd N, after M effects.
      DMARCATE_ASSIGN_OR_RETURN(const double effects, Number(Option(words, "after")));
      world_->Kill(what == "2" ? 1 : 0, static_cast<int>(effects));
    } else if (verb == "revive") {
      world_->Revive(what == "2" ? 1 : 0);
      world_->Nudge();
    }
    return absl::OkStatus();
  }

  absl::Status OnProvider(const std::string& what) {
    FakeDnsProvider::Fault fault;
    if (what == "works") {
      world_->provider->ClearFaults();
      return absl::OkStatus();
    }
    fault.times = 1000;
    if (what == "refuses") {
      fault.status = absl::PermissionDeniedError("401");
    } else if (what == "forges") {
      // Somebody else writes a third text between the write and its being read back.
      fault.times = 1;
      fault.status = absl::UnknownError("reset");
      fault.moment = FakeDnsProvider::Moment::kAfter;
      fault.hook = [this] {
        world_->WriteByHand("_dmarc." + domain_, {"v=DMARC1; p=none; rua=mailto:third@else.test"});
      };
    } else {
      return Wrong("provider refuses, forges or works");
    }
    world_->provider->Inject(fault);
    return absl::OkStatus();
  }

  // until stage STAGE within N days; until ready within N days.
  absl::Status Until(const Words& words) {
    const auto within = std::ranges::find(words, "within");
    if (within == words.end()) return Wrong("until ... within N days");
    DMARCATE_ASSIGN_OR_RETURN(const absl::Duration span,
                              Span(words, static_cast<size_t>(within - words.begin()) + 1));
    const absl::Duration end = world_->now() + span;
    const Words question(words.begin() + 1, within);
    absl::Status answer;
    while (true) {
      answer = Question(question);
      if (answer.ok() || answer.code() == absl::StatusCode::kInvalidArgument) return answer;
      if (!judge_->violations().empty() || world_->now() >= end) return answer;
      world_->RunTo(world_->now() + absl::Hours(6));
    }
  }

  void Mark() {
    writes_at_mark_ = judge_->writes();
    time_at_mark_ = world_->clock.Now();
    const auto shown = world_->Explain(*site_);
    shown_at_mark_ = shown.ok() ? shown->text : "";
  }

  absl::Status Expect(const Words& words) {
    DMARCATE_RETURN_IF_ERROR(Question(Words(words.begin() + 1, words.end())));
    ++held_;
    return absl::OkStatus();
  }

  // OK: it is so. kFailedPrecondition: what is instead.
  absl::Status Question(const Words& words) {
    if (words.empty()) return Wrong("expect what?");
    const auto is_not = [](std::string_view what, std::string_view is, std::string_view why) {
      return absl::FailedPreconditionError(
          fmt::format("{} is {}{}{}", what, is, why.empty() ? "" : ": ", why));
    };
    const std::string& what = words.front();
    const std::string wanted = words.size() > 1 ? words[1] : "";
    if (what == "writes") {
      const int64_t writes = judge_->writes() - writes_at_mark_;
      if (std::to_string(writes) == wanted) return absl::OkStatus();
      return is_not("number of writes since the mark", std::to_string(writes), "");
    }
    if (what == "record") {
      const std::vector<std::string> live = Live();
      if (live == Words(words.begin() + 1, words.end())) return absl::OkStatus();
      return is_not("the record", Join(live, " | "), "");
    }
    if (what == "alert") {
      for (const RolloutLogRecord& entry : Log()) {
        if (entry.alert && entry.time >= time_at_mark_) return absl::OkStatus();
      }
      return is_not("an alert since the mark", "missing", "");
    }
    const std::optional<Rollout> rollout = world_->RolloutOf(*site_);
    if (!rollout.has_value()) return is_not("the rollout", "not there", "");
    const RolloutState& state = rollout->state;
    const std::vector<RolloutLogRecord> log = Log();
    const std::string last = log.empty() ? "" : log.front().text;
    if (what == "stage") {
      if (ToString(state.stage) == wanted) return absl::OkStatus();
      return is_not("the stage", ToString(state.stage), last);
    }
    if (what == "active" || what == "completed" || what == "aborted") {
      if (ToString(state.status) == what) return absl::OkStatus();
      return is_not("the rollout", ToString(state.status), last);
    }
    if (what == "paused") {
      std::string reason(ToString(state.pause_reason));
      std::ranges::replace(reason, ' ', '-');
      if (state.status == RolloutStatus::kPaused && (wanted.empty() || reason == wanted)) {
        return absl::OkStatus();
      }
      return is_not("the rollout",
                    fmt::format("{} ({})", ToString(state.status), ToString(state.pause_reason)),
                    last);
    }
    return AskExplanation(words);
  }

  absl::Status AskExplanation(const Words& words) {
    const std::string& what = words.front();
    const std::string wanted = words.size() > 1 ? words[1] : "";
    const auto shown = world_->Explain(*site_);
    if (!shown.ok()) return absl::FailedPreconditionError(shown.status().ToString());
    const auto is_not = [&shown](std::string_view why) {
      return absl::FailedPreconditionError(fmt::format("{}; {}", why, shown->step.reason));
    };
    if (what == "decision") {
      if (wanted == "unchanged") {
        if (shown->text == shown_at_mark_) return absl::OkStatus();
        return is_not("the explanation is another one than at the mark");
      }
      if (ToString(shown->step.action) == wanted) return absl::OkStatus();
      return is_not(fmt::format("the decision is {}", ToString(shown->step.action)));
    }
    if (what == "said") {
      if (shown->text.find(wanted) != std::string::npos) return absl::OkStatus();
      return is_not(fmt::format("'{}' is not in:\n{}", wanted, shown->text));
    }
    if (what == "advisory") {
      for (const std::string& advisory : shown->evidence.advisories) {
        if (advisory.find(wanted) != std::string::npos) return absl::OkStatus();
      }
      return is_not("there is no such advisory");
    }
    if (what == "excluded") {
      DMARCATE_ASSIGN_OR_RETURN(const double least, Number(wanted));
      const auto days = static_cast<double>(shown->evidence.excluded_days.size());
      if (days >= least) return absl::OkStatus();
      return is_not(fmt::format("{} days are excluded", days));
    }
    if (what == "gate" && words.size() == 3) {
      for (const Gate& gate : shown->step.gates) {
        if (ToString(gate.id) != wanted) continue;
        if (gate.holds == (words[2] == "open")) return absl::OkStatus();
        return is_not(
            fmt::format("{} is {}: {}", wanted, gate.holds ? "open" : "closed", gate.measured));
      }
      return is_not(fmt::format("gate {} was not asked", wanted));
    }
    return Wrong(fmt::format("cannot expect '{}'", Join(words, " ")));
  }

  std::vector<std::string> Live() const {
    return world_->dns.Texts(DomainName::Parse("_dmarc." + domain_).value());
  }
  std::vector<RolloutLogRecord> Log() const {
    const auto log = world_->rollouts.ListRolloutLog(domain_, site_->rollout_id, "", 1000);
    return log.ok() ? *log : std::vector<RolloutLogRecord>();
  }

  std::string domain_ = "example.com";
  WorldOptions options_;
  RolloutState state_ = [] {
    RolloutState state;
    state.mode = RolloutMode::kAutomatic;
    state.target = PolicyStage::kReject;
    return state;
  }();
  std::unique_ptr<SimWorld> world_;
  std::unique_ptr<Judge> judge_;
  SimWorld::Site* site_ = nullptr;
  int64_t writes_at_mark_ = 0;
  absl::Time time_at_mark_ = absl::InfinitePast();
  std::string shown_at_mark_;
  std::string freeze_;  // the last one
  int held_ = 0;
};

}  // namespace

absl::StatusOr<ScenarioResult> RunScenario(std::string_view name, const Scenario& scenario) {
  Player player;
  for (const Statement& statement : scenario.statements) {
    const absl::Status done = player.Do(statement);
    if (done.ok()) continue;
    return MakeError(done.code(), fmt::format("{}:{}: {}: day {}: {}", name, statement.line,
                                              statement.text, player.days(), MessageOf(done)));
  }
  if (const absl::Status end = player.End(); !end.ok()) {
    return MakeError(end.code(), fmt::format("{}: {}", name, MessageOf(end)));
  }
  return ScenarioResult{player.held(), player.days()};
}

}  // namespace dmarcate::simulation
