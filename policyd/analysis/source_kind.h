// policyd/analysis/source_kind.h
// Of what kind a source is. Pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_SOURCE_KIND_H_
#define DMARCATE_POLICYD_ANALYSIS_SOURCE_KIND_H_

#include <set>
#include <string>
#include <vector>

#include "policyd/analysis/statistics.h"

namespace dmarcate {

// With which our own and catalogued senders sign as us. Where anybody who can be believed reports
// of the domain, only what they say: else a stranger could call a sender's selector our own.
std::set<std::string> HomeSelectors(const std::vector<SourceStatistics>& sources);

// What a source is. A source that is seen only under another's envelope is a
// forwarder if the reporters say so for most of its mail, or if every signature of ours on it is
// one that our own or a catalogued sender makes: a sender of its own would have a key of its own.
// By what can be believed; of what nobody who can be has seen, by what is claimed.
SourceKind KindOf(const SourceStatistics& source, const std::set<std::string>& home_selectors);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_SOURCE_KIND_H_
