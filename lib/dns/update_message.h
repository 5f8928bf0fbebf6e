// lib/dns/update_message.h
// The UPDATE message of one compare-and-set, signed, and what its answer says (RFC 2136 sections 2
// and 3, RFC 8945). Octets in, octets out; sending is update.cc's.

#ifndef DMARCATE_LIB_DNS_UPDATE_MESSAGE_H_
#define DMARCATE_LIB_DNS_UPDATE_MESSAGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/dns/tsig.h"
#include "lib/dns/update.h"

namespace dmarcate {

// kInvalidArgument: owner outside the zone, a string over 255 octets, a record without strings, or
// more than kMaxUpdateBytes in all.
inline constexpr size_t kMaxUpdateBytes = 60'000;
absl::StatusOr<SignedMessage> BuildUpdate(const TxtRrSetUpdate& update, const TsigKey& key,
                                          uint16_t id, absl::Time now);

// One with nothing in it but the zone.
absl::StatusOr<SignedMessage> BuildEmptyUpdate(const DomainName& zone, const TsigKey& key,
                                               uint16_t id, absl::Time now);

// One that can change nothing: it wants that the zone has no SOA, which every zone has, and if so
// to delete one record of `type` (kTxt or kA) at `owner`, which nobody has.
//   kInvalidArgument  owner outside the zone, or another type
absl::StatusOr<SignedMessage> BuildRightsTest(const DomainName& zone, const DomainName& owner,
                                              RrType type, const TsigKey& key, uint16_t id,
                                              absl::Time now);

// Whether `reply` can be the answer: QR, opcode UPDATE, our id. Its question may be missing.
bool IsReplyToUpdate(const SignedMessage& request, std::string_view reply);

// What the answer proves, as DnsUpdateClient::Apply documents it. `reply` is what IsReplyToUpdate
// took.
absl::Status InterpretUpdateReply(const SignedMessage& request, const TsigKey& key,
                                  std::string_view reply);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_UPDATE_MESSAGE_H_
