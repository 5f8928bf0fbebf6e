#include "policyd/evidence/mta_sts_evidence.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "policyd/evidence/record_evidence.h"

namespace dmarcate {
namespace {

bool ShowedCertificate(const ProbedAddress& seen) { return !seen.probe.chain.empty(); }

// Senders that do no DANE ask for the host, and may be shown another certificate than we were.
bool AskedForAnother(const MailServerPosture& server) {
  return !server.asked_for.IsRoot() && server.asked_for != server.host;
}

// Of one address; nothing: it was not reached, or nothing was learned of its TLS.
std::optional<std::set<MxFault>> FaultsAt(const MailServerPosture& server,
                                          const ProbedAddress& seen) {
  const SmtpProbe& probe = seen.probe;
  std::set<MxFault> faults;
  if (!ShowedCertificate(seen)) {
    if (!probe.tls_version.empty()) return std::set<MxFault>{MxFault::kNotVerified};
    if (probe.stage < SmtpStage::kStartTls) return std::nullopt;
    if (!probe.starttls_offered) return std::set<MxFault>{MxFault::kNoStartTls};
    if (absl::IsDeadlineExceeded(probe.error) || absl::IsCancelled(probe.error)) {
      return std::nullopt;
    }
    return std::set<MxFault>{MxFault::kNoTls};
  }
  if (!probe.tls_current) faults.insert(MxFault::kOldTls);
  const ChainProblems& problems = seen.problems;
  if (!problems.none() && AskedForAnother(server)) {
    faults.insert(MxFault::kNotVerified);
    return faults;
  }
  if (problems.untrusted) faults.insert(MxFault::kUntrusted);
  if (problems.wrong_name) faults.insert(MxFault::kWrongName);
  if (problems.outside_validity) faults.insert(MxFault::kExpired);
  if (!problems.not_verified.empty()) faults.insert(MxFault::kNotVerified);
  return faults;
}

// The server's words, or OpenSSL's, on the first address that is not well.
std::string DetailOf(const MailServerPosture& server) {
  if (!server.addresses.ok()) return std::string(MessageOf(server.addresses.status()));
  if (server.addresses->addresses.empty()) return "it has no address";
  for (const ProbedAddress& seen : server.probes) {
    const auto faults = FaultsAt(server, seen);
    if (!faults.has_value() || faults->empty()) continue;
    if (!ShowedCertificate(seen)) return std::string(MessageOf(seen.probe.error));
    if (!seen.problems.words.empty()) return Join(seen.problems.words, ", ");
    return seen.problems.not_verified;
  }
  if (server.probes.empty()) return "it was not connected to";
  return std::string(MessageOf(server.probes.front().probe.error));
}

absl::Time ExpiryOf(const MailServerPosture& server) {
  absl::Time first = absl::InfiniteFuture();
  for (const ProbedAddress& seen : server.probes) {
    if (!seen.certificates.empty()) first = std::min(first, seen.certificates.front().not_after);
  }
  return first;
}

// Nothing: it was not learned what all servers say.
std::optional<std::vector<std::string>> TextsAtServers(const RecordView& view) {
  if (!view.servers.ok() || !view.servers->consistent()) return std::nullopt;
  const absl::StatusOr<DnsAnswer> answer = view.servers->First();
  if (!answer.ok()) return std::nullopt;
  std::vector<std::string> texts;
  for (const TxtRecord& record : answer->txt) texts.push_back(record.Joined());
  return texts;
}

}  // namespace

std::vector<MxFault> FaultsOf(const MailServerPosture& server) {
  std::set<MxFault> all;
  bool reached = false;
  for (const ProbedAddress& seen : server.probes) {
    const auto faults = FaultsAt(server, seen);
    if (!faults.has_value()) continue;
    reached = true;
    all.insert(faults->begin(), faults->end());
  }
  if (!reached) all.insert(MxFault::kNotReached);
  return {all.begin(), all.end()};
}

MxEvidence JudgeMxLook(const MxPosture& mx, const InboundPosture& inbound, absl::Time looked,
                       const MxEvidence& before) {
  if (!mx.view.resolver.ok()) return before;
  MxEvidence out;
  out.looked = looked;
  out.left_out = static_cast<int32_t>(inbound.servers_left_out);
  for (const MailServerPosture& server : inbound.servers) {
    MxHost host;
    host.name = server.host.text();
    host.faults = FaultsOf(server);
    if (!host.faults.empty()) host.detail = ToValidUtf8(DetailOf(server));
    host.expires = ExpiryOf(server);
    host.since = looked;
    host.looks = 1;
    const auto known = std::ranges::find(before.hosts, host.name, &MxHost::name);
    if (known != before.hosts.end() && known->faults == host.faults) {
      host.since = known->since;
      host.looks = known->looks + 1;
    }
    out.hosts.push_back(std::move(host));
  }
  return out;
}

FileEvidence JudgeFileLook(const absl::StatusOr<ServedStsFile>& fetched, absl::Time looked,
                           const FileEvidence& before) {
  FileEvidence out;
  out.looked = looked;
  out.since = looked;
  out.looks = 1;
  if (fetched.ok()) {
    out.sight = FileSight::kServed;
    out.body = fetched->body;
    out.plain_text = fetched->plain_text;
  } else if (absl::IsNotFound(fetched.status())) {
    out.sight = FileSight::kMissing;
    out.detail = ToValidUtf8(MessageOf(fetched.status()));
  } else {
    out = before;
    if (before.sight == FileSight::kUnknown) out.detail = ToValidUtf8(MessageOf(fetched.status()));
    return out;
  }
  if (before.sight == out.sight && before.body == out.body && before.plain_text == out.plain_text) {
    out.since = before.since;
    out.looks = before.looks + 1;
  }
  return out;
}

StsRecordEvidence JudgeStsRecords(const MtaStsPosture& mta_sts, const TlsRptPosture& tls_rpt,
                                  absl::Time looked, const std::vector<InsightRecord>& insights,
                                  absl::Time adopted) {
  StsRecordEvidence out;
  for (const InsightRecord& insight : insights) {
    if (!insight.code.starts_with("DRIFT_")) continue;
    if (insight.subject != mta_sts.view.owner.text()) continue;
    out.last_drift = std::max(out.last_drift, LastDriftOf(insight, adopted));
  }
  std::optional<std::vector<std::string>> sts = TextsAtServers(mta_sts.view);
  std::optional<std::vector<std::string>> rpt = TextsAtServers(tls_rpt.view);
  if (!sts.has_value() || !rpt.has_value()) return out;
  out.mta_sts = *std::move(sts);
  out.tls_rpt = *std::move(rpt);
  out.looked = looked;
  return out;
}

}  // namespace dmarcate
