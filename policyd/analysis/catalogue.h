// policyd/analysis/catalogue.h
// The mail services that Dmarcate knows by name: how to recognise their mail in a report, and what
// a domain has to publish so that it aligns. Reviewed data: catalogue/ holds one TOML file for each
// kind of service, compiled in; an operator's file adds to it (docs/sources.md). A field that
// nobody could confirm is empty, never guessed.

#ifndef DMARCATE_POLICYD_ANALYSIS_CATALOGUE_H_
#define DMARCATE_POLICYD_ANALYSIS_CATALOGUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

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
  std::string id;    // a DNS label: "sendgrid"; never renamed, decisions refer to it
  std::string name;  // as it calls itself
  ServiceKind kind = ServiceKind::kApplication;
  // What an SPF record says for it; the first is the one to publish, the others are older or
  // regional names of the same. Empty: it differs by customer, or there is none.
  std::vector<std::string> spf_includes = {};
  // Domains with which it signs on its own account; names below count too.
  std::vector<std::string> dkim_domains = {};
  // Envelope domains of its own; names below count too.
  std::vector<std::string> envelope_domains = {};
  // Selectors by which it signs as the customer, if nobody else is likely to use them. '#' stands
  // for one or more digits: "hs1-#".
  std::vector<std::string> selectors = {};
  // Names that its addresses resolve to, and that resolve to them; names below count too. Not a
  // name under which a host lets its customers' own servers be called.
  std::vector<std::string> reverse_names = {};
  // Servers that receive its customers' mail; names below count too. Says nothing about mail that
  // was sent: a domain whose MX records are there uses the service (analysis/declared.h).
  std::vector<std::string> mx_names = {};
  // Published by the service, its own, and stable for years.
  std::vector<std::string> ranges = {};
  // Ids of services whose includes it uses by agreement: the include stands for those.
  std::vector<std::string> shares = {};
  SpfAlignment spf_alignment = SpfAlignment::kUnknown;
  std::string setup = {};  // what to publish, an imperative sentence
  std::string url = {};    // the service's own instructions
};

// Thread-safe once built.
class Catalogue {
 public:
  // Aborts where Make() would fail.
  explicit Catalogue(std::vector<MailService> services);
  Catalogue(const Catalogue&) = delete;
  Catalogue& operator=(const Catalogue&) = delete;

  //   kInvalidArgument  the data contradicts itself: two services with one id, or with one include,
  //                     signing domain, envelope domain, reverse or MX name or selector that is not
  //                     declared in `shares`; a range that does not parse; `shares` names no
  //                     service
  static absl::StatusOr<std::unique_ptr<Catalogue>> Make(std::vector<MailService> services);
  // The compiled-in services and `own`; one of `own` takes the place of that with its id.
  static absl::StatusOr<std::unique_ptr<Catalogue>> Extended(std::vector<MailService> own);

  // The services that are compiled in.
  static const Catalogue& Default();

  std::span<const MailService> services() const { return services_; }
  // All answers point into this object; null: unknown.
  const MailService* FindById(std::string_view id) const;
  // `domain`, lower case, is or lies below a signing domain.
  const MailService* FindByDkimDomain(std::string_view domain) const;
  const MailService* FindByEnvelopeDomain(std::string_view domain) const;
  const MailService* FindBySelector(std::string_view selector) const;
  // `name`, lower case: what an address resolves to, confirmed by the address that it resolves to.
  const MailService* FindByReverseName(std::string_view name) const;
  // `host`, lower case: the target of an MX record.
  const MailService* FindByMx(std::string_view host) const;
  // By the longest range that holds `address`.
  const MailService* FindByAddress(const IpAddress& address) const;
  // By the target of an include in somebody's SPF record.
  const MailService* FindByInclude(std::string_view domain) const;

 private:
  struct Range {
    IpNetwork network;
    const MailService* service;
  };
  using Index = StringMap<const MailService*>;

  Catalogue() = default;
  absl::Status Build(std::vector<MailService> services);
  // `shareable`: whether `shares` may settle that two services say the same.
  absl::Status Add(Index& index, const std::vector<std::string>& keys, const MailService& service,
                   std::string_view field, bool shareable);

  std::vector<MailService> services_;
  Index by_id_, by_dkim_, by_envelope_, by_include_, by_selector_, by_reverse_, by_mx_;
  std::vector<std::pair<std::string_view, const MailService*>> selector_patterns_;
  std::vector<Range> ranges_;  // the longest prefix first
};

// `text` against a selector pattern, without case; '#' is one or more digits.
bool MatchesSelector(std::string_view pattern, std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_CATALOGUE_H_
