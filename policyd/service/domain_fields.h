// policyd/service/domain_fields.h
// What a person says about a domain, checked.
//   kInvalidArgument FIELD_INVALID

#ifndef DMARCATE_POLICYD_SERVICE_DOMAIN_FIELDS_H_
#define DMARCATE_POLICYD_SERVICE_DOMAIN_FIELDS_H_

#include <string>

#include "absl/status/statusor.h"

namespace dmarcate {

// Empty, or a mail address that can stand in `rua=`.
absl::StatusOr<std::string> ReadMailbox(const std::string& mailbox);

// Empty, or a zone that can hold the records of `domain`: one that holds other domains' records
// cannot be the domain's own.
absl::StatusOr<std::string> ReadDelegationZone(const std::string& zone, const std::string& domain);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_DOMAIN_FIELDS_H_
