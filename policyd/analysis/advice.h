// policyd/analysis/advice.h
// What to do about a source, in one sentence, and how an approval of it should be realised. Pure.
// An include is proposed only where it can align: for most services it cannot, and DKIM is the
// answer (DESIGN section 6).

#ifndef DMARCATE_POLICYD_ANALYSIS_ADVICE_H_
#define DMARCATE_POLICYD_ANALYSIS_ADVICE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/policy_store.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {

struct Advice {
  AuthorizationSpec proposal;  // kUnspecified: no proposal, a person has to find out more
  std::string sentence;        // untrusted text inside is escaped
  std::string spf_term;        // "include:sendgrid.net", if one is known; whether or not it helps
  bool spf_needed = false;     // the proposal adds to SPF
};
Advice Advise(const SourceStatistics& source, std::string_view domain);

// Whether mail of the source would fail DMARC without SPF: an aligned signature is missing where it
// is not one of single failures. Also if it has sent nothing, of which nothing can be said.
bool NeedsSpf(const SourceStatistics& source);

// A claim, what it was compared with, and what follows.
struct EvidenceItem {
  std::string claim;
  std::string checked_against;
  std::string verdict;  // "supports", "contradicts", "neutral"
  int64_t messages = 0;
};
// Strongest first. Claims name numbers of messages.
std::vector<EvidenceItem> EvidenceFor(const SourceStatistics& source,
                                      const DomainStatistics& domain);

// Why the source is of its kind, with the numbers: one clause, no full stop.
std::string KindReason(const SourceStatistics& source);

// Codes of what a person should know before approving; sorted.
//   DKIM_PARTLY_ALIGNED   some of its mail lacks an aligned signature
//   FORWARDED             it passes on mail of others
//   NOTHING_ALIGNS        none of its mail passes DMARC
//   NO_CATALOGUE_ENTRY    nobody has described this sender
//   OVERFLOW              stands for senders that were too many to keep apart
//   SINGLE_REPORTER       one organisation alone has seen it
//   SPF_BREAKS            DKIM passes and SPF does not: forwarding, or an address not in SPF
//   SPF_CANNOT_ALIGN      its envelope domain is its own; an include does not help
std::vector<std::string> WarningsFor(const SourceStatistics& source);

// Digest of the grouping and its grounds, not of counts: it moves when a person would have to
// look again. "20251026-20251124-" and 20 hex digits; the days are those of `range`, for which
// the evidence must be gathered again to compare.
std::string EvidenceEtag(const SourceStatistics& source, const DomainStatistics& domain);
// The days an etag was made for; nullopt if it is none of ours.
std::optional<DayRange> RangeOfEtag(std::string_view etag);

// What people call it: "Twilio SendGrid", "mailer.example", "192.0.2.10".
std::string DisplayName(const SourceStatistics& source);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_ADVICE_H_
