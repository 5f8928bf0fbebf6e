// lib/inspect/posture.h
// How a domain stands, at a glance and in detail: SPF, DMARC, each DKIM selector, MX, MTA-STS and
// TLS-RPT, as others see them (resolver) and as every authoritative server serves them, judged with
// reason and fix. Records only: mail servers and policies are lib/inbound's.

#ifndef DMARCATE_LIB_INSPECT_POSTURE_H_
#define DMARCATE_LIB_INSPECT_POSTURE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/clock.h"
#include "lib/dns/resolver.h"
#include "lib/inspect/dmarc_discovery.h"
#include "lib/inspect/lookup_budget.h"
#include "lib/inspect/spf_tree.h"
#include "lib/mailauth/dkim_key.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/lint.h"
#include "lib/mailauth/mta_sts_record.h"
#include "lib/mailauth/spf_record.h"
#include "lib/mailauth/tls_rpt_record.h"

namespace dmarcate {

enum class Verdict : uint8_t { kPass, kWarn, kFail, kUnknown };
std::string_view ToString(Verdict verdict);  // "pass"

// One name and type, seen from both sides.
struct RecordView {
  DomainName owner;
  RrType type = RrType::kTxt;
  absl::StatusOr<DnsAnswer> resolver = absl::UnknownError("not asked");
  // An error: the zone or its servers were not found. Not asked: kUnknown.
  absl::StatusOr<AuthoritativeAnswer> servers = absl::UnknownError("not asked");
  bool servers_asked = false;
  bool consistent = true;  // all servers that answered say the same
  // False while the resolver serves something else than the servers, as caches do for a TTL.
  bool resolver_agrees = true;
  std::vector<std::string> unreachable;  // "ns1.example.net 192.0.2.53:53: timeout"
};

// What every judged record has.
struct Judgement {
  Verdict verdict = Verdict::kUnknown;
  std::string reason;  // one line
  std::string fix;     // one imperative line, empty if nothing is to do
  std::vector<LintFinding> findings;
};

struct SpfPosture {
  RecordView view;
  std::string text;                 // the record, empty if there is not exactly one
  std::optional<SpfRecord> record;  // if it parses
  std::optional<SpfTree> tree;
  uint32_t ttl_seconds = 0;
  Judgement judgement;
};

struct DmarcPosture {
  RecordView view;   // at _dmarc.<domain>
  std::string text;  // the domain's own record
  std::optional<DmarcRecord> record;
  std::optional<DmarcDiscovery> discovery;  // what applies, inherited or not
  uint32_t ttl_seconds = 0;
  Judgement judgement;
};

struct DkimPosture {
  std::string selector;
  RecordView view;
  std::string text;
  std::optional<DkimKey> key;
  uint32_t ttl_seconds = 0;
  Judgement judgement;
};

struct MxPosture {
  RecordView view;
  std::vector<MxRecord> records;  // by preference
  bool null_mx = false;           // RFC 7505: receives no mail
  Judgement judgement;
};

struct MtaStsPosture {
  RecordView view;   // at _mta-sts.<domain>
  std::string text;  // the record, empty if there is not exactly one
  std::optional<MtaStsRecord> record;
  Judgement judgement;
};

struct TlsRptPosture {
  RecordView view;  // at _smtp._tls.<domain>
  std::string text;
  std::optional<TlsRptRecord> record;
  Judgement judgement;
};

struct Posture {
  DomainName domain;
  absl::Time read_time;
  // The worst of SPF, DMARC and DKIM, which are about mail from the domain; what is about mail to
  // it informs.
  Verdict verdict = Verdict::kUnknown;
  SpfPosture spf;
  DmarcPosture dmarc;
  std::vector<DkimPosture> dkim;  // in the order of the selectors given
  MxPosture mx;
  MtaStsPosture mta_sts;
  TlsRptPosture tls_rpt;
  bool consistent = true;                // all views
  std::vector<std::string> unreachable;  // all views, each once

  std::vector<LintFinding> AllFindings() const;
};

enum class ServerViews : uint8_t { kAsk, kSkip };

struct PostureOptions {
  std::vector<std::string> selectors;  // at most 50 are looked at
  ServerViews server_views = ServerViews::kAsk;
  SpfTreeBudget spf_budget;
  // Of InspectDomain as a whole. No domain that works needs as much.
  LookupBudget budget = {.max_lookups = 1000, .max_time = absl::Seconds(60)};
};

// Never fails as a whole: what could not be learned is kUnknown with its reason, what did not fit
// into the budget among it. Blocks for as long as its look-ups do.
Posture InspectDomain(const DomainName& domain, Resolver& resolver,
                      AuthoritativeResolver& authoritative, const Clock& clock,
                      const PostureOptions& options = {});

// One record for which judging needs no tree: both views of `owner`.
RecordView ViewRecord(const DomainName& owner, RrType type, Resolver& resolver,
                      AuthoritativeResolver& authoritative, ServerViews server_views);

// Parts of InspectDomain, each usable alone.
SpfPosture InspectSpf(const DomainName& domain, Resolver& resolver,
                      AuthoritativeResolver& authoritative, const Clock& clock,
                      const PostureOptions& options = {});
DmarcPosture InspectDmarc(const DomainName& domain, Resolver& resolver,
                          AuthoritativeResolver& authoritative, const PostureOptions& options = {});
DkimPosture InspectDkim(const DomainName& domain, const std::string& selector, Resolver& resolver,
                        AuthoritativeResolver& authoritative, const PostureOptions& options = {});
MxPosture InspectMx(const DomainName& domain, Resolver& resolver,
                    AuthoritativeResolver& authoritative, const PostureOptions& options = {});

// A domain with a null MX needs neither of these records; their absence is a warning otherwise.
enum class ReceivesMail : uint8_t { kNo, kMaybe };
ReceivesMail MayReceiveMail(const MxPosture& mx);
MtaStsPosture InspectMtaSts(const DomainName& domain, ReceivesMail receives_mail,
                            Resolver& resolver, AuthoritativeResolver& authoritative,
                            const PostureOptions& options = {});
TlsRptPosture InspectTlsRpt(const DomainName& domain, ReceivesMail receives_mail,
                            Resolver& resolver, AuthoritativeResolver& authoritative,
                            const PostureOptions& options = {});

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_POSTURE_H_
