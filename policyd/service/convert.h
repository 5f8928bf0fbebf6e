// policyd/service/convert.h
// Values of the analysis and the stores as messages of the API, and the few that come back.

#ifndef DMARCATE_POLICYD_SERVICE_CONVERT_H_
#define DMARCATE_POLICYD_SERVICE_CONVERT_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

#include "dmarcate/v1/common.pb.h"
#include "lib/base/clock.h"
#include "lib/base/time.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {

inline constexpr int32_t kDefaultRangeDays = 30;
inline constexpr int32_t kMaxRangeDays = 400;

// Absent last_date means today (UTC), absent first_date 29 days before last_date.
//   kInvalidArgument INTERVAL_INVALID  no date, first after last, or more than kMaxRangeDays
absl::StatusOr<DayRange> ReadRange(const v1::DateRange& range, const Clock& clock);
DayRange DefaultRange(const Clock& clock);

v1::Date ToMessage(DayNumber day);
v1::DateRange ToMessage(const DayRange& range);
v1::MessageCounts ToMessage(const Counts& counts);
v1::TrustClass ToMessage(TrustClass trust);
google::protobuf::Timestamp ToTimestamp(absl::Time time);

std::string_view TrustKey(size_t trust);      // "imported"
std::string_view OverrideKey(size_t reason);  // "mailing_list"

// Etags of stored records: opaque, equal for equal revisions.
std::string MakeEtag(uint64_t revision);
//   kInvalidArgument ETAG_REQUIRED   kAborted ETAG_MISMATCH
absl::Status CheckEtag(std::string_view etag, uint64_t revision);
// The revision an etag names. kInvalidArgument ETAG_REQUIRED, kAborted ETAG_MISMATCH if it is none
// of ours.
absl::StatusOr<uint64_t> ReadEtag(std::string_view etag);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_CONVERT_H_
