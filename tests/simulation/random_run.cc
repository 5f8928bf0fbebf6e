#include "tests/simulation/random_run.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "tests/simulation/honest_truth.h"
#include "tests/simulation/people.h"

namespace dmarcate::simulation {
namespace {

using Call = FakeDnsProvider::Call;
using Moment = FakeDnsProvider::Moment;

constexpr int32_t kDaysToTarget = 110;
constexpr int32_t kLastDays = 4;  // of them, in which a gate that opens explains what is late
constexpr std::string_view kDomain = "example.com";

struct Service {
  const char* id;
  const char* signs_as;
  const char* selector;
  const char* include;
};
constexpr Service kServices[] = {{"sendgrid", "sendgrid.net", "k1", "sendgrid.net"},
                                 {"salesforce", "salesforce.com", "k2", "_spf.salesforce.com"},
                                 {"mailgun", "mailgun.org", "k3", "mailgun.org"},
                                 {"amazon-ses", "amazonses.com", "k4", "amazonses.com"}};

class Run {
 public:
  Run(uint64_t seed, const RunOptions& options) : options_(options), dice_(seed * 2 + 1) {
    result_.seed = seed;
    const bool honest = dice_.OneIn(3);
    result_.honest =
        options.honesty == Honesty::kEither ? honest : options.honesty == Honesty::kHonest;
    WorldOptions world;
    world.begin += absl::Hours(24 * dice_.Below(365));
    world.ticks = {static_cast<int>(dice_.Between(6, 12)) * 60 + 7};
    if (dice_.OneIn(3)) world.ticks.push_back(static_cast<int>(dice_.Between(13, 22)) * 60 + 31);
    if (!result_.honest) {
      world.policyds = dice_.OneIn(4) ? 2 : 1;
      if (dice_.OneIn(4)) world.provider_class = ProviderClass::kB;
    }
    world_ = std::make_unique<SimWorld>(seed, world);
    judge_ = std::make_unique<Judge>(*world_);
  }

  RunResult Do() {
    Build();
    people_ = std::make_unique<People>(result_.seed, *world_, *site_);
    people_->SetRules(state_.mode, result_.honest);
    if (people_->two()) ++result_.troubles["two people"];
    if (options_.spoil) options_.spoil(*world_);
    world_->RunTo(absl::Hours(1));
    state_.settings.hours.from_minute = 0;
    if (!world_->Start(*site_, state_).ok()) return std::move(result_);
    if (options_.spoil_rollout) options_.spoil_rollout(*world_, *site_);
    if (!result_.honest) PlanTroubles();
    const auto days =
        result_.honest ? kDaysToTarget : static_cast<int32_t>(dice_.Between(120, 200));
    for (int32_t day = 1; day <= days; ++day) {
      world_->RunTo(absl::Hours(24 * day));
      world_->RunTo(absl::Hours(24 * day) + absl::Minutes(dice_.Between(10 * 60, 15 * 60)));
      Operate();
      Note();
      if (!judge_->violations().empty() || (result_.honest && result_.reached && !options_.go_on))
        break;
    }
    Conclude();
    return std::move(result_);
  }

 private:
  void Build() {
    site_ =
        &world_->AddDomain(std::string(kDomain),
                           "v=DMARC1; p=none; fo=1; rua=mailto:r@reports.test,mailto:o@other.test",
                           "v=spf1 ip4:198.51.100.0/24 -all");
    for (const Service& service : kServices) {
      world_->AddName(service.include, "v=spf1 ip4:192.0.2.0/24 -all");
    }
    Sender own{.kind = Sender::Kind::kOwn,
               .id = "own-example.com",
               .selector = "s1",
               .daily = dice_.From({6, 30, 120, 120, 500, 3000})};
    own.listed = dice_.From({0, 0, 0.003, 0.02});
    own.passed_on = dice_.From({0, 0.01, 0.05});
    own.unsigned_share = dice_.From({0, 0, 0.002});
    if (dice_.OneIn(15)) {
      own.selector.clear();  // nobody has set up DKIM
      own.unsigned_share = 1;
    }
    world_->AddSender(*site_, own);
    Approve(own.id);
    const auto services = static_cast<size_t>(dice_.Below(4));
    for (size_t i = 0; i < services; ++i) {
      Sender sender = ServiceSender(kServices[i], own.daily * dice_.From({0.1, 0.5, 1}));
      sender.failing = dice_.From({0, 0, 0, 0, 0.001, 0.004, 0.03});
      if (dice_.OneIn(10)) sender.every_days = 30;
      sender.first_day = -static_cast<int32_t>(dice_.Below(30));
      world_->AddSender(*site_, sender);
      Approve(sender.id);
    }
    if (dice_.OneIn(2)) {
      world_->AddSender(*site_, {.kind = Sender::Kind::kSpoofer,
                                 .id = "spf-spoofer.test",
                                 .daily = own.daily * dice_.From({0.1, 1, 5})});
    }
    world_->AddReporter({.key = "google.com",
                         .share = 0.55,
                         .delay_hours = static_cast<int32_t>(dice_.Between(3, 10)),
                         .twice = 0.05});
    world_->AddReporter({.key = "microsoft.com",
                         .share = 0.3,
                         .period_offset_hours = static_cast<int32_t>(dice_.From({0, 0, 5, 8})),
                         .late = dice_.From({0, 0, 0.03})});
    if (dice_.OneIn(2)) {
      world_->AddReporter(
          {.key = "yahooinc.com", .share = 0.15, .twice = 0.1, .says_testing = dice_.OneIn(2)});
    }
    if (dice_.OneIn(6)) {
      world_->AddReporter({.key = "mail.ru", .share = 0.05, .every_days = 7, .sends_empty = true});
    }
    world_->AddReporter({.key = "small.test", .share = 0.02, .trust = TrustClass::kAuthenticated});
    state_.mode = dice_.OneIn(2) ? RolloutMode::kAutomatic : RolloutMode::kConfirm;
    if (!result_.honest && dice_.OneIn(12)) state_.mode = RolloutMode::kAdvise;
    state_.target = dice_.OneIn(3) ? PolicyStage::kQuarantine : PolicyStage::kReject;
    state_.settings.ordinary_mailboxes = dice_.OneIn(2);
    if (state_.target == PolicyStage::kReject && state_.settings.ordinary_mailboxes) {
      state_.settings.accepted_loss = "mail through lists";
    }
  }

  static Sender ServiceSender(const Service& service, double daily) {
    return {.kind = Sender::Kind::kService,
            .id = service.id,
            .signs_as = service.signs_as,
            .selector = service.selector,
            .daily = daily};
  }

  void Approve(const std::string& id) { world_->Decide(*site_, id, SourceState::kApproved); }

  // What can go wrong --------------------------------------------------------------------------

  absl::Duration SomeTime() {
    return absl::Hours(24 * dice_.Between(2, 150)) + absl::Minutes(dice_.Below(24 * 60));
  }
  absl::Duration Span(int64_t least_hours, int64_t most_hours) {
    return absl::Minutes(dice_.Between(60 * least_hours, 60 * most_hours));
  }
  // `what` at a random time, with a name for the print.
  void Plan(const char* name, absl::Duration when, std::function<void()> what) {
    ++result_.troubles[name];
    world_->At(when, [this, name, what = std::move(what)] {
      Print(name);
      what();
    });
  }
  template <typename F>
  void Times(int64_t one_in, int64_t most, F plan) {
    if (!dice_.OneIn(one_in)) return;
    const int64_t times = dice_.Between(1, most);
    for (int64_t i = 0; i < times; ++i) plan();
  }

  void PlanTroubles() {
    Times(2, 4, [this] { PlanKill(); });
    Times(2, 3, [this] { PlanProviderFault(); });
    Times(3, 3, [this] { PlanServers(); });
    Times(4, 2, [this] { PlanIntake(); });
    Times(4, 2, [this] { PlanSilence(); });
    Times(3, 2, [this] { PlanFailing(); });
    Times(3, 2, [this] { PlanKeyGone(); });
    Times(4, 1, [this] { PlanNewService(); });
    Times(3, 2, [this] { PlanHand(); });
    Times(3, 2, [this] { PlanOperator(); });
    Times(6, 2, [this] { PlanClock(); });
    Times(4, 2, [this] { PlanSurroundings(); });
    Times(4, 1, [this] { PlanLiar(); });
    Times(2, 2, [this] { PlanForger(); });
    Times(4, 2, [this] { PlanSpf(); });
    if (const int freezes = people_->PlanFreezes(); freezes > 0) {
      result_.troubles["freeze"] += freezes;
    }
  }

  void PlanKill() {
    const auto effects = static_cast<int>(dice_.Between(1, 14));
    const auto which = static_cast<size_t>(dice_.Below(static_cast<int64_t>(world_->policyds())));
    const absl::Duration when = SomeTime();
    Plan("kill", when, [this, which, effects] { world_->Kill(which, effects); });
    Plan("start", when + Span(1, 72), [this, which] { world_->Revive(which); });
  }

  void PlanProviderFault() {
    const absl::Status statuses[] = {absl::UnavailableError("503"), absl::UnknownError("reset"),
                                     absl::PermissionDeniedError("401"), absl::OkStatus()};
    FakeDnsProvider::Fault fault;
    fault.call = dice_.OneIn(3) ? Call::kRead : Call::kApply;
    fault.status = statuses[dice_.Below(4)];
    fault.moment = static_cast<Moment>(dice_.Below(3));
    if (!fault.status.ok() && fault.status.code() != absl::StatusCode::kUnknown) {
      fault.moment = Moment::kBefore;
    }
    fault.times = static_cast<int>(dice_.Between(1, 3));
    const absl::Duration when = SomeTime();
    Plan("provider", when, [this, fault] { world_->provider->Inject(fault); });
    world_->At(when + Span(100, 400), [this] { world_->provider->ClearFaults(); });
  }

  void PlanServers() {
    const auto index = static_cast<size_t>(dice_.Below(SimDns::kServers));
    SimDns::Server server;
    const int64_t kind = dice_.Below(4);
    const absl::Duration when = SomeTime();
    if (kind == 3) {
      Plan("dns down", when, [this] { world_->dns.SetDown(true); });
      world_->At(when + Span(1, 30), [this] { world_->dns.SetDown(false); });
      return;
    }
    if (kind == 0) server.silent = true;
    if (kind == 1) server.lag = Span(0, 6);
    if (kind == 2) server.lie = std::vector<std::string>{"v=DMARC1; p=reject", "v=spf1 -all"};
    Plan("server", when, [this, index, server] { world_->dns.Configure(index, server); });
    world_->At(when + Span(1, 60), [this, index] { world_->dns.Configure(index, {}); });
  }

  void PlanIntake() {
    const auto how = dice_.OneIn(2) ? SimWorld::Intake::kDown : SimWorld::Intake::kBacklog;
    const absl::Duration when = SomeTime();
    Plan("intake", when, [this, how] { world_->StopIntake(*site_, how); });
    world_->At(when + Span(6, 150), [this] { world_->StartIntake(*site_); });
  }

  void PlanSilence() {
    const absl::Duration when = SomeTime();
    const auto days = static_cast<int32_t>(dice_.Between(2, 25));
    Plan("silence", when, [this, days] {
      Reporter& who = world_->reporters[static_cast<size_t>(dice_.Below(2))];
      who.silent_from = world_->day();
      who.silent_to = world_->day() + days;
    });
  }

  // One of the services, or nobody.
  Sender* SomeService() {
    for (Sender& sender : site_->senders) {
      if (sender.kind == Sender::Kind::kService && sender.first_day < world_->day()) return &sender;
    }
    return nullptr;
  }

  void PlanFailing() {
    const absl::Duration when = SomeTime();
    const double failing = dice_.From({0.03, 0.2, 1});
    Plan("failing", when, [this, failing] {
      if (Sender* sender = SomeService()) sender->failing = failing;
    });
    world_->At(when + Span(24, 400), [this] {
      if (Sender* sender = SomeService()) sender->failing = 0;
    });
  }

  void PlanKeyGone() {
    const absl::Duration when = SomeTime();
    const auto which = static_cast<size_t>(dice_.Below(2));
    if (which >= site_->senders.size() || site_->senders[which].selector.empty()) return;
    const std::string selector = site_->senders[which].selector;
    Plan("key gone", when, [this, selector, which] {
      world_->SetKey(*site_, selector, false);
      site_->senders[which].failing = site_->senders[which].kind == Sender::Kind::kService ? 1 : 0;
      site_->senders[which].unsigned_share = 1;
    });
    world_->At(when + Span(1, 200), [this, selector, which] {
      world_->SetKey(*site_, selector, true);
      site_->senders[which].failing = site_->senders[which].unsigned_share = 0;
    });
  }

  void PlanNewService() {
    const Service& service = kServices[3];
    Sender sender =
        ServiceSender(service, site_->senders.front().daily * dice_.From({0.05, 0.3, 1}));
    sender.first_day = static_cast<int32_t>(SomeTime() / absl::Hours(24));
    sender.failing = dice_.From({0, 1});
    world_->AddSender(*site_, sender);
    ++result_.troubles["new service"];
    if (dice_.OneIn(3)) return;  // nobody ever decides
    const auto state = dice_.OneIn(4) ? SourceState::kRejected : SourceState::kApproved;
    Plan("decision", absl::Hours(24 * sender.first_day) + Span(1, 300), [this, service, state] {
      world_->Decide(*site_, service.id, state);
      for (Sender& one : site_->senders) {
        if (one.id == service.id && state == SourceState::kApproved) one.failing = 0;
      }
    });
  }

  // Somebody edits the record, beside Dmarcate.
  void PlanHand() {
    const int64_t kind = dice_.Below(7);
    Plan("by hand", SomeTime(), [this, kind] {
      const std::string owner = fmt::format("_dmarc.{}", kDomain);
      std::vector<std::string> texts = world_->dns.Texts(DomainName::Parse(owner).value());
      if (texts.empty()) texts = {"v=DMARC1; p=none; rua=mailto:r@reports.test"};
      const std::string tail = "; rua=mailto:r@reports.test; ri=86400";
      switch (kind) {
        case 0:
          texts = {"v=DMARC1; p=none" + tail};
          break;
        case 1:
          texts = {"v=DMARC1; p=reject" + tail};
          break;
        case 2:
          texts = {"v=DMARC1; p=quarantine; pct=30" + tail};
          break;
        case 3:
          texts.front() += ",mailto:third@else.test";  // an address more: no business of ours
          break;
        case 4:
          texts = {texts.front(), "v=DMARC1; p=none"};
          break;
        case 5:
          texts.clear();
          break;
        default:
          texts = {"v=DMARC1; p=none; np=reject" + tail};
      }
      world_->WriteByHand(owner, texts);
    });
  }

  void PlanOperator() {
    switch (dice_.Below(5)) {
      case 0:
      case 1:
        Plan("pause", SomeTime(), [this] { (void)world_->Pause(*site_); });
        break;
      case 2:
        Plan("abort", SomeTime(), [this] { (void)world_->Abort(*site_, PolicyStage::kObserve); });
        break;
      case 3:
        Plan("abort to quarantine", SomeTime(),
             [this] { (void)world_->Abort(*site_, PolicyStage::kQuarantine); });
        break;
      default:
        Plan("rollback", SomeTime(), [this] { RollBack(); });
    }
  }

  void RollBack() {
    const auto changes = world_->policies.ListChanges(kDomain, "", 5);
    if (!changes.ok() || changes->empty() || world_->IsDead(0)) return;
    const ChangeRecord& change = changes->front();
    (void)world_->life(0).engine().Rollback({.domain = change.domain,
                                             .id = change.id,
                                             .revision = change.revision,
                                             .principal = "ann"});
  }

  void PlanClock() {
    const absl::Duration when = SomeTime();
    constexpr int kHours[] = {-24 * 400, -24 * 40, -30, -2, 2, 30, 24 * 40, 24 * 400};
    const int hours = kHours[dice_.Below(8)];
    Plan("clock", when, [this, hours] { world_->JumpWall(absl::Hours(hours)); });
    world_->At(when + Span(1, 60), [this] { world_->JumpWall(absl::ZeroDuration()); });
  }

  void PlanSurroundings() {
    const int64_t kind = dice_.Below(5);
    const auto set = [this, kind](bool bad) {
      Surroundings& around = site_->around;
      if (kind == 0) around.suspended = bad;
      if (kind == 1) around.writable = !bad;
      if (kind == 2) around.proven = !bad;
      if (kind == 3) around.disk_full = bad;
      if (kind == 4) around.reports_readable = !bad;
    };
    const absl::Duration when = SomeTime();
    Plan("surroundings", when, [set] { set(true); });
    world_->At(when + Span(4, 300), [set] { set(false); });
  }

  // A known receiver that is compromised.
  void PlanLiar() {
    ++result_.troubles["liar"];
    Reporter& liar = world_->reporters[static_cast<size_t>(dice_.Below(2))];
    liar.lie = static_cast<Reporter::Lie>(dice_.Between(1, 3));
    liar.lies_from = static_cast<int32_t>(dice_.Below(100));
    liar.lie_volume = dice_.From({1, 1, 10, 1000});
  }

  // Reports in a known name, or in any, by strangers.
  void PlanForger() {
    ++result_.troubles["forger"];
    const TrustClass classes[] = {TrustClass::kAuthenticated, TrustClass::kImported,
                                  TrustClass::kUnverified, TrustClass::kQuarantined};
    Reporter forger;
    forger.trust = classes[dice_.Below(4)];
    // ingestd keeps what is forged in an anchor's name apart by its class.
    forger.key = forger.trust == TrustClass::kQuarantined ? "google.com" : "forger.test";
    forger.share = dice_.From({0.1, 5});
    forger.lie = static_cast<Reporter::Lie>(dice_.Between(1, 3));
    forger.lie_volume = dice_.From({1, 100});
    forger.every_days = static_cast<int32_t>(dice_.Between(1, 9));
    forger.silent_to = static_cast<int32_t>(dice_.Between(0, 100));
    forger.silent_from = 0;
    world_->AddReporter(forger);
    const absl::Duration review = absl::Hours(24 * dice_.Between(100, 140));
    world_->At(review, [this, forger] {
      for (Reporter& one : world_->reporters) {
        if (one.trust == forger.trust && one.key == forger.key) one.silent_to = 1'000'000;
      }
      site_->shelf.Review();
    });
  }

  // SPF is changed by Dmarcate meanwhile, as an operator approves by include.
  void PlanSpf() {
    const Service& service = kServices[static_cast<size_t>(dice_.Below(3))];
    const bool approve = !dice_.OneIn(3);
    Plan("spf", SomeTime(), [this, service, approve] {
      // Who has no provider for the domain can plan nothing.
      if (world_->IsDead(0) || !site_->around.proven) return;
      AuthorizationSpec authorization{.kind = AuthorizationSpec::Kind::kSpfInclude,
                                      .include_domain = service.include};
      world_->Decide(*site_, service.id, approve ? SourceState::kApproved : SourceState::kRejected,
                     authorization);
      ChangeIntent intent;
      intent.spf_from_decisions = true;
      ChangeEngine& engine = world_->life(0).engine();
      const auto plan = engine.Plan(kDomain, intent, "ann");
      if (!plan.ok() || plan->state != ChangeState::kPlanned) return;
      (void)engine.Apply({.domain = plan->domain,
                          .id = plan->id,
                          .plan_digest = plan->plan_digest,
                          .revision = plan->revision,
                          .principal = "ann"});
    });
  }

  // What people do -----------------------------------------------------------------------------

  void Operate() {
    const std::optional<Rollout> rollout = world_->RolloutOf(*site_);
    if (!rollout.has_value()) return;
    const RolloutState& state = rollout->state;
    if (state.status == RolloutStatus::kActive && state.mode == RolloutMode::kConfirm &&
        dice_.Happens(0.6)) {
      if (people_->SayYes()) Print("yes");
    }
    if (state.status == RolloutStatus::kActive && state.mode == RolloutMode::kAutomatic &&
        people_->Look() && people_->SayYes()) {
      Print("yes");
    }
    if (state.status == RolloutStatus::kPaused && dice_.Happens(0.15)) {
      if (dice_.OneIn(2)) PutRight();
      Print(fmt::format("resume: {}", world_->Resume(*site_).ToString()));
    }
    if (state.status == RolloutStatus::kAborted && dice_.Happens(0.05)) {
      Print(fmt::format("again: {}", world_->Start(*site_, state_).ToString()));
    }
  }

  // The record is one again, on a stage.
  void PutRight() {
    const std::string owner = fmt::format("_dmarc.{}", kDomain);
    if (RungOf(world_->dns.Texts(DomainName::Parse(owner).value())) >= 0) return;
    world_->WriteByHand(owner, {"v=DMARC1; p=none; rua=mailto:r@reports.test"});
  }

  void Note() {
    const std::optional<Rollout> rollout = world_->RolloutOf(*site_);
    if (!rollout.has_value()) return;
    if (rollout->state.status == RolloutStatus::kCompleted && !result_.reached) {
      result_.reached = true;
      result_.reached_on = world_->day();
    }
    if (result_.honest && world_->day() > kDaysToTarget - kLastDays) Hold();
    if (!options_.print) return;
    const auto log = world_->rollouts.ListRolloutLog(kDomain, site_->rollout_id, "", 1);
    if (!log.ok() || log->empty()) return;
    const std::string text = fmt::format("{} {}: {}", ToString(rollout->state.stage),
                                         ToString(rollout->state.status), log->front().text);
    if (text != said_) Print(text);
    said_ = text;
  }

  void Print(std::string_view text) const {
    if (!options_.print) return;
    std::printf("  day %6.2f  %s\n", absl::ToDoubleHours(world_->now()) / 24,
                std::string(text).c_str());
  }

  void Conclude() {
    judge_->CheckEnd();
    result_.violations = judge_->violations();
    result_.days = world_->day();
    result_.writes = judge_->writes();
    result_.ups = judge_->ups();
    result_.downs = judge_->downs();
    result_.replayed = judge_->replayed();
    result_.kills = world_->kills;
    result_.ticks = world_->ticks;
    if (!result_.honest || result_.reached) return;
    const auto explained = world_->Explain(*site_);
    if (!explained.ok()) {
      result_.waits_for = result_.truth = explained.status().ToString();
      return;
    }
    const RolloutState& state = explained->rollout.state;
    if (state.status == RolloutStatus::kPaused) {
      result_.waits_for = fmt::format("pause {}", ToString(state.pause_reason));
      if (!IsTruePause(state.pause_reason, *world_, *site_)) result_.truth = state.pause_detail;
      return;
    }
    Held held = HeldBy(*explained);
    // What it waited for is over since this morning: it is on its way, and was held until now.
    if (held.closed.empty()) held = held_;
    result_.waits_for = Join(held.closed, " ");
    result_.truth = held.closed.empty() ? explained->step.reason : Join(held.untrue, "; ");
  }

  struct Held {
    std::vector<std::string> closed;  // gates
    std::vector<std::string> untrue;  // those of them that need not be closed, with what they say
  };

  Held HeldBy(const RolloutExplanation& explained) const {
    Held held;
    for (const Gate& gate : explained.step.gates) {
      if (gate.holds) continue;
      held.closed.emplace_back(ToString(gate.id));
      if (!IsTrulyUnmet(gate.id, *world_, *site_, explained.rollout.state, *judge_)) {
        held.untrue.push_back(fmt::format("{}: {}", ToString(gate.id), gate.measured));
      }
    }
    return held;
  }

  // Remembers what holds the rollout back, in the last days of an honest run.
  void Hold() {
    const auto explained = world_->Explain(*site_);
    if (!explained.ok() || explained->rollout.state.status != RolloutStatus::kActive) return;
    Held held = HeldBy(*explained);
    if (!held.closed.empty()) held_ = std::move(held);
  }

  const RunOptions& options_;
  Dice dice_;
  RunResult result_;
  std::unique_ptr<SimWorld> world_;
  std::unique_ptr<Judge> judge_;
  SimWorld::Site* site_ = nullptr;
  std::unique_ptr<People> people_;
  RolloutState state_;
  std::string said_;
  Held held_;
};

}  // namespace

RunResult RunSeed(uint64_t seed, const RunOptions& options) { return Run(seed, options).Do(); }

}  // namespace dmarcate::simulation
