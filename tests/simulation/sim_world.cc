#include "tests/simulation/sim_world.h"

#include <algorithm>

#include "fmt/format.h"

#include "policyd/plan/txt_image.h"
#include "policyd/reconcile/rollout_rules_book.h"
#include "policyd/rollout/next_step.h"

namespace dmarcate::simulation {
namespace {

constexpr std::string_view kKey =
    "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
constexpr std::string_view kOperator = "ann";

absl::Status NoPolicyd() { return absl::UnavailableError("no policyd runs"); }

}  // namespace

SimWorld::SimWorld(uint64_t seed, const WorldOptions& options)
    : clock(options.begin),
      dice(seed),
      provider(std::make_shared<FakeDnsProvider>(options.provider_class)),
      options_(options),
      random_(seed),
      rules_random_(seed + 1) {
  provider->OnChange(
      [this](const DomainName& owner, const RrSet& rrset) { Changed(owner, rrset); });
  DnsProviderRecord record;
  record.id = "dns";
  record.type = "fake";
  (void)policies.PutProvider(record).value();
}

SimWorld::~SimWorld() = default;

SimWorld::Site* SimWorld::SiteOf(std::string_view owner) {
  for (const auto& [domain, site] : sites) {
    if (owner == domain || owner.ends_with("." + domain)) return site.get();
  }
  return nullptr;
}

void SimWorld::Changed(const DomainName& owner, const RrSet& rrset) {
  Site* const site = SiteOf(owner.text());
  if (begun_) {
    for (const auto& [domain, one] : sites) one->watch.CatchUp();  // what was until now
  }
  const std::vector<std::string> now = TextsOf(rrset.records);
  std::vector<std::string>& before = texts_[owner.text()];
  dns.Note(owner, now);
  if (site != nullptr && begun_) {
    const auto& tell = by_hand_ ? on_foreign : on_write;
    if (tell) tell(*site, owner.text(), before, now);
  }
  before = now;
}

SimWorld::Site& SimWorld::AddDomain(const std::string& domain, const std::string& dmarc,
                                    const std::string& spf) {
  const DomainName name = DomainName::Parse(domain).value();
  std::unique_ptr<Site>& site = sites[domain];
  site = std::make_unique<Site>(domain, dns, policies, clock);
  dns.AddZone(name);
  provider->AddZone(name);
  provider->SetTexts(name, {spf});
  provider->SetTexts(name.Child("_dmarc").value(), {dmarc});
  DomainRecord record;
  record.name = domain;
  record.dns_provider = "dns";
  (void)policies.PutDomain(record).value();
  evidence.Add(domain, {site->shelf, site->watch, site->around});
  return *site;
}

void SimWorld::AddSender(Site& site, Sender sender) {
  if (!sender.selector.empty()) {
    SetKey(site, sender.selector, true);
    site.watch.AddSelector(sender.selector);
  }
  site.senders.push_back(std::move(sender));
}

void SimWorld::AddName(const std::string& name, const std::string& spf) {
  dns.AddZone(DomainName::Parse(name).value());
  WriteByHand(name, {spf});
}

void SimWorld::At(absl::Duration when, std::function<void()> what) {
  agenda_.emplace(when, std::move(what));
}

bool SimWorld::MayWrite() const {
  return writes_anyway || std::ranges::all_of(sites, [](const auto& entry) {
           return entry.second->around.writable;
         });
}

void SimWorld::Build(size_t index) {
  if (wrap_provider && wrapped_provider_ == nullptr) wrapped_provider_ = wrap_provider(*provider);
  if (wrap_rollouts && wrapped_rollouts_ == nullptr) wrapped_rollouts_ = wrap_rollouts(rollouts);
  const LifeWorld world{
      policies,
      wrapped_rollouts_ != nullptr ? *wrapped_rollouts_ : static_cast<RolloutStore&>(rollouts),
      wrapped_provider_ != nullptr ? *wrapped_provider_ : static_cast<DnsProvider&>(*provider),
      dns,
      evidence,
      *suffixes_,
      clock,
      random_,
      [this] { return MayWrite(); }};
  lives_[index].reset();
  lives_[index] = std::make_unique<PolicydLife>(
      world, options_.policyds > 1 ? StoreUse::kShared : StoreUse::kExclusive);
}

void SimWorld::BeginDay() {
  const absl::Duration midnight = absl::Hours(24 * day());
  for (size_t i = 0; i < reporters.size(); ++i) {
    for (const auto& [domain, site] : sites) {
      if (day() % reporters[i].every_days != 0) continue;
      Make(*site, i, midnight + absl::Hours(reporters[i].period_offset_hours));
    }
  }
  for (const int minute : options_.ticks) {
    At(midnight + absl::Minutes(minute), [this] { TickAll(); });
  }
  At(midnight + absl::Hours(24), [this] { BeginDay(); });
}

// The report is made when its period is over, from the mail as the world is then.
void SimWorld::Make(Site& site, size_t reporter, absl::Duration begin) {
  const int32_t of_day = day();
  At(begin + absl::Hours(24), [this, &site, reporter, begin, of_day] {
    const Reporter& who = reporters[reporter];
    const absl::Duration seen = begin + absl::Minutes(dice.Below(24 * 60));
    const std::vector<std::string> record =
        dns.TextsAt(DomainName::Parse("_dmarc." + site.domain).value(), seen);
    MadeReport report =
        MakeReport(site.domain, site.senders, who, static_cast<int32_t>(reporter),
                   options_.begin + begin, of_day, record.empty() ? "" : record.front(), dice);
    if (report.empty() && !who.sends_empty) return;
    if (of_day >= who.silent_from && of_day <= who.silent_to) return;
    absl::Duration delay =
        absl::Minutes(60 * who.delay_hours + dice.Below(60 * who.delay_spread_hours + 1));
    if (dice.Happens(who.late)) delay += absl::Hours(24 * dice.Between(1, 4));
    if (dice.Happens(who.twice)) {
      At(now() + delay + absl::Minutes(dice.Below(72 * 60)),
         [this, &site, report, reporter] { Deliver(site, report, reporter); });
    }
    At(now() + delay,
       [this, &site, report = std::move(report), reporter] { Deliver(site, report, reporter); });
  });
}

void SimWorld::Deliver(Site& site, const MadeReport& report, size_t reporter) {
  ++reports_delivered;
  (void)reporter;
  if (site.intake_down) {
    site.waiting.push_back(report);
    // Received is what waits to be read; what is refused comes again later.
    if (site.backlog) site.waiting.back().report.received_time = clock.Now();
    if (site.backlog) site.around.queued = std::ssize(site.waiting);
    return;
  }
  Take(site, report);
}

void SimWorld::Take(Site& site, const MadeReport& made) {
  StoredReport report = made.report;
  if (report.received_time == absl::Time()) report.received_time = clock.Now();
  if (!site.shelf.Put(report) || report.trust != TrustClass::kAnchored) return;
  const auto who = std::ranges::find(reporters, report.reporter_key, &Reporter::key);
  const auto index = static_cast<int32_t>(who - reporters.begin());
  site.delivered.insert(site.delivered.end(), made.truth.begin(), made.truth.end());
  site.claimed[report.key.day] += static_cast<int64_t>(report.report.messages());
  site.reported[index].insert(report.key.day);
  site.last_delivered[index] = now();
}

void SimWorld::RunTo(absl::Duration when) {
  if (!begun_) {
    begun_ = true;
    lives_.resize(options_.policyds);
    for (size_t i = 0; i < lives_.size(); ++i) Build(i);
    BeginDay();
  }
  while (!agenda_.empty() && agenda_.begin()->first <= when) {
    const auto next = agenda_.begin();
    if (next->first > now()) clock.Advance(next->first - now());
    const std::function<void()> what = std::move(next->second);
    agenda_.erase(next);
    what();
  }
  if (when > now()) clock.Advance(when - now());
}

void SimWorld::TickAll() {
  ++ticks;
  for (size_t i = 0; i < lives_.size(); ++i) {
    if (!IsDead(i)) lives_[i]->Tick();
  }
  // What is on its way is looked at again and again.
  const auto pending = rollouts.ListRollouts("-", "", "", 100);
  if (!pending.ok()) return;
  for (const RolloutRecord& record : *pending) {
    if (record.pending_decision.empty()) continue;
    At(now() + absl::Minutes(11), [this] { TickAll(); });
    return;
  }
}

void SimWorld::Nudge() {
  if (nudged_ == now()) return;
  nudged_ = now();
  for (const int minutes : {1, 61, 121, 181, 241, 301}) {
    At(now() + absl::Minutes(minutes), [this] { TickAll(); });
  }
}

void SimWorld::JumpWall(absl::Duration away_from_truth) {
  for (const auto& [domain, site] : sites) site->watch.CatchUp();
  clock.JumpWallTo(TrueTime() + away_from_truth);
  Nudge();
}

RolloutController* SimWorld::Alive() {
  for (const std::unique_ptr<PolicydLife>& life : lives_) {
    if (!life->killer.dead()) return &life->controller();
  }
  return nullptr;
}

std::optional<Rollout> SimWorld::RolloutOf(const Site& site) {
  auto record = rollouts.GetRollout(site.domain, site.rollout_id);
  if (!record.ok()) return std::nullopt;
  auto rollout = ToRollout(*std::move(record));
  if (!rollout.ok()) return std::nullopt;
  return *std::move(rollout);
}

absl::StatusOr<RolloutExplanation> SimWorld::Explain(const Site& site) {
  RolloutController* const controller = Alive();
  if (controller == nullptr) return NoPolicyd();
  return controller->Explain(site.domain, site.rollout_id);
}

absl::Status SimWorld::Start(Site& site, RolloutState state) {
  RolloutController* const controller = Alive();
  if (controller == nullptr) return NoPolicyd();
  state.domain = site.domain;
  const auto rollout = controller->Create(std::move(state), kOperator, RunMode::kExecute);
  if (!rollout.ok()) return rollout.status();
  site.rollout_id = rollout->record.id;
  site.book = OperatorBook();
  site.book.adopted = now();
  return absl::OkStatus();
}

absl::Status SimWorld::Advance(Site& site, const std::string& who) {
  const auto shown = Explain(site);
  if (!shown.ok()) return shown.status();
  const bool waits = std::ranges::any_of(shown->step.gates, &Gate::waits_for_person);
  if (shown->step.action != StepAction::kReady && !waits) {
    return absl::FailedPreconditionError(shown->step.reason);
  }
  AdvanceRequest request;
  request.rollout = {.domain = site.domain,
                     .id = site.rollout_id,
                     .revision = shown->rollout.record.revision,
                     .principal = who};
  request.stage = shown->step.to;
  if (shown->step.action != StepAction::kReady) {  // of mode automatic it does not name the stage
    const std::optional<DmarcRecord> live = LiveRecord(shown->evidence);
    const RolloutState& state = shown->rollout.state;
    const std::optional<PolicyStage> next =
        live.has_value() ? StageAbove(*live, state.scope, state.stage) : std::nullopt;
    if (!next.has_value()) return absl::FailedPreconditionError("no stage above");
    request.stage = *next;
  }
  site.book.yes.push_back({who, request.stage, now()});
  const absl::Status done = Alive()->Advance(request).status();
  if (done.ok()) return done;
  // It may have been written down all the same, before policyd died.
  const std::optional<Rollout> rollout = RolloutOf(site);
  const bool kept =
      IsDead(0) ||
      (rollout.has_value() && rollout->state.confirmation.has_value() &&
       (rollout->state.confirmation->by == who || rollout->state.confirmation->second_by == who));
  if (!kept) site.book.yes.pop_back();
  return done;
}

void SimWorld::WantTwoPeople(const std::string& of) {
  RolloutRulesBook book(rules, clock, rules_random_);
  (void)book.Update({.domain = of, .revision = {}, .principal = std::string(kOperator)},
                    {.two_people = true});
}

void SimWorld::Suspend(const std::string& of, bool suspended) {
  RolloutRulesBook book(rules, clock, rules_random_);
  (void)book.Update({.domain = of, .revision = {}, .principal = std::string(kOperator)},
                    {.suspended = suspended, .suspend_reason = "wait"});
  Nudge();
}

std::string SimWorld::Freeze(const std::string& of, absl::Duration in, absl::Duration length) {
  RolloutRulesBook book(rules, clock, rules_random_);
  const absl::Time begin = clock.Now() + in;
  const auto added =
      book.AddFreeze({.domain = of, .revision = {}, .principal = std::string(kOperator)},
                     {.begin = begin, .end = begin + length, .reason = "fair"});
  if (!added.ok()) return "";
  frozen.push_back({of, added->freeze.id, clock.Now(), begin, begin + length});
  return added->freeze.id;
}

void SimWorld::Thaw(const std::string& of, const std::string& id) {
  RolloutRulesBook book(rules, clock, rules_random_);
  if (!book.RemoveFreeze({.domain = of, .revision = {}, .principal = std::string(kOperator)}, id)
           .ok()) {
    return;
  }
  for (Frozen& freeze : frozen) {
    if (freeze.id == id) freeze.taken_back = clock.Now();
  }
  Nudge();
}

absl::Status SimWorld::Pause(Site& site) {
  RolloutController* const controller = Alive();
  if (controller == nullptr) return NoPolicyd();
  const absl::Status done =
      controller
          ->Pause(
              {.domain = site.domain, .id = site.rollout_id, .principal = std::string(kOperator)},
              "wait")
          .status();
  if (done.ok()) site.book.paused = true;
  return done;
}

absl::Status SimWorld::Resume(Site& site) {
  RolloutController* const controller = Alive();
  const std::optional<Rollout> rollout = RolloutOf(site);
  if (controller == nullptr || !rollout.has_value()) return NoPolicyd();
  const absl::Status done = controller
                                ->Resume({.domain = site.domain,
                                          .id = site.rollout_id,
                                          .revision = rollout->record.revision,
                                          .principal = std::string(kOperator)})
                                .status();
  if (!done.ok()) return done;
  site.book.paused = false;
  site.book.adopted = now();
  return done;
}

absl::Status SimWorld::Abort(Site& site, PolicyStage to) {
  RolloutController* const controller = Alive();
  if (controller == nullptr) return NoPolicyd();
  const std::optional<PolicyStage> before = std::exchange(site.book.abort_to, to);
  const absl::Status done =
      controller
          ->Abort(
              {.domain = site.domain, .id = site.rollout_id, .principal = std::string(kOperator)},
              to)
          .status();
  // It is asked for when it is written down, whatever came of it.
  const std::optional<Rollout> rollout = RolloutOf(site);
  const bool asked = rollout.has_value() && (rollout->state.abort_to.has_value() ||
                                             rollout->state.status == RolloutStatus::kAborted);
  if (!asked) site.book.abort_to = before;
  Nudge();
  return done;
}

void SimWorld::Decide(Site& site, const std::string& source_id, SourceState state,
                      AuthorizationSpec authorization) {
  SourceDecision decision;
  decision.domain = site.domain;
  decision.source_id = source_id;
  decision.state = state;
  decision.authorization = std::move(authorization);
  decision.decided_by = std::string(kOperator);
  decision.decide_time = clock.Now();
  const auto old = policies.GetDecision(site.domain, source_id);
  if (old.ok()) decision.revision = old->revision;
  (void)policies.PutDecision(decision);
}

void SimWorld::WriteByHand(const std::string& owner, const std::vector<std::string>& texts) {
  by_hand_ = true;
  provider->SetTexts(DomainName::Parse(owner).value(), texts);
  by_hand_ = false;
  if (begun_) Nudge();
}

void SimWorld::SetKey(Site& site, const std::string& selector, bool there) {
  WriteByHand(selector + "._domainkey." + site.domain,
              there ? std::vector<std::string>{std::string(kKey)} : std::vector<std::string>{});
}

void SimWorld::StopIntake(Site& site, Intake how) {
  site.intake_down = true;
  site.backlog = how == Intake::kBacklog;
}

void SimWorld::StartIntake(Site& site) {
  site.intake_down = site.backlog = false;
  for (const MadeReport& report : site.waiting) Take(site, report);
  site.waiting.clear();
  site.around.queued = 0;
}

void SimWorld::Kill(size_t index, int effects) {
  ++kills;
  lives_[index]->killer.Arm(effects);
}

void SimWorld::Revive(size_t index) { Build(index); }

}  // namespace dmarcate::simulation
