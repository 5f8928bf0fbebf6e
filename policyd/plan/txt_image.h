// policyd/plan/txt_image.h
// One TXT RRset as a value, before and after; which of its records is ours to edit, and which are
// siblings that are carried over byte for byte.

#ifndef DMARCATE_POLICYD_PLAN_TXT_IMAGE_H_
#define DMARCATE_POLICYD_PLAN_TXT_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"
#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

// TTL of an RRset that did not exist: short, since a first record is the likeliest to be corrected.
inline constexpr uint32_t kNewRrSetTtlSeconds = 300;
// Owner name plus the text of all records (reference/spf.md section 7).
inline constexpr size_t kTxtWarnOctets = 450;
inline constexpr size_t kTxtRefuseOctets = 1200;

// What a name is for; decides which of its TXT records a plan may touch.
enum class RecordRole : uint8_t { kSpf, kDmarc, kReportAuthorization, kMtaSts };
// `x._report._dmarc.y`: kReportAuthorization. `_dmarc.x` and, in a zone that is delegated to,
// `x._dmarc.y`: kDmarc. `_mta-sts.x`: kMtaSts. Else kSpf.
RecordRole RoleOf(const DomainName& owner);
// Whether the TXT record `text` at a name of that role is of that kind; else it is a sibling.
bool IsOfRole(RecordRole role, std::string_view text);

struct TxtImage {
  DomainName zone, owner;
  std::vector<TxtRecord> records;  // exactly as the provider keeps them; none: no such RRset
  uint32_t ttl_seconds = 0;
};

// Whether both hold the same records of that kind, in any order, whatever stands beside them.
bool SameOwn(RecordRole role, const std::vector<TxtRecord>& a, const std::vector<TxtRecord>& b);

// The joined texts of the records.
std::vector<std::string> TextsOf(const std::vector<TxtRecord>& records);

// `image` with its one record that says `before` replaced in place by `after`. An empty `before`
// appends, an empty `after` removes. Term changes and look-ups are the caller's to fill in.
RecordChangeRecord ReplaceText(const TxtImage& image, std::string_view before,
                               std::string_view after);

// Presentation form to records and back. kDataLoss: stored text that does not parse.
std::vector<std::string> ToPresentations(const std::vector<TxtRecord>& records);
absl::StatusOr<std::vector<TxtRecord>> FromPresentations(const std::vector<std::string>& texts);

// TXT_TOO_LARGE and SIBLING_TXT_LOSS: siblings neither vanish, nor change a byte, nor appear.
std::vector<GuardRecord> GuardImages(const DomainName& owner, const std::vector<TxtRecord>& before,
                                     const std::vector<TxtRecord>& after);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_TXT_IMAGE_H_
