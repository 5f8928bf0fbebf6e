// The DMARC part of a posture.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/status_macros.h"
#include "lib/inspect/posture.h"
#include "lib/inspect/posture_judge.h"
#include "lib/mailauth/dmarc_near.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

// Texts that only people take for a record. Beside a record they do no harm, and mislead.
void JudgeNearMisses(const std::vector<std::string>& texts, bool has_record,
                     std::vector<LintFinding>& findings) {
  for (const std::string& text : texts) {
    const std::optional<DmarcNearMiss> near = FindDmarcNearMiss(text);
    if (!near.has_value()) continue;
    auto finding = MakeFinding(
        lint_code::kDmarcNearMiss, has_record ? Severity::kWarning : Severity::kError, "dmarc",
        fmt::format("receivers take {} for no DMARC record: {}", Quoted(text), near->why),
        has_record               ? "Remove it."
        : near->repaired.empty() ? "Write v=DMARC1; and each tag with a semicolon behind it."
                                 : fmt::format("Publish {} instead.", Quoted(near->repaired)),
        "RFC 9989 section 4.7");
    finding.metadata["text"] = text;
    if (!near->repaired.empty()) finding.metadata["repaired"] = near->repaired;
    findings.push_back(std::move(finding));
  }
}

void JudgeDestinations(const DmarcDiscovery& discovery, std::vector<LintFinding>& findings) {
  for (const ReportDestination& destination : discovery.destinations) {
    if (destination.authorization == ReportAuthorization::kUnauthorized) {
      auto finding = MakeFinding(
          lint_code::kDmarcRuaUnauthorized, Severity::kWarning, "dmarc/rua",
          fmt::format("{} has not agreed to receive reports, so receivers send none to {}",
                      destination.uri.host, Quoted(destination.uri.uri)),
          fmt::format("Publish TXT {} with \"v=DMARC1;\".", destination.query_name),
          "RFC 9990 section 4");
      finding.metadata["uri"] = destination.uri.uri;
      finding.metadata["query_name"] = destination.query_name;
      findings.push_back(std::move(finding));
    } else if (destination.authorization == ReportAuthorization::kUnknown) {
      // The policy is known, but whether anybody sees its reports is not: no pass.
      findings.push_back(MakeFinding(lint_code::kLookupFailed, Severity::kWarning, "dmarc/rua",
                                     fmt::format("whether {} accepts reports is not known: {}",
                                                 Quoted(destination.uri.uri), destination.error),
                                     "Try again later.", "RFC 9990 section 4"));
    }
  }
}

// Errors of the record of a domain above, which applies here and so is as broken here.
void JudgeInherited(const DmarcDiscovery& discovery, std::vector<LintFinding>& findings) {
  for (LintFinding& finding : LintDmarc(*discovery.record)) {
    if (finding.severity != Severity::kError) continue;
    finding.position = -1;  // of another text
    finding.message = fmt::format("in the record of {}, which applies here: {}",
                                  discovery.policy_domain->text(), finding.message);
    finding.metadata["policy_domain"] = discovery.policy_domain->text();
    findings.push_back(std::move(finding));
  }
}

// What is enforced, in words; `weak` is set if nothing is.
std::string DmarcSummary(const DmarcPosture& dmarc, bool& weak) {
  const DmarcDiscovery& discovery = *dmarc.discovery;
  const DmarcVerdict& verdict = discovery.record->Verdict(DmarcStandard::kRfc9989);
  const DmarcPolicy applied = verdict.Applied(discovery.subject);
  weak = applied == DmarcPolicy::kNone;
  const std::string from =
      discovery.subject == DmarcSubject::kDomain
          ? ""
          : fmt::format(", from the record of {}", discovery.policy_domain->text());
  if (verdict.Requested(discovery.subject) != applied) {
    return fmt::format("p={} in test mode, so {} is applied{}",
                       ToString(verdict.Requested(discovery.subject)), ToString(applied), from);
  }
  if (weak) return fmt::format("monitoring only: failing mail is delivered{}", from);
  return fmt::format("{} is applied{}", ToString(applied), from);
}

void ConcludeDmarc(DmarcPosture& dmarc) {
  Judgement& judgement = dmarc.judgement;
  bool weak = false;
  const bool applies = dmarc.discovery.has_value() && dmarc.discovery->record.has_value();
  Conclude(dmarc.view, applies ? DmarcSummary(dmarc, weak) : "", judgement);
  if (judgement.verdict == Verdict::kPass && weak) {
    judgement.verdict = Verdict::kWarn;
    judgement.fix = "Review the senders, then raise the policy step by step.";
  }
}

absl::Status DiscoverInto(const DomainName& domain, Resolver& resolver, DmarcPosture& dmarc) {
  auto discovery = DiscoverDmarc(domain, resolver);
  if (!discovery.ok()) return discovery.status();
  dmarc.discovery = *std::move(discovery);
  return absl::OkStatus();
}

}  // namespace

DmarcPosture InspectDmarc(const DomainName& domain, Resolver& resolver,
                          AuthoritativeResolver& authoritative, const PostureOptions& options) {
  DmarcPosture dmarc;
  auto& findings = dmarc.judgement.findings;
  const auto owner = domain.Child("_dmarc");
  if (!owner.ok()) {
    dmarc.view.resolver = owner.status();
    Conclude(dmarc.view, "", dmarc.judgement);
    return dmarc;
  }
  dmarc.view = ViewRecord(*owner, RrType::kTxt, resolver, authoritative, options.server_views);
  absl::Status discovered;
  if (dmarc.view.resolver.ok()) {
    const std::vector<std::string> texts = TextsOf(dmarc.view);
    const DmarcSelection selection = SelectDmarc(texts);
    dmarc.ttl_seconds = dmarc.view.resolver->ttl_seconds;
    discovered = DiscoverInto(domain, resolver, dmarc);
    const bool inherited = dmarc.discovery.has_value() && dmarc.discovery->record.has_value();
    JudgeNearMisses(texts, selection.outcome != DmarcSelection::Outcome::kNone, findings);
    if (selection.outcome == DmarcSelection::Outcome::kMultiple) {
      findings.push_back(MultipleFinding(lint_code::kDmarcMultiple, "dmarc",
                                         selection.indexes.size(), "DMARC",
                                         "receivers discard all of them", "RFC 9989 section 4.10"));
    } else if (selection.outcome == DmarcSelection::Outcome::kOne) {
      dmarc.text = texts[selection.indexes[0]];
      auto record = ParseDmarc(dmarc.text);
      if (record.ok()) {
        Append(findings, LintDmarc(*record));
        dmarc.record = *std::move(record);
      } else {
        findings.push_back(SyntaxFinding(lint_code::kDmarcSyntax, "dmarc", record.status(),
                                         "receivers ignore it", "RFC 9989 section 4.8"));
      }
    } else if (!inherited && discovered.ok()) {
      findings.push_back(MakeFinding(lint_code::kDmarcMissing, Severity::kError, "dmarc",
                                     "there is no DMARC record, so anybody can send as this domain",
                                     "Publish v=DMARC1; p=none with a rua address.",
                                     "RFC 9989 section 4.10.1"));
    }
    if (inherited && selection.outcome == DmarcSelection::Outcome::kNone &&
        dmarc.discovery->policy_domain != domain) {
      JudgeInherited(*dmarc.discovery, findings);
    }
    if (dmarc.discovery.has_value()) JudgeDestinations(*dmarc.discovery, findings);
  }
  Append(findings, LintView(dmarc.view, "dmarc"));
  ConcludeDmarc(dmarc);
  if (!discovered.ok() && dmarc.judgement.verdict != Verdict::kFail) {
    dmarc.judgement.verdict = Verdict::kUnknown;
    dmarc.judgement.reason =
        fmt::format("which policy applies is not known: {}", MessageOf(discovered));
    dmarc.judgement.fix = "Try again later.";
  }
  return dmarc;
}

}  // namespace dmarcate
