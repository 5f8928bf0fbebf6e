#include "tests/simulation/people.h"

#include <set>

#include "fmt/format.h"

namespace dmarcate::simulation {
namespace {

constexpr absl::Duration kYesLifetime = absl::Hours(8 * 24);  // a week, and some hours

}  // namespace

void People::SetRules(RolloutMode mode, bool honest) {
  two_ = dice_.OneIn(4);
  // Nobody promises that two people look every day; so an honest run goes by itself, or asks one
  // who looks, and the other one with him.
  if (honest && mode == RolloutMode::kAutomatic) two_ = false;
  if (two_) world_.WantTwoPeople(dice_.OneIn(2) ? site_.domain : std::string(kRulesOfAll));
}

int People::PlanFreezes() {
  if (!dice_.OneIn(3)) return 0;
  const auto count = static_cast<int>(dice_.Between(1, 3));
  for (int i = 0; i < count; ++i) {
    const absl::Duration when = absl::Minutes(dice_.Below(24 * 60 * 150));
    const absl::Duration begin = absl::Minutes(dice_.Below(60 * 72));
    const absl::Duration length = absl::Minutes(dice_.Between(60, 60 * 24 * 25));
    const std::string of = dice_.OneIn(2) ? site_.domain : std::string(kRulesOfAll);
    const bool back = dice_.OneIn(4);
    world_.At(when, [this, begin, length, of, back] {
      const std::string id = world_.Freeze(of, begin, length);
      if (id.empty() || !back) return;
      world_.At(world_.now() + begin + length / 2, [this, of, id] { world_.Thaw(of, id); });
    });
  }
  return count;
}

bool People::SayYes() {
  if (!two_) return world_.Advance(site_).ok();
  const bool first = world_.Advance(site_, "ann").ok();
  // Who has no colleague tries to be one.
  if (dice_.OneIn(4)) (void)world_.Advance(site_, "ann");
  if (dice_.OneIn(5)) return first;  // the other one is not there today
  return world_.Advance(site_, "bob").ok() || first;
}

std::vector<Violation> JudgePeople(SimWorld& world, const SimWorld::Site& site,
                                   const RolloutLogRecord& started, const Decision& decision) {
  std::vector<Violation> out;
  bool two = false;
  for (const std::string& of : {site.domain, std::string(kRulesOfAll)}) {
    const auto rules = world.rules.GetRolloutRules(of);
    if (!rules.ok()) continue;
    two = two || rules->two_people;
  }
  for (const SimWorld::Frozen& freeze : world.frozen) {
    if (freeze.of != site.domain && freeze.of != kRulesOfAll) continue;
    // By policyd's clock, from when it was added to when it was taken back.
    if (started.time >= freeze.added && started.time >= freeze.begin && started.time < freeze.end &&
        started.time < freeze.taken_back) {
      out.push_back({"R18", fmt::format("a step up to {} was decided on in a freeze",
                                        ToString(decision.to))});
    }
  }
  if (!two) return out;
  std::set<std::string> who;
  for (const OperatorBook::Yes& yes : site.book.yes) {
    if (yes.to == decision.to && world.now() - yes.time < kYesLifetime) who.insert(yes.who);
  }
  if (who.size() < 2) {
    out.push_back({"R17", fmt::format("a step up to {} with the yes of {}", ToString(decision.to),
                                      who.size())});
  }
  return out;
}

}  // namespace dmarcate::simulation
