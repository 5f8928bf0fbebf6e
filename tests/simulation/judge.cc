#include "tests/simulation/judge.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "fmt/format.h"

#include "policyd/rollout/codec.h"
#include "tests/simulation/people.h"

namespace dmarcate::simulation {
namespace {

constexpr int kDwell[] = {30, 7, 30, 7};  // days at each rung, safety.md 6.1
constexpr double kAligned = 0.99;         // gate G2
constexpr int64_t kFloor = 50;
constexpr int kWindow = 30;
// What a change takes from the decision to the write: a plan, leases, a slow provider.
constexpr absl::Duration kDecisionToWrite = absl::Minutes(10);

std::string Trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  return std::string(text);
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool IsPolicyTag(const std::string& name) {
  return name == "p" || name == "sp" || name == "np" || name == "t" || name == "pct";
}

std::string ValueOf(const TagList& tags, const std::string& name) {
  for (const auto& [tag, value] : tags) {
    if (tag == name) return Lower(value);
  }
  return "";
}

TagList Foreign(const TagList& tags) {
  TagList out;
  for (const auto& tag : tags) {
    if (!IsPolicyTag(tag.first)) out.push_back(tag);
  }
  return out;
}

std::vector<std::string> Starting(const std::vector<std::string>& texts, std::string_view with) {
  std::vector<std::string> out;
  for (const std::string& text : texts) {
    if (text.starts_with(with)) out.push_back(text);
  }
  return out;
}

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : text + " ") {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      out.push_back(std::exchange(word, ""));
    }
  }
  return out;
}

// The SPF record is gone, or leads to nothing, while mail of an approved sender needs it.
bool SpfIsBroken(SimWorld& world, const SimWorld::Site& site) {
  const bool needed = std::ranges::any_of(site.senders, [&](const Sender& sender) {
    const auto decision = world.policies.GetDecision(site.domain, sender.id);
    return decision.ok() && decision->state == SourceState::kApproved &&
           (sender.selector.empty() || sender.unsigned_share > 0.01);
  });
  const std::vector<std::string> records =
      Starting(world.dns.Texts(DomainName::Parse(site.domain).value()), "v=spf1");
  if (!needed) return false;
  if (records.size() != 1) return true;
  for (const std::string& word : Words(records.front())) {
    if (!word.starts_with("include:")) continue;
    if (world.dns.Texts(DomainName::Parse(word.substr(8)).value()).empty()) return true;
  }
  return false;
}

std::string Days(absl::Duration time) {
  return fmt::format("day {:.2f}", absl::ToDoubleHours(time) / 24);
}

}  // namespace

TagList ReadTags(const std::string& text) {
  TagList out;
  std::string part;
  for (const char c : text + ";") {
    if (c != ';') {
      part += c;
      continue;
    }
    const size_t equals = part.find('=');
    if (equals != std::string::npos) {
      out.emplace_back(Lower(Trim(std::string_view(part).substr(0, equals))),
                       Trim(std::string_view(part).substr(equals + 1)));
    }
    part.clear();
  }
  return out;
}

int RungOf(const std::vector<std::string>& texts) {
  const std::vector<std::string> records = Starting(texts, "v=DMARC1");
  if (records.size() != 1) return -1;
  const TagList tags = ReadTags(records.front());
  const std::string p = ValueOf(tags, "p");
  const bool test = ValueOf(tags, "t") == "y" || ValueOf(tags, "pct") == "0";
  if (p == "quarantine") return test ? 1 : 2;
  if (p == "reject") return test ? 3 : 4;
  return p == "none" ? 0 : -1;
}

Judge::Judge(SimWorld& world) : world_(world) {
  world.on_write = [this](SimWorld::Site& site, const std::string& owner, const auto& before,
                          const auto& after) { OnWrite(site, owner, before, after); };
  world.on_foreign = [this](SimWorld::Site& site, const std::string& owner, const auto& before,
                            const auto& after) { OnForeign(site, owner, before, after); };
}

void Judge::Break(const SimWorld::Site& site, std::string rule, std::string text) {
  violations_.push_back(
      {std::move(rule), fmt::format("{}, {}: {}", Days(world_.now()), site.domain, text)});
}

absl::Duration Judge::StageSince(const SimWorld::Site& site) const {
  const auto moves = moves_.find(site.domain);
  return moves == moves_.end() ? absl::ZeroDuration() : moves->second.back().time;
}

std::set<DayNumber> Judge::MixedDays(const SimWorld::Site& site) const {
  std::set<DayNumber> mixed;
  const auto moves = moves_.find(site.domain);
  if (moves == moves_.end()) return mixed;
  for (const Move& move : moves->second) {
    const absl::Time when = world_.TrueTime() - (world_.now() - move.time);
    for (int day = -1; day <= 1; ++day) mixed.insert(DayOf(when) + day);
  }
  return mixed;
}

void Judge::OnForeign(SimWorld::Site& site, const std::string& owner,
                      const std::vector<std::string>& before,
                      const std::vector<std::string>& after) {
  if (owner != "_dmarc." + site.domain || RungOf(before) == RungOf(after)) return;
  moves_[site.domain].push_back({world_.now(), RungOf(before), RungOf(after)});
}

void Judge::OnWrite(SimWorld::Site& site, const std::string& owner,
                    const std::vector<std::string>& before, const std::vector<std::string>& after) {
  ++writes_;
  if (!site.around.proven) Break(site, "R13", owner + " written, and the domain is not proven");
  if (!site.around.writable) Break(site, "R14", owner + " written by what must not write");
  if (owner == "_dmarc." + site.domain) {
    OnDmarc(site, before, after);
  } else if (owner == site.domain) {
    OnSpf(site, before, after);
  } else {
    Break(site, "R6", owner + " is not a record that was to be written");
  }
}

void Judge::OnDmarc(SimWorld::Site& site, const std::vector<std::string>& before,
                    const std::vector<std::string>& after) {
  const std::vector<std::string> was = Starting(before, "v=DMARC1");
  const std::vector<std::string> is = Starting(after, "v=DMARC1");
  if (is.size() > 1) Break(site, "R7", fmt::format("{} DMARC records", is.size()));
  if (was.size() != 1 || is.size() != 1) {
    if (is.size() != 1 && was.size() == 1) Break(site, "R7", "no DMARC record any more");
    return;
  }
  const TagList old_tags = ReadTags(was.front());
  const TagList new_tags = ReadTags(is.front());
  if (Foreign(old_tags) != Foreign(new_tags)) {
    Break(site, "R6", fmt::format("other tags: {} became {}", was.front(), is.front()));
  }
  const int from = RungOf(before);
  const int to = RungOf(after);
  // The change that writes, by the journal that must be there before the write.
  const ChangeRecord* change = nullptr;
  const auto open = world_.policies.OpenChanges();
  if (open.ok()) {
    for (const ChangeRecord& one : *open) {
      if (one.domain != site.domain) continue;
      if (one.state == ChangeState::kApplying || one.state == ChangeState::kRollingBack ||
          one.state == ChangeState::kVerifying) {
        change = &one;
      }
    }
  }
  if (change == nullptr) Break(site, "R11", "a write that no journal knows");
  const bool back = change != nullptr && change->state == ChangeState::kRollingBack;
  const std::string change_id = change == nullptr ? "" : change->id;
  if (to > from && !back) OnUp(site, from, to, new_tags);
  if (to < from) OnDown(site, from, to, change);
  if (change != nullptr && !back && change->intent.rollback_of.empty())
    CheckEvidence(site, change_id);
  const bool automatic = to < from && !site.book.abort_to.has_value() && !back;
  moves_[site.domain].push_back({world_.now(), from, to, true, automatic});
}

void Judge::OnUp(SimWorld::Site& site, int from, int to, const TagList& tags) {
  ++ups_;
  const std::vector<Move>& moves = moves_[site.domain];
  const bool enforced_elsewhere = (!ValueOf(tags, "sp").empty() && ValueOf(tags, "sp") != "none") ||
                                  (!ValueOf(tags, "np").empty() && ValueOf(tags, "np") != "none");
  // A test stage is left out where it would lower another tag (DESIGN 13.10).
  const bool left_out = enforced_elsewhere && from % 2 == 0 && to == from + 2;
  if (to != from + 1 && !left_out) {
    Break(site, "R2", fmt::format("from rung {} to {}", from, to));
    return;
  }
  const absl::Duration since = moves.empty() ? absl::ZeroDuration() : moves.back().time;
  const DayNumber first = DayOf(world_.TrueTime() - (world_.now() - since));
  int wanted = kDwell[from];
  if (left_out) wanted += kDwell[from + 1];
  int days = 0;
  for (DayNumber day = first + 1; day < world_.Today(); ++day) {
    int covering = 0;
    for (const auto& [reporter, reported] : site.reported) {
      // Within a week of a report: some come weekly.
      const auto next = reported.upper_bound(day);
      if (next != reported.begin() && day - *std::prev(next) < 7) ++covering;
    }
    if (covering >= 2) ++days;
  }
  if (days < wanted) {
    Break(site, "R2", fmt::format("rung {} after {} days with reports of {}", to, days, wanted));
  }
  // R3: fresh, of two known receivers, that have all seen this stage.
  int anchors = 0;
  absl::Duration newest = -absl::InfiniteDuration();
  for (const auto& [reporter, reported] : site.reported) {
    if (world_.reporters[static_cast<size_t>(reporter)].trust != TrustClass::kAnchored) continue;
    if (reported.lower_bound(world_.Today() - kWindow) == reported.end()) continue;
    ++anchors;
    newest = std::max(newest, site.last_delivered.at(reporter));
  }
  if (anchors < 2) Break(site, "R3", fmt::format("{} anchors", anchors));
  if (world_.now() - newest > absl::Hours(24 * 9)) Break(site, "R3", "the newest report is stale");
  CheckSenders(site, to);
  if (site.around.queued > 0) Break(site, "T5", "a step up with reports unread");
  if (site.around.disk_full) Break(site, "T15", "a step up with a full disk");
  if (site.around.suspended) Break(site, "T15", "a step up of a suspended domain");
  if (site.book.paused) Break(site, "T15", "a step up while an operator has paused it");
  if (site.book.abort_to.has_value()) Break(site, "T16", "a step up after an abort");
  if (!moves.empty() && !moves.back().ours && moves.back().time > site.book.adopted) {
    Break(site, "T9", "written over what somebody else wrote, and nobody has looked at");
  }
}

void Judge::CheckSenders(SimWorld::Site& site, int to) {
  const std::set<DayNumber> mixed = MixedDays(site);
  for (size_t i = 0; i < site.senders.size(); ++i) {
    const Sender& sender = site.senders[i];
    const auto decision = world_.policies.GetDecision(site.domain, sender.id);
    if (!decision.ok() || decision->state != SourceState::kApproved) continue;
    int64_t messages = 0;
    int64_t aligned = 0;
    int64_t dkim = 0;
    for (const Tally& tally : site.delivered) {
      if (tally.sender != static_cast<int32_t>(i) || mixed.contains(tally.day)) continue;
      if (tally.day >= world_.Today() || tally.day < world_.Today() - kWindow) continue;
      const Reporter& who = world_.reporters[static_cast<size_t>(tally.reporter)];
      if (who.trust != TrustClass::kAnchored || who.lie != Reporter::Lie::kNone) continue;
      messages += tally.messages;
      aligned += tally.aligned;
      dkim += tally.dkim_aligned;
    }
    // Of what remains the gate may see a day more or less.
    const auto missing = static_cast<double>(messages - aligned);
    if (messages >= 2 * kFloor &&
        missing > (1 - kAligned) * static_cast<double>(messages) * 1.25 + 2) {
      Break(site, "R1",
            fmt::format("rung {}: {} has {} of {} aligned", to, sender.id, aligned, messages));
    }
    if (to >= 3 && messages > 0 && dkim == 0) {
      Break(site, "R10", fmt::format("rung {}: {} passes by SPF only", to, sender.id));
    }
  }
}

void Judge::OnDown(SimWorld::Site& site, int from, int to, const ChangeRecord* change) {
  ++downs_;
  const bool back = change != nullptr && change->state == ChangeState::kRollingBack;
  // A person took a change back.
  if (change != nullptr && !change->intent.rollback_of.empty()) return;
  if (change != nullptr)
    lowerings_.push_back({site.domain, site.rollout_id, change->id, world_.now()});
  if (back) return;  // what failed goes back to where it was
  if (site.book.abort_to.has_value()) return;
  const std::optional<Rollout> rollout = world_.RolloutOf(site);
  if (!rollout.has_value() || rollout->state.mode != RolloutMode::kAutomatic) {
    Break(site, "R4", "lowered by itself, and not in mode automatic");
  }
  bool broken = false;
  for (const Sender& sender : site.senders) {
    const auto decision = world_.policies.GetDecision(site.domain, sender.id);
    if (!decision.ok() || decision->state != SourceState::kApproved || sender.selector.empty()) {
      continue;
    }
    const DomainName key =
        DomainName::Parse(sender.selector + "._domainkey." + site.domain).value();
    // Gone for half an hour when that was decided; it may be back since, as nobody could know.
    for (absl::Duration ago; ago <= kDecisionToWrite; ago += absl::Minutes(1)) {
      const absl::Duration then = world_.now() - ago;
      broken = broken || (world_.dns.TextsAt(key, then).empty() &&
                          world_.dns.TextsAt(key, then - absl::Minutes(30)).empty());
    }
  }
  broken = broken || SpfIsBroken(world_, site);
  if (!broken)
    Break(site, "R4", fmt::format("from rung {} to {}, and nothing is broken", from, to));
  if (to < from - 1 && !(from % 2 == 0 && to == from - 2)) {
    Break(site, "R5", fmt::format("from rung {} to {} at once", from, to));
  }
  for (const Move& move : moves_[site.domain]) {
    if (!move.automatic_down) continue;
    // A change takes some minutes from the decision to the write.
    if (world_.now() - move.time < absl::Hours(24) - absl::Minutes(30)) {
      Break(site, "R5", "the second step down within 24 hours");
    }
  }
}

void Judge::CheckEvidence(SimWorld::Site& site, const std::string& change_id) {
  const auto log = world_.rollouts.ListRolloutLog(site.domain, site.rollout_id, "", 20);
  const RolloutLogRecord* started = nullptr;
  if (log.ok()) {
    for (const RolloutLogRecord& entry : *log) {
      if (entry.event == RolloutEvent::kStarted && entry.change_id == change_id) started = &entry;
    }
  }
  if (started == nullptr) {
    Break(site, "R11", "a write without a decision in the log");
    return;
  }
  const auto decision = DecodeDecision(started->decision);
  if (started->explanation.empty() || started->text.empty() || !decision.ok()) {
    Break(site, "R11", "a write whose decision is not explained");
    return;
  }
  if (decision->action == StepAction::kAbort) return;  // on no evidence
  const auto input = DecodeInput(decision->input);
  if (!input.ok() || input->evidence.domain != site.domain) {
    Break(site, "R12", "decided on the evidence of another domain");
    return;
  }
  if (decision->action != StepAction::kStepUp) return;
  for (const Violation& violation : JudgePeople(world_, site, *started, *decision)) {
    Break(site, violation.rule, violation.text);
  }
  // Exactly what this domain's anchors said, each report once, and nothing else.
  std::map<DayNumber, int64_t> messages;
  for (const SourceEvidence& source : input->evidence.sources) {
    for (const SourceDay& day : source.days) messages[day.day] += day.messages;
  }
  for (const auto& [day, count] : messages) {
    const auto claimed = site.claimed.find(day);
    const int64_t truly = claimed == site.claimed.end() ? 0 : claimed->second;
    if (count > truly) {
      Break(site, "R3",
            fmt::format("{} messages of {} are counted, known receivers reported {}", count,
                        FormatDay(day), truly));
      return;
    }
  }
}

void Judge::OnSpf(SimWorld::Site& site, const std::vector<std::string>& before,
                  const std::vector<std::string>& after) {
  const std::vector<std::string> was = Starting(before, "v=spf1");
  const std::vector<std::string> is = Starting(after, "v=spf1");
  if (is.size() > 1) Break(site, "R7", fmt::format("{} SPF records", is.size()));
  if (was.size() != 1 || is.size() != 1) return;
  // Ours are the includes of sources that somebody has decided about.
  std::set<std::string> ours;
  std::set<std::string> approved;
  const auto decisions = world_.policies.ListDecisions(site.domain);
  if (decisions.ok()) {
    for (const SourceDecision& decision : *decisions) {
      if (decision.authorization.include_domain.empty()) continue;
      const std::string term = "include:" + decision.authorization.include_domain;
      ours.insert(term);
      if (decision.state == SourceState::kApproved) approved.insert(term);
    }
  }
  std::vector<std::string> old_terms;
  std::vector<std::string> new_terms;
  std::set<std::string> kept;
  int lookups = 0;
  for (const std::string& word : Words(was.front())) {
    if (!ours.contains(word)) old_terms.push_back(word);
  }
  for (const std::string& word : Words(is.front())) {
    if (!ours.contains(word)) new_terms.push_back(word);
    kept.insert(word);
    if (word.starts_with("include:") || word == "mx" || word == "a") ++lookups;
  }
  if (old_terms != new_terms)
    Break(site, "R9", fmt::format("{} became {}", was.front(), is.front()));
  if (lookups > 10) Break(site, "R8", fmt::format("{} look-ups at least", lookups));
  const auto open = world_.policies.OpenChanges();
  const bool taken_back =
      open.ok() && std::ranges::any_of(*open, [&site](const ChangeRecord& change) {
        return change.domain == site.domain && !change.intent.rollback_of.empty();
      });
  if (taken_back) return;  // by a person
  for (const std::string& word : Words(was.front())) {
    if (approved.contains(word) && !kept.contains(word)) {
      Break(site, "R16", word + " of an approved source is gone");
    }
  }
}

void Judge::CheckEnd() {
  for (const Lowering& lowering : lowerings_) {
    SimWorld::Site& site = *world_.sites.at(lowering.domain);
    bool told = false;
    const auto log = world_.rollouts.ListRolloutLog(site.domain, lowering.rollout, "", 10'000);
    if (log.ok()) {
      for (const RolloutLogRecord& entry : *log) {
        told = told || (entry.change_id == lowering.change && entry.alert);
      }
    }
    if (!told)
      Break(site, "R15",
            fmt::format("change {} of rollout {} lowered it on {}, and nobody was told",
                        lowering.change, lowering.rollout, Days(lowering.time)));
  }
  for (const auto& [domain, site] : world_.sites) {
    const auto log = world_.rollouts.ListRolloutLog(domain, site->rollout_id, "", 10'000);
    if (!log.ok()) continue;
    size_t index = 0;
    for (const RolloutLogRecord& entry : *log) {
      if (entry.event != RolloutEvent::kDecided && entry.event != RolloutEvent::kStarted) continue;
      if (entry.text.empty() || entry.explanation.empty()) {
        Break(*site, "R11", "a decision without an explanation");
      }
      // Each of those that wrote, and some of the others.
      if (entry.event == RolloutEvent::kDecided && index++ % 16 != 0) continue;
      const auto decision = DecodeDecision(entry.decision);
      const absl::Status again = decision.ok() ? Replay(*decision) : decision.status();
      ++replayed_;
      if (!again.ok()) Break(*site, "R11", std::string(again.message()));
    }
  }
}

}  // namespace dmarcate::simulation
