#include "tests/simulation/sts_sim.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "fmt/format.h"

#include "lib/mailauth/mta_sts_policy.h"
#include "policyd/mta_sts/codec.h"
#include "policyd/mta_sts/live_record.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/plan/txt_image.h"
#include "policyd/reconcile/rollout_control.h"
#include "tests/policyd/mta_sts/mta_sts_testing.h"

namespace dmarcate::simulation {
namespace {

using Call = FakeDnsProvider::Call;
using Moment = FakeDnsProvider::Moment;

constexpr char kDomainText[] = "example.com";

}  // namespace

StsSim::StsSim(uint64_t seed, bool honest)
    : domain_(Name(kDomainText)),
      owner_(Name("_mta-sts.example.com")),
      dice_(seed),
      honest_(honest),
      served_by_policyd_(rollouts_, world_.clock) {
  world_.clock.JumpWallTo(kBegin);
  begin_ = body_since_ = wanted_since_ = kBegin;
  world_.sts_files = this;
  for (const char* host : {"mx1.example.com", "mx2.example.com"}) hosts_[host].since = kBegin;
  SetHosts();
  if (dice_.OneIn(2)) slowness_ = dice_.Between(1, 8);
  if (dice_.OneIn(3)) Strangers({"verification=stays"});
  world_.observer = [this](const DomainName& owner, const RrSet& rrset) {
    if (owner == owner_) OnWrite(rrset);
  };
  NewLife();
  (void)life_->controller().Create(Wanted(), "ann", RunMode::kExecute);
}

StsState StsSim::Wanted() {
  StsState state;
  state.domain = kDomainText;
  state.mode = dice_.OneIn(3) ? RolloutMode::kConfirm : RolloutMode::kAutomatic;
  state.target = dice_.OneIn(8) && !honest_ ? StsStage::kTesting : StsStage::kEnforce;
  state.settings = HealthyStsSettings();
  state.settings.mx.clear();
  for (const auto& [name, host] : hosts_) state.settings.mx.push_back(name);
  return state;
}

void StsSim::Run(int days) {
  for (int tick = 0; tick < days * 4 && violations_.empty(); ++tick) Tick();
}

void StsSim::Heal(int days) {
  healed_ = true;
  web_ = Web::kOurs;
  blind_ = false;
  reports_ = mx_looked_ = true;
  failing_ = 0;
  world_.provider->ClearFaults();
  world_.resolver.FailAll(absl::OkStatus());
  if (const auto last = Last(); last.has_value()) {
    hosts_.clear();
    for (const std::string& name : last->state.settings.mx) {
      hosts_[name].since = world_.clock.Now();
    }
  }
  PutRecordBack();
  SetHosts();
  NewLife();
  for (int tick = 0; tick < days * 4 && violations_.empty(); ++tick) Tick();
}

// Whoever edited the zone puts back what was there.
void StsSim::PutRecordBack() {
  const std::optional<StsRollout> last = Last();
  if (!last.has_value() || !last->state.pending_change.empty()) return;
  std::vector<std::string> texts = Live();
  const LiveStsRecord live = FindStsRecord(texts);
  if (live.records <= 1 && live.id == last->state.record_id) return;
  std::erase_if(texts, [](const std::string& text) { return !FindStsRecord({text}).none(); });
  if (!last->state.record_id.empty()) texts.push_back(StsRecordText(last->state.record_id));
  Strangers(texts);
}

void StsSim::NewLife() {
  if (life_ != nullptr) {
    kills += life_->killer().dead() ? 1 : 0;
    life_->End();
  }
  life_ = std::make_unique<StsLife>(world_, rollouts_, *this);
  life_->Begin();
  life_->End();
}

void StsSim::SetHosts() {
  std::vector<MxRecord> records;
  for (const auto& [name, host] : hosts_) records.push_back({10, Name(name)});
  world_.resolver.SetMx(domain_, records);
}

void StsSim::Strangers(std::vector<std::string> texts) {
  not_policyd_ = true;
  const std::string before = FindStsRecord(texts_).id;
  world_.provider->SetTexts(owner_, texts);
  texts_ = std::move(texts);
  const std::string now = FindStsRecord(texts_).id;
  if (!now.empty() && now != before) announced_file_ = Served().value_or(announced_file_);
  not_policyd_ = false;
}

void StsSim::Tick() {
  world_.clock.Advance(kTick);
  if (!honest_ && !healed_) Happen();
  if (!healed_ && (life_->killer().dead() || dice_.OneIn(25))) NewLife();
  if (!healed_ && dice_.OneIn(8)) {
    life_->killer().Arm(static_cast<int>(dice_.Between(1, 14)));
  }
  Lookers();
  (void)life_->controller().Tick();
  life_->End();
  People(*life_);
  life_->End();
}

// Who hosts the file puts there what is wanted, in his own time; senders fetch what is there
// wherever a record announces something; reporters tell of sessions under the live policy.
void StsSim::Lookers() {
  const absl::Time now = world_.clock.Now();
  const std::string wanted = served_by_policyd_.Find(domain_).value_or("");
  if (wanted != wanted_) {
    wanted_ = wanted;
    wanted_since_ = now;
  }
  if (now - wanted_since_ >= kTick * slowness_) hosted_ = wanted_;
  for (const auto& [name, host] : hosts_) {
    if (host.faults == std::vector<MxFault>{MxFault::kExpired}) expired_ = now;
  }

  const LiveStsRecord live = FindStsRecord(Live());
  const std::optional<std::string> served = Served();
  if (live.records != 1 || !served.has_value()) return;
  const auto policy = ParseMtaStsPolicy(*served);
  if (!policy.ok()) return;
  if (policy->mode != MtaStsMode::kNone) {
    cached_until_ = std::max(cached_until_, now + policy->max_age);
  }
  sessions_[*served][DayOf(now)] = failing_;
}

std::optional<std::string> StsSim::Served() {
  if (web_ == Web::kForeign) return "<html>";
  if (web_ != Web::kOurs) return std::nullopt;
  std::string file = slowness_ == 0 ? served_by_policyd_.Find(domain_).value_or("") : hosted_;
  if (file.empty()) return std::nullopt;
  return file;
}

absl::StatusOr<ServedStsFile> StsSim::Fetch(const DomainName&) {
  if (web_ == Web::kSilent) return absl::DeadlineExceededError("nobody answers");
  std::optional<std::string> file = Served();
  if (!file.has_value()) return absl::NotFoundError("the web server answers 404");
  return ServedStsFile{*std::move(file)};
}

StsEvidence StsSim::Gather(const StsState& state, absl::Time now) {
  StsEvidence evidence;
  evidence.domain = state.domain;
  evidence.control = ReadControl(state.domain, owner_.text(), state.pending_change, world_.store);
  if (!blind_) {
    evidence.records.looked = now;
    evidence.records.mta_sts = Live();
    evidence.records.tls_rpt = {"v=TLSRPTv1; rua=mailto:t@reports.test"};
  }
  if (last_drift_ > std::max(state.create_time, state.resume_time)) {
    evidence.records.last_drift = last_drift_;
  }
  const absl::StatusOr<ServedStsFile> file = Fetch(domain_);
  if (file.ok() || file.status().code() == absl::StatusCode::kNotFound) {
    const std::string body = file.ok() ? file->body : "";
    if (body != last_body_) {
      last_body_ = body;
      body_since_ = now;
    }
    evidence.file.looked = now;
    evidence.file.sight = file.ok() ? FileSight::kServed : FileSight::kMissing;
    evidence.file.body = body;
    if (!file.ok()) evidence.file.detail = std::string(file.status().message());
    evidence.file.since = body_since_;
    evidence.file.looks = static_cast<int32_t>((now - body_since_) / kTick) + 1;
  }
  if (state.abort_to.has_value()) return evidence;  // as the real one
  if (mx_looked_ && !blind_) {
    evidence.mx.looked = now;
    for (const auto& [name, host] : hosts_) {
      MxHost mx;
      mx.name = name;
      mx.faults = host.faults;
      mx.since = host.since;
      mx.looks = static_cast<int32_t>((now - host.since) / kTick) + 1;
      evidence.mx.hosts.push_back(std::move(mx));
    }
  }
  for (int i = 0; i < 3 && reports_; ++i) {
    StsReporter reporter{fmt::format("reporter{}.test", i), {}};
    for (const auto& [day, failed] : sessions_[state.file]) {
      if (day >= DayOf(state.stage_start)) reporter.days.push_back({day, 100, failed});
    }
    evidence.reporters.push_back(std::move(reporter));
  }
  return evidence;
}

void StsSim::Happen() {
  if (dice_.OneIn(40)) {  // a server breaks, or is mended
    auto host = hosts_.begin();
    std::advance(host, dice_.Below(std::ssize(hosts_)));
    host->second.since = world_.clock.Now();
    host->second.faults.clear();
    if (dice_.OneIn(3)) host->second.faults = {static_cast<MxFault>(dice_.Between(1, 8))};
  }
  if (dice_.OneIn(150)) {  // comes or goes
    const std::string name = fmt::format("mx{}.example.com", dice_.Between(1, 4));
    if (hosts_.contains(name) && hosts_.size() > 1) {
      hosts_.erase(name);
    } else {
      hosts_[name].since = world_.clock.Now();
    }
    SetHosts();
  }
  if (dice_.OneIn(60)) failing_ = dice_.OneIn(3) ? dice_.Below(20) : 0;
  if (web_ != Web::kOurs ? dice_.OneIn(6) : dice_.OneIn(150)) {
    web_ = web_ != Web::kOurs ? Web::kOurs : static_cast<Web>(dice_.Between(1, 3));
  }
  BreakSomething();
}

void StsSim::BreakSomething() {
  if (blind_ ? dice_.OneIn(4) : dice_.OneIn(80)) {
    blind_ = !blind_;
    world_.resolver.FailAll(blind_ ? absl::UnavailableError("timeout") : absl::OkStatus());
  }
  if (reports_ ? dice_.OneIn(100) : dice_.OneIn(10)) reports_ = !reports_;
  if (mx_looked_ ? dice_.OneIn(100) : dice_.OneIn(10)) mx_looked_ = !mx_looked_;
  if (dice_.OneIn(30)) {
    static const absl::Status kErrors[] = {
        absl::UnavailableError("503"), absl::UnknownError("reset"), absl::AbortedError("changed"),
        absl::PermissionDeniedError("401"), absl::DeadlineExceededError("timeout")};
    world_.provider->Inject({dice_.OneIn(2) ? Call::kApply : Call::kRead,
                             static_cast<Moment>(dice_.Below(3)),
                             kErrors[static_cast<size_t>(dice_.Below(std::ssize(kErrors)))],
                             {},
                             static_cast<int>(dice_.Below(3)),
                             static_cast<int>(dice_.Between(1, 40))});
  }
  if (dice_.OneIn(8)) world_.provider->ClearFaults();
  if (!dice_.OneIn(150)) return;
  std::vector<std::string> texts = Live();  // somebody else edits the zone
  switch (dice_.Below(4)) {
    case 0:
      texts.push_back(fmt::format("verification={}", dice_.Below(100)));
      break;
    case 1:
      texts.push_back("v=STSv1; id=foreign;");
      break;
    case 2:
      texts = {"v=STSv1; id=foreign;"};
      break;
    default:
      texts.clear();
  }
  const auto ids = [](const std::vector<std::string>& all) {
    const LiveStsRecord live = FindStsRecord(all);
    return fmt::format("{} {}", live.records, live.id);
  };
  if (ids(texts) != ids(Live())) last_drift_ = world_.clock.Now();
  Strangers(texts);
}

}  // namespace dmarcate::simulation
