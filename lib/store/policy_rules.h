// lib/store/policy_rules.h
// What every policy store decides alike: revisions, and which ids may be keys.

#ifndef DMARCATE_LIB_STORE_POLICY_RULES_H_
#define DMARCATE_LIB_STORE_POLICY_RULES_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "absl/status/status.h"

#include "lib/store/policy_store.h"

namespace dmarcate {

// Whether a record read at revision `named` may replace the stored one, of revision `stored`
// (nullopt: there is none). `what` names the record in the message.
absl::Status CheckRevision(std::string_view what, uint64_t named, std::optional<uint64_t> stored);

// kInvalidArgument if one of the parts of a key is empty or too long.
absl::Status CheckKey(std::string_view what, std::initializer_list<std::string_view> parts);

// Whether a restart has to go on with the change: it has begun, or is scheduled, and has not ended.
bool IsOpen(const ChangeRecord& change);

// kAlreadyExists if `stored`, the record with the same caller and id, is still remembered when
// `record` comes.
absl::Status CheckRequest(const RequestRecord& record, const std::optional<RequestRecord>& stored);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_POLICY_RULES_H_
