#include "ingestd/pipeline/convert_tls.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "fmt/format.h"

#include "ingestd/pipeline/convert.h"
#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/report/domain_text.h"
#include "lib/report/report_name.h"
#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

// Each domain's share repeats who reports and when: a report costs no more than some of its size.
constexpr size_t kMaxDomains = 256;

// As reports are filed: "" for what is no host name.
std::string FiledDomain(std::string_view policy_domain) {
  std::string domain = ReadDomainText(policy_domain).text;
  return IsHostName(domain) ? domain : std::string();
}

// The domain of what does not name one itself.
std::string AssumedDomain(const UnpackedReport& found, std::string_view subject) {
  if (const auto name = ReadReportFileName(found.file_name)) return name->domain;
  if (std::string domain = ReadReportSubject(subject).domain; !domain.empty()) return domain;
  std::string only;
  for (const TlsReport::PolicyResult& policy : found.tls->policies) {
    const std::string domain = FiledDomain(policy.policy_domain);
    if (!only.empty() && !domain.empty() && domain != only) return "";
    if (!domain.empty()) only = domain;
  }
  return only;
}

// The n of "policies[n]/..."; 0 for the document as a whole.
int PolicyOf(const Repair& repair) {
  constexpr std::string_view kPrefix = "policies[";
  if (!repair.path.starts_with(kPrefix)) return 0;
  int ordinal = 0;
  const char* const end = repair.path.data() + repair.path.size();
  std::from_chars(repair.path.data() + kPrefix.size(), end, ordinal);
  return ordinal;
}

// The share of one domain.
struct Share {
  std::vector<TlsReport::PolicyResult> policies;
  std::vector<Repair> repairs;
};

}  // namespace

std::vector<ProcessedItem> ToTlsItems(const Receipt& receipt, UnpackedReport found,
                                      std::string_view subject, const TrustVerdict& verdict) {
  const std::string assumed = AssumedDomain(found, subject);
  TlsReport whole = *std::move(found.tls);
  std::vector<std::pair<std::string, Share>> shares;  // in the order of the report
  std::map<std::string, size_t, std::less<>> places;
  std::map<int, size_t> share_of_policy;
  const auto place_of = [&](const std::string& domain) {
    const auto [it, added] = places.try_emplace(domain, shares.size());
    if (added) shares.emplace_back(domain, Share());
    return it->second;
  };
  for (TlsReport::PolicyResult& policy : std::exchange(whole.policies, {})) {
    const std::string own = FiledDomain(policy.policy_domain);
    const size_t place = place_of(own.empty() ? assumed : own);
    share_of_policy[policy.ordinal] = place;
    shares[place].second.policies.push_back(std::move(policy));
  }
  if (shares.empty()) place_of(assumed);
  if (shares.size() > kMaxDomains) {
    std::vector<ProcessedItem> refused(1);
    refused[0].item.kind = kTlsKind;
    refused[0].item.outcome = Outcome::kOverLimit;
    refused[0].item.reason = "too_many_domains";
    refused[0].item.detail =
        fmt::format("a TLS report about {} domains, limit {}", shares.size(), kMaxDomains);
    return refused;
  }
  for (Repair& repair : found.repairs) {
    const auto share = share_of_policy.find(PolicyOf(repair));
    const size_t place = share == share_of_policy.end() ? 0 : share->second;
    shares[place].second.repairs.push_back(std::move(repair));
  }

  std::vector<ProcessedItem> items;
  for (auto& [domain, share] : shares) {
    ProcessedItem& item = items.emplace_back();
    item.item.kind = kTlsKind;
    item.item.domain = domain;
    if (domain.empty()) {
      item.item.outcome = Outcome::kQuarantined;
      item.item.reason = "policy_domain_missing";
      item.item.detail =
          fmt::format("{} policies name no domain, and neither the file name nor the subject does",
                      share.policies.size());
      continue;
    }
    item.item.outcome = found.outcome;
    item.item.detail = ToValidUtf8(found.detail);
    if (!IsCounted(verdict.trust)) {
      item.item.reason = TrustReasonName(verdict.reason);
      item.item.detail = ToValidUtf8(verdict.detail);
    }
    item.item.records = static_cast<int64_t>(share.policies.size());
    item.item.findings = static_cast<int64_t>(share.repairs.size());
    StoredTlsReport& stored = item.tls.emplace();
    stored.key.domain = domain;
    stored.key.day = std::clamp<DayNumber>(MidpointDay(whole.begin, whole.end), 0, kLastReportDay);
    stored.key.receipt = receipt.id;
    stored.report = whole;
    stored.report.policies = std::move(share.policies);
    if (whole.report_id.empty()) {
      stored.report.report_id = "sha256:" + ToHex(found.document_sha256);
    }
    stored.outcome = found.outcome;
    stored.repairs = std::move(share.repairs);
    stored.trust = verdict.trust;
    stored.reason = verdict.reason;
    stored.reporter_key = verdict.reporter;
    stored.document_sha256 = items.size() == 1
                                 ? found.document_sha256
                                 : Sha256(fmt::format("{}\n{}", found.document_sha256, domain));
    stored.received_time = receipt.received_time;
    stored.channel = receipt.channel;
  }
  return items;
}

}  // namespace dmarcate
