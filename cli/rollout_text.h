// cli/rollout_text.h
// Rollouts as people read them.

#ifndef DMARCATE_CLI_ROLLOUT_TEXT_H_
#define DMARCATE_CLI_ROLLOUT_TEXT_H_

#include <string>

#include "google/protobuf/repeated_field.h"

#include "cli/output.h"
#include "dmarcate/v1/rollout.pb.h"
#include "dmarcate/v1/rollout_rules.pb.h"

namespace dmarcate::cli {

std::string StageText(v1::Rollout::Stage stage);  // "quarantine-test"
Table RolloutTable(const google::protobuf::RepeatedPtrField<v1::Rollout>& rollouts);
// Several lines: where it stands, who steers it, what it waits for.
std::string RolloutText(const v1::Rollout& rollout);
// A line for each gate of an explanation.
Table GateTable(const v1::ExplainRolloutResponse& response);
// Freezes of rules.
Table FreezeTable(const google::protobuf::RepeatedPtrField<v1::RolloutFreeze>& freezes);
// Several lines; ends with a line feed.
std::string RulesText(const v1::RolloutRules& rules);
Table ForecastTable(const google::protobuf::RepeatedPtrField<v1::RolloutForecastStage>& stages);
Table EventTable(const google::protobuf::RepeatedPtrField<v1::RolloutEvent>& events);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_ROLLOUT_TEXT_H_
