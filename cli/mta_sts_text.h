// cli/mta_sts_text.h
// MTA-STS rollouts as people read them.

#ifndef DMARCATE_CLI_MTA_STS_TEXT_H_
#define DMARCATE_CLI_MTA_STS_TEXT_H_

#include <string>

#include "google/protobuf/repeated_field.h"

#include "cli/output.h"
#include "dmarcate/v1/mta_sts.pb.h"

namespace dmarcate::cli {

std::string StsStageText(v1::MtaStsRollout::Stage stage);  // "testing"
Table MtaStsTable(const google::protobuf::RepeatedPtrField<v1::MtaStsRollout>& rollouts);
// Several lines: where it stands, who steers it, what is to be served.
std::string MtaStsText(const v1::MtaStsRollout& rollout);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_MTA_STS_TEXT_H_
