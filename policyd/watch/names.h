// policyd/watch/names.h
// Which names are looked at for a managed domain. Pure.

#ifndef DMARCATE_POLICYD_WATCH_NAMES_H_
#define DMARCATE_POLICYD_WATCH_NAMES_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "lib/dns/resolver.h"
#include "lib/mailauth/domain_name.h"
#include "lib/store/observation_store.h"

namespace dmarcate {

RrType TypeOf(RecordKind kind);

// The domain's own: SPF first, then DMARC, MX, MTA-STS, TLS-RPT and a key for each selector. A name
// that would be too long is left out.
std::vector<ObservedName> OwnNames(const DomainName& domain,
                                   const std::vector<std::string>& selectors);

// What the SPF record among `values` includes or redirects to, in its order, each once. Targets
// with macros are left out: they are another name for each mail. Nothing if there is not exactly
// one record, or it does not parse: then receivers follow nothing either.
std::vector<DomainName> SpfReferences(const std::vector<std::string>& values);

// The names that the SPF record among `values`, that of `domain`, leads to through includes and
// redirects, nearest first, at most `limit`. `values_of` gives what is live at such a name, or
// nothing; it is asked once for each.
std::vector<DomainName> IncludedNames(
    const DomainName& domain, const std::vector<std::string>& values, size_t limit,
    const std::function<std::vector<std::string>(const DomainName&)>& values_of);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_NAMES_H_
