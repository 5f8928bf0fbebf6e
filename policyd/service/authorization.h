// policyd/service/authorization.h
// How an approval shall be realised, as a client sends it: read strictly, and refused where it
// would open the domain to strangers.

#ifndef DMARCATE_POLICYD_SERVICE_AUTHORIZATION_H_
#define DMARCATE_POLICYD_SERVICE_AUTHORIZATION_H_

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "dmarcate/v1/source.pb.h"
#include "lib/dns/resolver.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

inline constexpr int kWidestIpv4Prefix = 16;
inline constexpr int kWidestIpv6Prefix = 32;
inline constexpr size_t kMaxRanges = 50;  // of one source

// `domain`: the one that is to authorize. Names and ranges come out in canonical form.
//   kInvalidArgument SPF_TERM_FORBIDDEN  "all", "ptr", a macro, the domain itself; a range wider
//                                        than the limits, private or not routable
//   kInvalidArgument FIELD_INVALID       no name, no range; FIELD_REQUIRED
absl::StatusOr<AuthorizationSpec> ReadAuthorization(const v1::Authorization& authorization,
                                                    std::string_view domain);

// Asks whether an include leads to an SPF record.
//   kFailedPrecondition DANGLING_INCLUDE  the DNS says that there is none; whoever registers the
//   name
//                                         could send as the domain
// A look-up that fails is no reason to refuse: planning asks again and does not guess.
absl::Status CheckInclude(const AuthorizationSpec& spec, Resolver& resolver);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_AUTHORIZATION_H_
