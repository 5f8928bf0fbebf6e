// policyd/provider/api/record_steps.h
// From what is kept at a name to what shall be: by record id, or as a whole set. Pure. What is not
// changed keeps its id and its spelling; what is changed is changed in place, so that there is
// never a moment with no record or with two.

#ifndef DMARCATE_POLICYD_PROVIDER_API_RECORD_STEPS_H_
#define DMARCATE_POLICYD_PROVIDER_API_RECORD_STEPS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"
#include "policyd/provider/api/txt_codec.h"
#include "policyd/provider/api/zone_api.h"

namespace dmarcate {

struct RecordStep {
  enum class Kind : uint8_t { kUpdate = 1, kCreate, kDelete };
  Kind kind = Kind::kUpdate;
  std::string id;     // none for kCreate
  std::string value;  // in the host's spelling; none for kDelete
  friend bool operator==(const RecordStep&, const RecordStep&) = default;
};

// The fewest steps: a record that goes is rewritten into one that comes, first one of its own kind
// (v=spf1 into v=spf1). Updates come first, then creations, then deletions. Records that stay keep
// their TTL.
//   kFailedPrecondition  a locked record would have to change
//   kInvalidArgument     `form` cannot say a text
absl::StatusOr<std::vector<RecordStep>> PlanRecordSteps(const HostedRrSet& now,
                                                        const std::vector<TxtRecord>& after,
                                                        TxtForm form);

// Takes the steps one after another. The first one's error is the outcome. After that something is
// changed already: throttling is waited out within the deadline, and any other error means
// kUnknown.
absl::Status TakeRecordSteps(ApiCall& call, const std::vector<RecordStep>& steps,
                             const std::function<absl::Status(const RecordStep&)>& take);

// What to send where the unit is the set: `after`, each text that is kept already in the spelling
// that it has, and beside it every record that cannot be decoded, unchanged. Empty: the set goes.
absl::StatusOr<std::vector<std::string>> KeepValues(const HostedRrSet& now,
                                                    const std::vector<TxtRecord>& after,
                                                    TxtForm form);
// The same in a spelling that is none of TxtForm's.
using EncodeTxtBy = std::function<absl::StatusOr<std::string>(const TxtRecord&)>;
absl::StatusOr<std::vector<std::string>> KeepValues(const HostedRrSet& now,
                                                    const std::vector<TxtRecord>& after,
                                                    const EncodeTxtBy& encode);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_API_RECORD_STEPS_H_
