// policyd/provider/provider.h
// One account at a DNS host, as the change transaction sees it: whole TXT RRsets, read exactly and
// swapped. What the host can promise differs (provider class); what an adapter promises does not:
// one conformance suite (tests/conformance) runs on every one of them, the fake included.
//
// Errors of every call:
//   kUnavailable         nothing was changed; asking again may help (unreachable, throttled, 5xx)
//   kPermissionDenied    the credential is refused, or may not do this
//   kNotFound            the zone is none of this account's
//   kFailedPrecondition  the zone cannot be changed here (a secondary, a CNAME at the name, DNSSEC)
//   kInvalidArgument     the host refuses this value
//   kDataLoss            the host's answer makes no sense; nothing may be concluded from it
// Messages are fit for the operator: host, zone, what it said; never a credential.

#ifndef DMARCATE_POLICYD_PROVIDER_PROVIDER_H_
#define DMARCATE_POLICYD_PROVIDER_PROVIDER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// What the host can promise about a write (reference/safety.md section 5.1).
enum class ProviderClass : uint8_t {
  kA = 1,  // compare-and-swap: refuses if the content changed
  kB = 2,  // changes one record in place, no precondition
  kC = 3,  // replaces the RRset, no precondition: a window between compare and write remains
  kD = 4,  // delete, then create: for a moment there is no record
};
std::string_view ToString(ProviderClass provider_class);  // "A"
//   kInvalidArgument  none of "A" to "D"
absl::StatusOr<ProviderClass> ParseProviderClass(std::string_view text);

// Who carries out what a plan says.
enum class ProviderWriter : uint8_t {
  kProgram = 1,  // Apply does
  kPerson,       // somebody at a control panel; Apply refuses, and the DNS is watched
};

// The TXT RRset at one name: character-strings exactly as kept. No records: it does not exist.
struct RrSet {
  std::vector<TxtRecord> records;
  uint32_t ttl_seconds = 0;  // 0 if it does not exist
};
// As a reader sees them: the same texts (strings joined), in any order.
bool SameTexts(const std::vector<TxtRecord>& a, const std::vector<TxtRecord>& b);

struct RrSetChange {
  DomainName owner;
  std::vector<TxtRecord> before;  // exactly as read
  std::vector<TxtRecord> after;   // empty: the RRset goes away
  uint32_t ttl_seconds = 0;       // of `after`
};

struct ProviderTest {
  enum class State : uint8_t { kWorking = 1, kCredentialRefused, kUnreachable, kMisconfigured };
  State state = State::kMisconfigured;
  std::string message;  // what was seen, and what to do
  std::vector<DomainName> zones;
  std::vector<std::string> warnings;  // "the API key can change all 212 zones of this server"
};

// Of an account whose zones could not be listed, by the code of that error.
ProviderTest FailedTest(const absl::Status& status);

// Thread-safe. Every call ends by a deadline of the adapter's own.
class DnsProvider {
 public:
  virtual ~DnsProvider() = default;

  virtual ProviderClass provider_class() const = 0;
  virtual ProviderWriter writer() const { return ProviderWriter::kProgram; }

  // The zone that holds `owner`: the longest of this account's at or above it.
  virtual absl::StatusOr<DomainName> FindZone(const DomainName& owner) = 0;
  virtual absl::StatusOr<std::vector<DomainName>> ListZones() = 0;

  // What the host keeps now and serves; records that it keeps but does not serve are left out.
  virtual absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) = 0;

  // Puts `change.after` where `change.before` is now. Safe to repeat: where `after` stands already,
  // it is OK and writes nothing. Records that are not served stay. Never writes without comparing.
  //   kAborted  the zone no longer holds `before`; nothing was written
  //   kUnknown  it may or may not have happened: read before anything else
  virtual absl::Status Apply(const DomainName& zone, const RrSetChange& change) = 0;

  // Tries the credential by reading.
  virtual ProviderTest Test() = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_PROVIDER_H_
