// lib/mailauth/spf_evaluate.h
// check_host() of RFC 7208: may this client send mail with this identity? Pure: look-ups are an
// argument. All mechanisms, modifiers, macros and limits; every section 4.6.4 limit is permerror.

#ifndef DMARCATE_LIB_MAILAUTH_SPF_EVALUATE_H_
#define DMARCATE_LIB_MAILAUTH_SPF_EVALUATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/ip_address.h"
#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/spf_record.h"

namespace dmarcate {

enum class SpfResult : uint8_t {
  kNone,
  kNeutral,
  kPass,
  kFail,
  kSoftFail,
  kTempError,
  kPermError,
};
std::string_view ToString(SpfResult result);  // "permerror"

// What the evaluation asks. NXDOMAIN and no data are an empty list; an error is temperror, but for
// ptr, where the name that brings it does not count (section 5.5). kCancelled says that the whole
// evaluation is out of time (section 4.6.4): temperror for ptr, too. Answers may be cached or
// recorded ones. Names are lower case without trailing dot, with labels of 1 to 63 octets; a macro
// can put any character into them, blanks too, so they are text and no DomainName. Who asks the DNS
// through DomainName may say that other names do not exist.
class SpfDns {
 public:
  virtual ~SpfDns() = default;
  // Each record with its character-strings joined.
  virtual absl::StatusOr<std::vector<std::string>> LookupTxt(const std::string& name) = 0;
  virtual absl::StatusOr<std::vector<IpAddress>> LookupA(const std::string& name) = 0;
  virtual absl::StatusOr<std::vector<IpAddress>> LookupAaaa(const std::string& name) = 0;
  // Exchanges, most preferred first; the root for a null MX.
  virtual absl::StatusOr<std::vector<DomainName>> LookupMx(const std::string& name) = 0;
  // Names that the address maps to.
  virtual absl::StatusOr<std::vector<DomainName>> LookupPtr(const IpAddress& address) = 0;
};

// One message's identity.
struct SpfRequest {
  IpAddress client;
  std::string helo;
  std::string mail_from;  // without angle brackets; empty for the null sender: then HELO is checked
  std::string receiver;   // for %{r} in an explanation; may be empty
  int64_t unix_seconds = 0;  // for %{t} in an explanation
};

struct SpfEvaluation {
  SpfResult result = SpfResult::kNone;
  std::string reason;        // why, for people: "include:a.test: 3 void look-ups, limit 2"
  std::string matched_term;  // the term of the domain's own record that decided, empty if none did
  std::string explanation;   // of a fail, if the domain publishes one; text of a stranger
  int lookup_count = 0;
  int void_lookup_count = 0;
  // Whether client or HELO or the sender's local part or domain went into a name that was asked.
  // If not, the result is the same for every sender of that client (section 7.3).
  bool depends_on_sender = false;
};

SpfEvaluation CheckHost(const SpfRequest& request, SpfDns& dns);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_SPF_EVALUATE_H_
