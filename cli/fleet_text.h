// cli/fleet_text.h
// Changes of many domains as text: how many change, how many are refused and why, and how far it
// is.

#ifndef DMARCATE_CLI_FLEET_TEXT_H_
#define DMARCATE_CLI_FLEET_TEXT_H_

#include <string>

#include "cli/output.h"
#include "dmarcate/v1/fleet_change.pb.h"

namespace dmarcate::cli {

std::string StateText(v1::FleetChange::State state);  // "applying"
std::string StateText(v1::FleetMember::State state);  // "plan failed"
Table FleetTable(const google::protobuf::RepeatedPtrField<v1::FleetChange>& fleets);
Table OneFleet(const v1::FleetChange& fleet);
Table FleetMemberTable(const google::protobuf::RepeatedPtrField<v1::FleetMember>& members);

// State, counts, groups with their reasons, and what is to be known of a plan. Text from outside is
// escaped.
std::string FleetText(const v1::FleetChange& fleet);
// One line while it goes on: "applying  312 of 980  8 running, 3 failed  120 a minute, 6 min left".
std::string FleetLine(const v1::FleetChange& fleet);
// Of those that are to be done in its stage, in percent.
int PercentDone(const v1::FleetChange& fleet);
// Whether policyd goes on with it by itself.
bool IsAtWork(const v1::FleetChange& fleet);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_FLEET_TEXT_H_
