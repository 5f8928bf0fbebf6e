// policyd/service/mta_sts_rollout_request.h
// What a person wants of an MTA-STS rollout, out of messages of the API.

#ifndef DMARCATE_POLICYD_SERVICE_MTA_STS_ROLLOUT_REQUEST_H_
#define DMARCATE_POLICYD_SERVICE_MTA_STS_ROLLOUT_REQUEST_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "dmarcate/v1/mta_sts.pb.h"
#include "policyd/mta_sts/state.h"

namespace dmarcate {

// `field` is named in errors.
//   kInvalidArgument FIELD_REQUIRED, FIELD_INVALID
absl::StatusOr<StsStage> ReadStsStage(v1::MtaStsRollout::Stage stage, std::string_view field);

// Target, mode and settings but for the patterns of a new rollout; what is left out has its
// default.
absl::StatusOr<StsState> ReadNewStsRollout(const v1::MtaStsRollout& in);

// Puts what `paths` names of `in` into `state`: "mode", "target", "settings" and each field of it.
// Patterns are brought into normal form.
//   kInvalidArgument UPDATE_MASK_REQUIRED, UPDATE_MASK_INVALID, FIELD_INVALID
absl::Status EditStsRollout(const v1::MtaStsRollout& in, const std::vector<std::string>& paths,
                            StsState& state);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_MTA_STS_ROLLOUT_REQUEST_H_
