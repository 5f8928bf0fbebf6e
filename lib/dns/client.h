// lib/dns/client.h
// One question to one server, with all that a server may make of it: truncation, servers without
// EDNS, refusals, lameness, broken signatures. Both resolvers are built on this.

#ifndef DMARCATE_LIB_DNS_CLIENT_H_
#define DMARCATE_LIB_DNS_CLIENT_H_

#include "absl/status/statusor.h"

#include "lib/dns/config.h"
#include "lib/dns/exchange.h"
#include "lib/dns/message.h"
#include "lib/dns/resolver.h"

namespace dmarcate {

enum class Transport : uint8_t { kUdpThenTcp, kTcp };

struct Question {
  DomainName name;
  RrType type = RrType::kTxt;
  // kNone: the server is asked as an authority, and an answer without AA is an error.
  Recursion recursion = Recursion::kDesired;
  Transport transport = Transport::kUdpThenTcp;
};

// The server's answer with `server` and `round_trip` filled in. Sends at most one message at a time
// and ends by `deadline`; repeats nothing that was lost. Thread-safe. The message names server and
// question.
//   kDeadlineExceeded  no answer
//   kUnavailable       SERVFAIL, REFUSED and the like; unreachable; lame; nonsense
//   kDataLoss          a validating resolver says SERVFAIL, has an answer if it need not validate,
//                      and says SERVFAIL again if it must: the signatures are broken (RFC 4035
//                      section 5.5). A failure that has passed by then is none
//   kResourceExhausted an alias chain too long
absl::StatusOr<Response> AskServer(const ServerAddress& server, const Question& question,
                                   NetDeadline deadline);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_CLIENT_H_
