#include "cli/fleet_text.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fmt/format.h"

#include "cli/app.h"
#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Fleet = v1::FleetChange;

std::string Minutes(int64_t seconds) {
  if (seconds < 100) return fmt::format("{} s", seconds);
  if (seconds < 100 * 60) return fmt::format("{} min", (seconds + 59) / 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
}

// "3 failed" where there are any.
void AddCount(int32_t count, std::string_view what, std::vector<std::string>* parts) {
  if (count > 0) parts->push_back(fmt::format("{} {}", FormatCount(count), what));
}

// What its stage has to do, and has done.
struct Stage {
  int32_t all = 0, done = 0;
};
Stage StageOf(const Fleet& fleet) {
  const v1::FleetProgress& progress = fleet.progress();
  const int32_t without_plan = progress.unchanged() + progress.refused() + progress.unplannable();
  if (fleet.state() == Fleet::STATE_PLANNING) {
    return {progress.total(), progress.total() - progress.unplanned() - progress.running()};
  }
  const int32_t all = progress.total() - without_plan;
  return {all, all - progress.unplanned() - progress.waiting() - progress.running() -
                   progress.verifying()};
}

std::string Counts(const Fleet& fleet) {
  const v1::FleetProgress& progress = fleet.progress();
  std::vector<std::string> parts;
  const bool waits = fleet.state() == Fleet::STATE_PLANNED ||
                     fleet.state() == Fleet::STATE_PAUSED || fleet.state() == Fleet::STATE_EXPIRED;
  if (waits) AddCount(progress.waiting(), "to change", &parts);
  AddCount(progress.running(), "running", &parts);
  AddCount(progress.verifying(), "verifying", &parts);
  AddCount(progress.retrying(), "waiting for provider, DNS or another change", &parts);
  if (fleet.state() != Fleet::STATE_PLANNING) AddCount(progress.succeeded(), "succeeded", &parts);
  AddCount(progress.unchanged(), "unchanged", &parts);
  AddCount(progress.refused(), "refused", &parts);
  AddCount(progress.unplannable(), "without a plan", &parts);
  AddCount(progress.failed(), "failed", &parts);
  AddCount(progress.rolled_back(), "rolled back", &parts);
  AddCount(progress.needs_attention(), "need attention", &parts);
  AddCount(progress.cancelled(), "cancelled", &parts);
  return Join(parts, ", ");
}

std::string GroupText(const v1::FleetGroup& group) {
  std::vector<std::string> names;
  for (const std::string& domain : group.domains()) {
    names.push_back(EscapeForTerminal(LastSegment(domain)));
  }
  if (group.count() > group.domains_size()) names.emplace_back("...");
  std::string out =
      fmt::format("  {:>7}  {:<15} {:<22} {}\n", FormatCount(group.count()),
                  StateText(group.state()), EscapeForTerminal(group.reason()), Join(names, ", "));
  if (!group.message().empty()) {
    out += fmt::format("           {}\n", EscapeForTerminal(group.message()));
  }
  return out;
}

}  // namespace

std::string StateText(Fleet::State state) { return EnumText(Fleet::State_Name(state), "STATE_"); }
std::string StateText(v1::FleetMember::State state) {
  return EnumText(v1::FleetMember::State_Name(state), "STATE_");
}

bool IsAtWork(const Fleet& fleet) {
  return fleet.state() == Fleet::STATE_PLANNING || fleet.state() == Fleet::STATE_APPLYING ||
         fleet.state() == Fleet::STATE_CANCELLING;
}

int PercentDone(const Fleet& fleet) {
  const Stage stage = StageOf(fleet);
  return stage.all <= 0 ? 100 : static_cast<int>(int64_t{stage.done} * 100 / stage.all);
}

std::string FleetLine(const Fleet& fleet) {
  const Stage stage = StageOf(fleet);
  std::string line = fmt::format("{}  {} of {}", StateText(fleet.state()), FormatCount(stage.done),
                                 FormatCount(stage.all));
  if (const std::string counts = Counts(fleet); !counts.empty()) line += "  " + counts;
  if (fleet.progress().per_minute() > 0) {
    line += fmt::format("  {} a minute", std::llround(fleet.progress().per_minute()));
  }
  if (fleet.progress().has_time_left() && IsAtWork(fleet)) {
    line += fmt::format(", {} left", Minutes(fleet.progress().time_left().seconds()));
  }
  return line;
}

std::string FleetText(const Fleet& fleet) {
  std::string out = fmt::format("{}  {}\n", fleet.name(), StateText(fleet.state()));
  if (!fleet.selection().rollback_of().empty()) {
    out += fmt::format("undoes {}\n", fleet.selection().rollback_of());
  }
  if (!fleet.selection().retry_of().empty()) {
    out += fmt::format("again, of {}\n", fleet.selection().retry_of());
  }
  out += fmt::format("{}: {}\n", Counted(fleet.progress().total(), "domain"), Counts(fleet));
  for (const v1::FleetGroup& group : fleet.groups()) out += GroupText(group);
  if (!fleet.pause_reason().empty()) {
    out += fmt::format("paused {}: {}\n", fleet.pause_reason(),
                       EscapeForTerminal(fleet.pause_message()));
  }
  if (fleet.state() == Fleet::STATE_PLANNED) {
    out +=
        fmt::format("digest {}\nexpires {}\n", fleet.plan_digest(), Text(fleet.plan_expire_time()));
  }
  return out;
}

Table FleetTable(const google::protobuf::RepeatedPtrField<Fleet>& fleets) {
  Table table({{"FLEET_CHANGE"},
               {"STATE"},
               {"DOMAINS", Align::kRight},
               {"TO_CHANGE", Align::kRight},
               {"SUCCEEDED", Align::kRight},
               {"REFUSED", Align::kRight},
               {"FAILED", Align::kRight},
               {"BY"},
               {"CREATED"},
               {"DIGEST", Align::kLeft, true}});
  for (const Fleet& fleet : fleets) {
    const v1::FleetProgress& progress = fleet.progress();
    table.Add(
        fleet.name(),
        {std::string(LastSegment(fleet.name())), StateText(fleet.state()),
         CountCell(progress.total()),
         CountCell(progress.waiting() + progress.running() + progress.verifying()),
         CountCell(progress.succeeded()), CountCell(progress.refused() + progress.unplannable()),
         CountCell(progress.failed() + progress.rolled_back() + progress.needs_attention()),
         fleet.requested_by(), Text(fleet.create_time()), fleet.plan_digest()});
  }
  return table;
}

Table OneFleet(const Fleet& fleet) {
  google::protobuf::RepeatedPtrField<Fleet> one;
  *one.Add() = fleet;
  return FleetTable(one);
}

Table FleetMemberTable(const google::protobuf::RepeatedPtrField<v1::FleetMember>& members) {
  Table table({{"DOMAIN"},
               {"STATE"},
               {"REASON"},
               {"MESSAGE"},
               {"CHANGE"},
               {"PROVIDER", Align::kLeft, true},
               {"CANARY", Align::kLeft, true},
               {"ENDED", Align::kLeft, true}});
  for (const v1::FleetMember& member : members) {
    table.Add(member.domain(),
              {std::string(LastSegment(member.domain())), StateText(member.state()),
               member.reason(), member.message(), std::string(LastSegment(member.change())),
               std::string(LastSegment(member.dns_provider())), member.canary() ? "yes" : "",
               Text(member.end_time())});
  }
  return table;
}

}  // namespace dmarcate::cli
