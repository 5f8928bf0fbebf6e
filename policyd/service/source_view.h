// policyd/service/source_view.h
// A Source of the API: what the reports say about it, and what people decided.

#ifndef DMARCATE_POLICYD_SERVICE_SOURCE_VIEW_H_
#define DMARCATE_POLICYD_SERVICE_SOURCE_VIEW_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "dmarcate/v1/source.pb.h"
#include "lib/store/policy_store.h"
#include "policyd/analysis/declared.h"
#include "policyd/analysis/health.h"
#include "policyd/analysis/statistics.h"
#include "policyd/service/network_book.h"

namespace dmarcate {

// `statistics` are those of `source`, which may be a silent one. A decision that was taken back is
// shown too: it says who did it.
v1::Source MakeSource(const SourceStatistics& source, const DomainStatistics& statistics,
                      const std::optional<SourceDecision>& decision);

// A source without mail in the range that somebody decided about, or that is declared: what its id
// alone says.
SourceStatistics SilentSource(std::string_view id, const Catalogue& catalogue);

// What the domain's own DNS declares, by source id. `network` null, or the DNS has not been asked
// yet: nothing.
using Declarations = std::map<std::string, std::vector<Declaration>, std::less<>>;
Declarations DeclarationsOf(const NetworkBook* network, std::string_view domain,
                            const Catalogue& catalogue);
std::vector<Declaration> DeclarationsOf(const NetworkBook* network, std::string_view domain,
                                        const Catalogue& catalogue, std::string_view id);
// Puts them into `out`, which is `source`.
void Declare(const std::vector<Declaration>& declarations, const SourceStatistics& source,
             std::string_view domain, v1::Source* out);

v1::SourceChange MakeSourceChange(const SourceChange& change, std::string_view domain);

v1::Authorization ToMessage(const AuthorizationSpec& spec);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SOURCE_VIEW_H_
