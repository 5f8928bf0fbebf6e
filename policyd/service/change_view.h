// policyd/service/change_view.h
// A Change of the API: the plan, and what became of it.

#ifndef DMARCATE_POLICYD_SERVICE_CHANGE_VIEW_H_
#define DMARCATE_POLICYD_SERVICE_CHANGE_VIEW_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "dmarcate/v1/change.pb.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

// A plan whose time is up is shown as STATE_EXPIRED, whatever is stored.
v1::Change ToMessage(const ChangeRecord& record, absl::Time now);
v1::Intent ToMessage(const ChangeIntent& intent, std::string_view domain);
// What a plan is asked for; without `rollback_of`, which no caller sets. `as_now`: what a flatten
// that is not set stands for.
//   kInvalidArgument FIELD_INVALID
absl::StatusOr<ChangeIntent> ReadIntent(const v1::Intent& intent, FlattenMode as_now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_CHANGE_VIEW_H_
