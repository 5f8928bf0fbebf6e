#include "lib/inbound/inbound.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/inbound/chain_check.h"
#include "lib/inspect/lookup_budget.h"
#include "lib/inspect/posture_judge.h"

namespace dmarcate {
namespace {

constexpr int kMaxLookups = 100;  // two for an address, at most two for TLSA; of eleven names
constexpr absl::Duration kSessionLimit = absl::Seconds(15);

class Inspector {
 public:
  Inspector(const DomainName& domain, const MxPosture& mx, const InboundParts& parts,
            const InboundOptions& options)
      : domain_(domain),
        mx_(mx),
        parts_(parts),
        options_(options),
        end_(parts.clock.Monotonic() + options.limit),
        meter_(parts.clock,
               {.max_lookups = kMaxLookups, .max_time = options.limit / 3, .stop = options.stop}),
        resolver_(parts.resolver, meter_) {}

  InboundPosture Run(const MtaStsPosture& mta_sts) {
    const absl::Time now = parts_.clock.Now();
    FindServers();
    for (MailServerPosture& server : out_.servers) LookupDane(server);
    // Before the sessions: where port 25 is blocked they use up all of their time.
    MtaStsFetchOptions fetch{
        .guard = options_.guard, .port = options_.https_port, .stop = options_.stop};
    fetch.limit = std::min(fetch.limit, Left() / 2);
    out_.policy = JudgeMtaStsPolicy(domain_, mta_sts, mx_,
                                    parts_.trust.HasAuthorities()
                                        ? FetchMtaStsPolicy(domain_, resolver_, parts_.http, fetch)
                                        : MakeError(absl::StatusCode::kInternal, kNoAuthorities));
    Probe();
    out_.verdict = out_.policy.judgement.verdict;
    for (MailServerPosture& server : out_.servers) {
      CheckChains(
          {server.dane.base, domain_}, parts_.trust, now, [this] { return GoOn(); }, server);
      JudgeMailServer(Applied(mta_sts), now, server);
      out_.verdict = Worse(out_.verdict, server.judgement.verdict);
    }
    // Where the MX records are not known, neither is what they name.
    if (!mx_.view.resolver.ok()) out_.verdict = Worse(out_.verdict, Verdict::kUnknown);
    return std::move(out_);
  }

 private:
  absl::Duration Left() const { return end_ - parts_.clock.Monotonic(); }

  absl::Status GoOn() const {
    if (options_.stop && options_.stop()) {
      return MakeError(absl::StatusCode::kCancelled, "told to stop");
    }
    if (Left() > absl::ZeroDuration()) return absl::OkStatus();
    return MakeError(absl::StatusCode::kDeadlineExceeded, "no time was left to look at it");
  }

  // A policy applies where a record announces it.
  AppliedPolicy Applied(const MtaStsPosture& mta_sts) const {
    if (out_.policy.judgement.verdict == Verdict::kUnknown) return {.known = false};
    if (!mta_sts.record.has_value() || !out_.policy.policy.has_value()) return {};
    return {.mode = out_.policy.policy->mode};
  }

  void FindServers() {
    if (!mx_.view.resolver.ok() || mx_.null_mx) return;
    std::set<DomainName> seen;
    for (const MxRecord& mx : mx_.records) {
      if (mx.exchange.IsRoot() || !seen.insert(mx.exchange).second) continue;
      if (out_.servers.size() == kMaxMailServers) {
        ++out_.servers_left_out;
        continue;
      }
      MailServerPosture& server = out_.servers.emplace_back();
      server.host = mx.exchange;
      server.preference = mx.preference;
      server.addresses = LookupAddresses(server.host, resolver_);
    }
    if (!mx_.records.empty()) return;
    // RFC 5321 section 5.1: the domain itself, if it has an address.
    MailServerPosture self;
    self.host = domain_;
    self.addresses = LookupAddresses(domain_, resolver_);
    if (self.addresses.ok() && self.addresses->addresses.empty()) return;
    out_.servers.push_back(std::move(self));
  }

  // The TLSA base domain is the name behind aliases, if DNSSEC vouches for all of them and for TLSA
  // records there; else the MX record's own (RFC 7672 section 2.2.3). Where it does not vouch for
  // an alias or its target, nothing is secure under either name.
  void LookupDane(MailServerPosture& server) {
    server.dane.base = server.host;
    if (!server.addresses.ok()) return;
    const HostAddresses& addresses = *server.addresses;
    server.dane = LookupTlsa(server, server.host == addresses.final_name || !addresses.secure
                                         ? server.host
                                         : addresses.final_name);
    if (server.dane.base == server.host || !server.dane.answer.ok() ||
        (server.dane.answer->validated && !server.dane.records.empty())) {
      return;
    }
    DanePosture own = LookupTlsa(server, server.host);
    // Records that nobody goes by are told of if there are no others.
    if (own.answer.ok() && own.records.empty() && !server.dane.records.empty()) return;
    server.dane = std::move(own);
  }

  DanePosture LookupTlsa(const MailServerPosture& server, const DomainName& base) {
    DanePosture dane;
    dane.base = base;
    dane.base_secure = server.addresses->secure && mx_.view.resolver->validated;
    const auto owner = base.Child("_25._tcp");
    if (!owner.ok()) {  // nothing can be there
      dane.answer = DnsAnswer{};
      return dane;
    }
    dane.owner = *owner;
    dane.answer = resolver_.Lookup(*owner, RrType::kTlsa);
    if (!dane.answer.ok()) return dane;
    dane.secure = dane.base_secure && dane.answer->validated;
    for (const std::string& text : dane.answer->texts) {
      if (dane.records.size() == kMaxTlsaRecords) {
        dane.records_cut = true;
        break;
      }
      if (auto record = ParseTlsa(text); record.ok()) dane.records.push_back({*std::move(record)});
    }
    return dane;
  }

  void Probe() {
    std::vector<SmtpTarget> targets;
    std::vector<MailServerPosture*> owners;
    for (MailServerPosture& server : out_.servers) {
      // Senders that do DANE say the base domain in SNI (RFC 7672 section 8.1), all others the
      // host.
      const bool dane = server.dane.secure && !server.dane.records.empty();
      server.asked_for = dane ? server.dane.base : server.host;
      if (!server.addresses.ok()) continue;
      const auto& addresses = server.addresses->addresses;
      for (size_t i = 0; i < std::min(addresses.size(), kMaxAddressesOfServer); ++i) {
        targets.push_back({server.asked_for, addresses[i]});
        owners.push_back(&server);
      }
    }
    SmtpProbeOptions options{
        .port = options_.smtp_port, .guard = options_.guard, .stop = options_.stop};
    // A tenth is left to verify what they showed.
    options.limit = std::min(kSessionLimit, Left() - options_.limit / 10);
    std::vector<SmtpProbe> probes = ProbeMailServers(targets, options, parts_.clock);
    for (size_t i = 0; i < probes.size(); ++i) {
      owners[i]->probes.emplace_back().probe = std::move(probes[i]);
    }
  }

  const DomainName& domain_;
  const MxPosture& mx_;
  const InboundParts& parts_;
  const InboundOptions& options_;
  const absl::Duration end_;  // monotonic
  LookupMeter meter_;
  BudgetedResolver resolver_;
  InboundPosture out_;
};

}  // namespace

InboundPosture InspectInbound(const DomainName& domain, const MxPosture& mx,
                              const MtaStsPosture& mta_sts, const InboundParts& parts,
                              const InboundOptions& options) {
  return Inspector(domain, mx, parts, options).Run(mta_sts);
}

}  // namespace dmarcate
