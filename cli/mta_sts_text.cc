#include "cli/mta_sts_text.h"

#include <vector>

#include "fmt/format.h"

#include "cli/app.h"
#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

std::string DomainOf(const std::string& name) {
  const std::vector<std::string_view> parts = Split(name, '/');
  return parts.size() > 1 ? std::string(parts[1]) : name;
}

std::string StateText(const v1::MtaStsRollout& rollout) {
  return EnumText(v1::Rollout::State_Name(rollout.state()), "STATE_");
}

std::string ModeText(const v1::MtaStsRollout& rollout) {
  return EnumText(v1::Rollout::Mode_Name(rollout.mode()), "MODE_");
}

}  // namespace

std::string StsStageText(v1::MtaStsRollout::Stage stage) {
  return EnumText(v1::MtaStsRollout::Stage_Name(stage), "STAGE_");
}

Table MtaStsTable(const google::protobuf::RepeatedPtrField<v1::MtaStsRollout>& rollouts) {
  Table table({{"DOMAIN"},
               {"STAGE"},
               {"TARGET"},
               {"STATE"},
               {"MODE"},
               {"SINCE"},
               {"NEXT FILE"},
               {"RECORD", Align::kLeft, true},
               {"ROLLOUT", Align::kLeft, true}});
  for (const v1::MtaStsRollout& rollout : rollouts) {
    table.Add(rollout.name(),
              {DomainOf(rollout.name()), StsStageText(rollout.stage()),
               StsStageText(rollout.target()), StateText(rollout), ModeText(rollout),
               Text(rollout.stage_start_time()), rollout.next_file().empty() ? "-" : "to be served",
               rollout.record(), std::string(LastSegment(rollout.name()))});
  }
  return table;
}

std::string MtaStsText(const v1::MtaStsRollout& rollout) {
  const std::string domain = DomainOf(rollout.name());
  std::string text =
      fmt::format("{}: {} since {}, target {}, {}, {}\n", domain, StsStageText(rollout.stage()),
                  Text(rollout.stage_start_time()), StsStageText(rollout.target()),
                  ModeText(rollout), StateText(rollout));
  if (rollout.state() == v1::Rollout::STATE_PAUSED) {
    text += fmt::format("paused    {} ({}): {}\n", Text(rollout.pause_time()),
                        rollout.pause_reason(), EscapeForTerminal(rollout.pause_detail()));
  }
  if (!rollout.record().empty()) {
    text += fmt::format("record    {}\n", EscapeForTerminal(rollout.record()));
  }
  if (!rollout.next_file().empty()) {
    text +=
        fmt::format("to be served since {}: dmarcate mta-sts show {} --file; then its record: {}\n",
                    Text(rollout.next_file_time()), domain, rollout.next_record());
  }
  if (!rollout.pending_change().empty()) {
    text += fmt::format("on its way: {}\n", rollout.pending_change());
  }
  if (rollout.abort_to() != v1::MtaStsRollout::STAGE_UNSPECIFIED) {
    text += fmt::format("to be aborted to {}\n", StsStageText(rollout.abort_to()));
  }
  if (rollout.stage() == v1::MtaStsRollout::STAGE_WITHDRAWN && rollout.has_cached_until_time()) {
    text += fmt::format("senders may keep an older policy until {}\n",
                        Text(rollout.cached_until_time()));
  }
  const auto& mx = rollout.settings().mx();
  text += fmt::format("mx        {}\n", EscapeForTerminal(Join({mx.begin(), mx.end()}, ", ")));
  text += fmt::format("rollout   {}, by {} at {}\n", LastSegment(rollout.name()),
                      EscapeForTerminal(rollout.created_by()), Text(rollout.create_time()));
  return text;
}

}  // namespace dmarcate::cli
