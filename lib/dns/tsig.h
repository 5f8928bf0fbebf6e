// lib/dns/tsig.h
// Transaction signatures (RFC 8945) over whole messages, octets in and octets out.
//
// Not ldns's: 1.8.3 knows neither hmac-sha384 nor hmac-sha512, takes an answer whose TSIG has
// another TTL or Original ID than was signed, and compares MACs in variable time.

#ifndef DMARCATE_LIB_DNS_TSIG_H_
#define DMARCATE_LIB_DNS_TSIG_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/dns/update.h"

namespace dmarcate {

inline constexpr int kTsigBadSig = 16;  // RFC 8945 section 3
inline constexpr int kTsigBadKey = 17;
inline constexpr int kTsigBadTime = 18;

struct SignedMessage {
  std::string wire;
  std::string mac;  // the answer's MAC covers it
  absl::Time signed_at;
};

// Appends a TSIG RR to `message`, which must be one. kInvalidArgument if the key's secret is not
// base64.
absl::StatusOr<SignedMessage> SignMessage(std::string message, const TsigKey& key, absl::Time now);

struct TsigCheck {
  // The key vouches for every octet of the answer, as the answer to this request. MACs are compared
  // in constant time and taken in full length only; Time Signed is within the fudge of the
  // request's.
  bool vouched = false;
  int error = 0;                    // of the TSIG RR, vouched for or not; 0 without one
  int64_t server_time_seconds = 0;  // with BADTIME: what the server's clock says
};

// `reply` is any octets. What is malformed, or lacks a TSIG as its last RR, is not vouched for.
TsigCheck CheckReply(const SignedMessage& request, const TsigKey& key, std::string_view reply);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_TSIG_H_
