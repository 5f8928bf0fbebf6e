// policyd/reconcile/sts_files.h
// The MTA-STS policy of a domain as its web server gives it to senders.

#ifndef DMARCATE_POLICYD_RECONCILE_STS_FILES_H_
#define DMARCATE_POLICYD_RECONCILE_STS_FILES_H_

#include <functional>

#include "lib/dns/resolver.h"
#include "lib/http/transport.h"
#include "lib/inbound/mta_sts_fetch.h"
#include "policyd/reconcile/sts_file_source.h"

namespace dmarcate {

// Thread-safe; all outlive it. Blocks for `options.limit` at most, and the look-up of the address.
class StsFiles final : public StsFileSource {
 public:
  // `http`: https only, redirects not followed. `has_authorities`: whether this machine can trust
  // any certificate; without, nothing is learned.
  StsFiles(Resolver& resolver, HttpTransport& http, std::function<bool()> has_authorities,
           MtaStsFetchOptions options)
      : resolver_(resolver),
        http_(http),
        has_authorities_(std::move(has_authorities)),
        options_(std::move(options)) {}

  absl::StatusOr<ServedStsFile> Fetch(const DomainName& domain) override;

 private:
  Resolver& resolver_;
  HttpTransport& http_;
  const std::function<bool()> has_authorities_;
  const MtaStsFetchOptions options_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_STS_FILES_H_
