// policyd/reconcile/two_people.h
// The yes of a second person, where two are wanted; of rollouts of whatever kind.

#ifndef DMARCATE_POLICYD_RECONCILE_TWO_PEOPLE_H_
#define DMARCATE_POLICYD_RECONCILE_TWO_PEOPLE_H_

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "fmt/format.h"

#include "lib/base/time.h"

namespace dmarcate {

// Stands for who is still wanted, where it is asked what his yes would do.
inline constexpr std::string_view kAnotherPerson = "(another person)";

// `yes`, said just now, with the one before it: `first` is what somebody has said to the very same,
// null if nobody has, or if one person is enough. `refuse` makes an error of what it is given.
//   error of `refuse`  the same person has said it already
template <typename Yes, typename Refuse>
absl::StatusOr<Yes> JoinYes(const Yes* first, Yes yes, std::string_view to, Refuse&& refuse) {
  if (first == nullptr) return yes;
  if (!first->second_by.empty()) return *first;  // both have, and the step is tried again
  if (first->by == yes.by) {
    return refuse(
        fmt::format("{} has said yes to {} already, at {}; another person's yes is wanted", yes.by,
                    to, FormatRfc3339(first->time)));
  }
  Yes both = *first;
  both.accepted_bound = std::min(first->accepted_bound, yes.accepted_bound);
  both.second_by = std::move(yes.by);
  both.second_time = yes.time;
  return both;
}

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_TWO_PEOPLE_H_
