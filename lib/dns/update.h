// lib/dns/update.h
// Changing one TXT RRset by RFC 2136 UPDATE, compared and set in one message, signed with TSIG
// (RFC 8945) over TCP.

#ifndef DMARCATE_LIB_DNS_UPDATE_H_
#define DMARCATE_LIB_DNS_UPDATE_H_

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/secret.h"
#include "lib/dns/config.h"
#include "lib/dns/resolver.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// RFC 8945 section 6; SHA-1 and MD5 are not offered.
enum class TsigAlgorithm : uint8_t { kHmacSha256, kHmacSha384, kHmacSha512 };
// "hmac-sha256", any case, with or without the final dot. kInvalidArgument.
absl::StatusOr<TsigAlgorithm> ParseTsigAlgorithm(std::string_view text);
std::string_view ToString(TsigAlgorithm algorithm);

struct TsigKey {
  DomainName name;
  TsigAlgorithm algorithm = TsigAlgorithm::kHmacSha256;
  Secret secret_base64;
};
// Checks the base64; a message never quotes it. kInvalidArgument.
absl::StatusOr<TsigKey> MakeTsigKey(std::string_view name, std::string_view algorithm,
                                    Secret secret_base64);

// The whole TXT RRset of `owner`, from what was read to what it shall be. `before` lists every
// record with its exact strings, in any order; empty: the RRset does not exist. Empty `after`
// removes it.
struct TxtRrSetUpdate {
  DomainName zone;
  DomainName owner;
  std::vector<TxtRecord> before;
  std::vector<TxtRecord> after;
  uint32_t ttl_seconds = 3600;  // of the whole RRset afterwards (RFC 2181 section 5.2)
};

struct SignedMessage;  // tsig.h

// One server and one key. Thread-safe; updates go one after another, since a server may refuse a
// Time Signed older than the last one it saw of the key (RFC 8945 section 5.2.3).
class DnsUpdateClient {
 public:
  // `timeout` for one whole exchange.
  DnsUpdateClient(ServerAddress server, TsigKey key, absl::Duration timeout = absl::Seconds(10))
      : server_(server), key_(std::move(key)), timeout_(timeout) {}

  // OK means accepted and signed for by the server, not that it changed: a TXT beside a CNAME is
  // dropped in silence (RFC 2136 section 3.4.2.2). Read back. Errors, with the rcode in the
  // message:
  //   kAborted             the zone no longer holds `before` (NXRRSET, YXRRSET, NXDOMAIN, YXDOMAIN)
  //   kPermissionDenied    NOTAUTH, REFUSED: key, name or address may not. Taken from an unsigned
  //   answer,
  //                        too, since a server that does not know the key cannot sign
  //   kInvalidArgument     owner outside the zone (NOTZONE), or more than one message holds
  //   kFailedPrecondition  NOTIMP, or our clock and the server's differ (BADTIME); nothing was
  //                        changed
  //   kUnavailable         not connected, nothing was sent
  //   kUnknown             sent, then no answer that the key vouches for, or SERVFAIL: outcome
  //                        unknown. Read back, then: equal to `after`, done; equal to `before`,
  //                        send again
  absl::Status Apply(const TxtRrSetUpdate& update);

  // Whether the server knows the key and takes updates of the zone with it: sends an UPDATE that
  // says nothing and changes nothing. Which names the key may change is for Apply to find out.
  // Errors as Apply.
  absl::Status CheckKey(const DomainName& zone);

  // Whether the key may change records of `type` (kTxt or kA) at `owner`, as far as the server
  // tells: sends an UPDATE that can change nothing, for it wants the zone to have no SOA.
  //   OK                 not refused: the key may, or the server looks at rights only later
  //   kPermissionDenied  it may not
  //   otherwise          as Apply
  absl::Status CheckRight(const DomainName& zone, const DomainName& owner, RrType type);

  // The RRset as this server has it now: over TCP, without recursion, AA required. An alias is not
  // followed; then cname_chain is not empty and there are no records. Errors as Resolver has them.
  absl::StatusOr<DnsAnswer> Read(const DomainName& owner);

  const ServerAddress& server() const { return server_; }

 private:
  absl::Status Send(const SignedMessage& message, const std::string& context);
  const ServerAddress server_;
  const TsigKey key_;
  const absl::Duration timeout_;
  std::mutex mutex_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_UPDATE_H_
