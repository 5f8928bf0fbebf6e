// policyd/provider/api/zone_api.h
// What differs from one DNS host with an HTTP API to the next. ApiProvider makes a DnsProvider of
// it: it finds the zone, compares, asks for the write, reads back and says what became of it.
//
// How to write an adapter for the host NAME:
//   1. policyd/provider/NAME/NAME_api.{h,cc}: a ZoneApi. Say in the header which class it is and
//      why, and its limits, each with the vendor's page and the date it was read. A host whose unit
//      is a record id plans with record_steps.h; one whose unit is the RRset writes
//      KeepValues(now, change.after, form), which sends back unchanged what it does not change.
//      TXT in the host's spelling: txt_codec.h. Lists: every page, behind a PageGuard.
//   2. One entry in policyd/provider/hosted_types.cc: type, class, settings, how it is opened; the
//      table in factory.h; the files in CMakeLists.txt.
//   3. tests/conformance/vendor/NAME_server.{h,cc}: a VendorServer that keeps zones by the vendor's
//      own rules and refuses (and fails the test for) requests that the vendor would not take; it
//      shares no code with the adapter. One line in tests/conformance/vendor_conformance_test.cc
//      runs the whole suite over it.
//   4. tests/policyd/provider/NAME_api_test.cc: what is particular to the host.
//   5. docs/changes.md, table "Providers"; docs/providers.md, a section.
//
// Errors are those of provider.h, from ApiCall; nothing here needs to name the host or the zone in
// a message: ApiProvider does.

#ifndef DMARCATE_POLICYD_PROVIDER_API_ZONE_API_H_
#define DMARCATE_POLICYD_PROVIDER_API_ZONE_API_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/provider/api/call.h"
#include "policyd/provider/provider.h"

namespace dmarcate {

struct HostedZone {
  DomainName name;
  std::string id;         // as paths of the API name it
  std::string read_only;  // why nothing can be written to it here; empty if something can
};

// One TXT record as the host keeps it.
struct HostedRecord {
  std::string id;                // of hosts that change records by id
  std::string raw;               // as the host spells it: what is sent back unchanged
  std::optional<TxtRecord> txt;  // nothing if this reader cannot decode it: nothing is concluded
                                 // from such a set, and nothing is written to it
  uint32_t ttl_seconds = 0;      // of hosts that keep one for each record
  std::string locked;            // why it cannot be changed; empty if it can
};

// The TXT RRset at one name.
struct HostedRrSet {
  std::vector<HostedRecord> records;
  uint32_t ttl_seconds = 0;
  std::string guard;   // of hosts with a condition for writes: an ETag
  std::string refuse;  // why it cannot be changed as a plain set (routing policy, alias); or empty
};

// Thread-safe.
class ZoneApi : public ApiDialect {
 public:
  virtual ProviderClass provider_class() const = 0;
  // All zones of the account, every page.
  virtual absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) = 0;
  // Those that have exactly this name; more than one where the host allows it. Others are passed
  // over: a host's filter is not relied upon.
  virtual absl::StatusOr<std::vector<HostedZone>> FindZones(ApiCall& call, const DomainName& name);
  virtual absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                           const DomainName& owner) = 0;
  // Puts `change.after` in the place of `now`, which holds `change.before`, and returns when the
  // host has it (not: when all its servers show it). A kUnavailable promises that nothing was
  // changed at all.
  virtual absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                             const RrSetChange& change) = 0;
  // Asks the host what the credential may do, beyond listing zones, which worked: adds warnings
  // about rights that are not needed, sets another state where one is missing. `zones` are all.
  // Changes nothing. What the host does not tell is said, too: nobody takes silence for "it may".
  // Here: nothing of it is known.
  virtual void Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test);
};

// `name` relative to `zone`: "_dmarc" or "sub._dmarc", `apex` at the zone itself ("@", "").
std::string RelativeName(const DomainName& name, const DomainName& zone, std::string_view apex);
// What a test says of rights that cannot be found out: "; not known: WHAT", behind its message.
void TellNotKnown(std::string_view what, ProviderTest& test);
inline constexpr std::string_view kRightsNotTold =
    "whether it may write, or do more than that: this host tells no token what it may do";
// The test has found that the credential lacks a right; `message` says which, and what to do.
void TellMissing(std::string message, ProviderTest& test);
// It has more than is needed: "the token may do more than is needed: WHAT".
void TellExcess(const std::vector<std::string>& what, ProviderTest& test);
// All its records.
//   kDataLoss  one of them cannot be decoded: what is not understood is not taken for absent
absl::StatusOr<std::vector<TxtRecord>> Decoded(const HostedRrSet& rrset);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_API_ZONE_API_H_
