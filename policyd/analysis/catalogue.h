// policyd/analysis/catalogue.h
// The mail services that Dmarcate knows by name: how to recognise their mail in a report, and what
// a domain has to publish so that it aligns. Reviewed data, compiled in; catalogue/ holds one table
// for each kind of service. A field that nobody could confirm is empty, never guessed.

#ifndef DMARCATE_POLICYD_ANALYSIS_CATALOGUE_H_
#define DMARCATE_POLICYD_ANALYSIS_CATALOGUE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/ip_address.h"
#include "lib/base/text.h"

namespace dmarcate {

// What a service is for. Order matters nowhere.
enum class ServiceKind : uint8_t {
  kMailbox,      // people's mailboxes: Google Workspace
  kDelivery,     // sends for programs, also for other services: Amazon SES
  kMarketing,    // newsletters and campaigns
  kApplication,  // sends as part of something else: a help desk, a shop
  kGateway,      // filters and relays what others wrote
  kForwarder,    // passes mail on; never a sender of its own
};
std::string_view ToString(ServiceKind kind);  // "mailbox"

// Whether SPF can align (RFC 9989 section 4.4.2): its domain is that of the envelope, which the
// service chooses.
enum class SpfAlignment : uint8_t {
  kUnknown,
  kByInclude,         // the envelope is the customer's: an include is enough
  kCustomReturnPath,  // only after the customer has set up a return path of its own
  kNever,             // the envelope is always the service's; an include is of no use
};

struct MailService {
  std::string_view id;    // a DNS label: "sendgrid"; never renamed, decisions refer to it
  std::string_view name;  // as it calls itself
  ServiceKind kind = ServiceKind::kApplication;
  // What an SPF record says for it; the first is the one to publish, the others are older or
  // regional names of the same. Empty: it differs by customer, or there is none.
  std::vector<std::string_view> spf_includes = {};
  // Domains with which it signs on its own account; names below count too.
  std::vector<std::string_view> dkim_domains = {};
  // Envelope domains of its own; names below count too.
  std::vector<std::string_view> envelope_domains = {};
  // Selectors by which it signs as the customer, if nobody else is likely to use them. '#' stands
  // for one or more digits: "hs1-#".
  std::vector<std::string_view> selectors = {};
  // Published by the service, its own, and stable for years.
  std::vector<std::string_view> ranges = {};
  SpfAlignment spf_alignment = SpfAlignment::kUnknown;
  std::string_view setup = {};  // what to publish, an imperative sentence
  std::string_view url = {};    // the service's own instructions
};

// Thread-safe once built.
class Catalogue {
 public:
  // Aborts on contradicting data: two services with one id, signing domain, envelope domain or
  // selector, or a range that does not parse. A test builds the one that is compiled in.
  explicit Catalogue(std::vector<MailService> services);
  Catalogue(const Catalogue&) = delete;
  Catalogue& operator=(const Catalogue&) = delete;

  // The services that are compiled in.
  static const Catalogue& Default();

  std::span<const MailService> services() const { return services_; }
  // All answers point into this object; null: unknown.
  const MailService* FindById(std::string_view id) const;
  // `domain`, lower case, is or lies below a signing domain.
  const MailService* FindByDkimDomain(std::string_view domain) const;
  const MailService* FindByEnvelopeDomain(std::string_view domain) const;
  const MailService* FindBySelector(std::string_view selector) const;
  // By the longest range that holds `address`.
  const MailService* FindByAddress(const IpAddress& address) const;
  // By the target of an include in somebody's SPF record.
  const MailService* FindByInclude(std::string_view domain) const;

 private:
  struct Range {
    IpNetwork network;
    const MailService* service;
  };
  std::vector<MailService> services_;
  StringMap<const MailService*> by_id_, by_dkim_, by_envelope_, by_include_, by_selector_;
  std::vector<std::pair<std::string_view, const MailService*>> selector_patterns_;
  std::vector<Range> ranges_;  // the longest prefix first
};

// `text` against a selector pattern, without case; '#' is one or more digits.
bool MatchesSelector(std::string_view pattern, std::string_view text);

namespace catalogue {  // the tables, one file each
std::vector<MailService> MailboxServices();
std::vector<MailService> DeliveryServices();
std::vector<MailService> MarketingServices();
std::vector<MailService> ApplicationServices();
std::vector<MailService> GatewayServices();
std::vector<MailService> ForwarderServices();
}  // namespace catalogue

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_CATALOGUE_H_
