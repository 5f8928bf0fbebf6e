// policyd/reconcile/live_reader.h
// Gathers what is live: what the provider keeps, what every authoritative server says (over TCP),
// and what an SPF record costs to evaluate. Reads are repeated within a deadline; they change
// nothing.

#ifndef DMARCATE_POLICYD_RECONCILE_LIVE_READER_H_
#define DMARCATE_POLICYD_RECONCILE_LIVE_READER_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/inspect/overlay_resolver.h"
#include "lib/inspect/spf_tree.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/plan/spf_plan.h"
#include "policyd/plan/txt_image.h"
#include "policyd/provider/provider.h"
#include "policyd/reconcile/change_engine.h"

namespace dmarcate {

struct LiveRrSet {
  TxtImage image;               // the provider's
  AuthoritativeAnswer servers;  // everybody's
};

// Thread-safe. Errors carry their reason: PROVIDER_UNAVAILABLE, PROVIDER_CREDENTIAL,
// PROVIDER_REJECTED, ZONE_NOT_BOUND, DNS_UNAVAILABLE, SHUTTING_DOWN.
class LiveReader {
 public:
  LiveReader(const ChangeWorld& world, const ChangeEngineOptions& options)
      : world_(world), options_(options) {}

  absl::StatusOr<LiveRrSet> Read(DnsProvider& provider, const DomainName& owner) const;
  absl::StatusOr<RrSet> ReadProvider(DnsProvider& provider, const DomainName& zone,
                                     const DomainName& owner) const;
  absl::StatusOr<AuthoritativeAnswer> ReadServers(const DomainName& owner) const;
  // As LookupOwn, repeated.
  absl::StatusOr<AuthoritativeAnswer> ReadOwn(RecordRole role, const DomainName& owner) const;
  // The tree of a record that `domain` may publish, with `overlay` in place of what is live at its
  // names. An empty text has an empty tree. What could not be read leaves it incomplete, and is no
  // error.
  SpfTree Expand(const DomainName& domain, std::string_view spf_text,
                 const TxtOverlay& overlay = {}) const;
  // An empty text costs nothing. What could not be counted is in the measure, and is no error.
  SpfMeasure Measure(const DomainName& domain, std::string_view spf_text,
                     const TxtOverlay& overlay = {}) const;

 private:
  absl::StatusOr<AuthoritativeAnswer> ReadAll(
      const DomainName& owner,
      const std::function<absl::StatusOr<AuthoritativeAnswer>()>& read) const;
  // Repeats `read` while it is kUnavailable or kDeadlineExceeded.
  absl::Status Repeat(const std::function<absl::Status()>& read) const;

  const ChangeWorld& world_;
  const ChangeEngineOptions& options_;
};

// What the servers of the name's own zone say, without following an alias out of it: its target, in
// `cname_chain`, or the TXT records that stand there. SPF stands at names that are no aliases of
// ours: there it is as AuthoritativeResolver::LookupAll.
absl::StatusOr<AuthoritativeAnswer> LookupOwn(AuthoritativeResolver& servers, RecordRole role,
                                              const DomainName& owner);

// The text of the one SPF record among these; empty: there is none, or several.
std::string OnlySpfText(const std::vector<TxtRecord>& records);
// kDataLoss: a name of a stored record that does not parse.
absl::StatusOr<DomainName> StoredName(std::string_view text);

// A provider's error as the API tells it.
absl::Status ProviderReason(const absl::Status& status);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_LIVE_READER_H_
