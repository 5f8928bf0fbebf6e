// policyd/analysis/attribution.h
// Which Source a row of a report belongs to. Pure: equal rows, equal answers, whatever else the
// reports say, so that sums over sources are sums over rows.
//
// By evidence, strongest first (DESIGN section 6):
//   1. a DKIM pass of a catalogued signing domain; where several pass, the service that is not a
//      mere delivery service, since others build on those
//   2. a DKIM pass of our own domain whose selector only one catalogued service uses
//   3. an SPF pass of a catalogued envelope domain
//   4. an address in a catalogued service's published ranges: the stable ones of the catalogue, or
//      those of its live SPF tree; else a name of the service that the address has and that is
//      confirmed both ways; neither if the mail was passed on
//   5. our own domain, by DKIM pass, else by SPF pass: our own servers, or whoever signs as us
//   6. mail that was passed on, by an SPF pass of the forwarder's envelope domain
//   7. a DKIM pass of any other domain, else an SPF pass of any other domain
//   8. the address alone
// 5 comes after 6 where the envelope passes for somebody else's domain: our signature survives a
// forwarder, so it tells who wrote the mail, not who sent it here.

#ifndef DMARCATE_POLICYD_ANALYSIS_ATTRIBUTION_H_
#define DMARCATE_POLICYD_ANALYSIS_ATTRIBUTION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/report/model.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/analysis/network_evidence.h"

namespace dmarcate {

// The rule that decided; the numbers are those above, split where the identity differs.
enum class Rule : uint8_t {
  kCatalogueDkim,
  kCatalogueSelector,
  kCatalogueEnvelope,
  kCatalogueRange,
  kCatalogueReverseName,
  kOwnDkim,
  kOwnEnvelope,
  kForwarderEnvelope,
  kOtherDkim,
  kOtherEnvelope,
  kAddress,
  kOverflow,  // more sources than are kept apart; see statistics.h
};
inline constexpr size_t kRuleCount = 12;
std::string_view ToString(Rule rule);  // "catalogue_dkim"

// What the reporter or the results say about the mail having been passed on.
enum class ForwardHint : uint8_t {
  kNone,
  kOverride,   // the reporter says so: forwarded, mailing_list, trusted_forwarder, or arc=pass
  kBrokenSpf,  // our signature is intact and the envelope is another domain's or fails
};

struct Attribution {
  // Stable, DNS-safe, at most 63 octets: "sendgrid", "own-example.com", "dkim-mailer.example",
  // "spf-forwarder.example", "ip-192-0-2-10", "ip-2001-db8--1", "ip-unknown".
  std::string source_id;
  Rule rule = Rule::kAddress;
  std::string value;  // the domain or address that decided
  const MailService* service = nullptr;
  ForwardHint forward_hint = ForwardHint::kNone;
  // Our own signature on the mail, if it passes; its selector, if reported. Views into the record.
  bool own_signature = false;
  std::string_view own_selector;
  // SPF denies the sender the use of our name as its envelope domain: fail or softfail.
  bool own_envelope_denied = false;
};

// `domain`: the policy domain of the report, lower case. `network`: what the DNS says about
// addresses; null: nothing is known.
Attribution Attribute(const AggregateRecord& record, std::string_view domain,
                      const Catalogue& catalogue, const NetworkEvidence* network = nullptr);

// `candidate` is `domain` or lies below it.
bool IsAtOrBelow(std::string_view candidate, std::string_view domain);

// "ip-192-0-2-10": that of an address by which alone a source is known.
std::string AddressSourceId(const IpAddress& address);

// "dkim-" and `text` with every octet outside [a-z0-9.-] as '-'. Where that loses something or
// the whole is over 63 octets, it is cut and ends in a digest of `text`, so that different texts
// stay different.
std::string MakeSourceId(std::string_view prefix, std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_ATTRIBUTION_H_
