#include "lib/inspect/posture_judge.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

int Rank(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return 0;
    case Verdict::kWarn:
      return 1;
    case Verdict::kUnknown:
      return 2;
    case Verdict::kFail:
      return 3;
  }
  return 2;
}

std::string NamesOf(const std::vector<DomainName>& chain) {
  std::string out;
  for (const DomainName& name : chain) out += (out.empty() ? "" : ", ") + name.text();
  return out;
}

}  // namespace

LintFinding MakeFinding(std::string_view code, Severity severity, std::string_view path,
                        std::string message, std::string fix_hint, std::string rfc_section) {
  LintFinding finding;
  finding.code = std::string(code);
  finding.severity = severity;
  finding.path = std::string(path);
  finding.message = std::move(message);
  finding.fix_hint = std::move(fix_hint);
  finding.rfc_section = std::move(rfc_section);
  return finding;
}

LintFinding MultipleFinding(std::string_view code, std::string_view path, size_t count,
                            std::string_view what, std::string_view outcome,
                            std::string rfc_section) {
  auto finding = MakeFinding(code, Severity::kError, path,
                             fmt::format("there are {} {} records, so {}", count, what, outcome),
                             "Merge them into one record.", std::move(rfc_section));
  finding.metadata["count"] = std::to_string(count);
  return finding;
}

LintFinding SyntaxFinding(std::string_view code, std::string_view path, const absl::Status& status,
                          std::string_view outcome, std::string rfc_section) {
  auto finding =
      MakeFinding(code, Severity::kError, path, fmt::format("{}, so {}", WhatOf(status), outcome),
                  "Correct the record.", std::move(rfc_section));
  finding.position = PositionOf(status);
  return finding;
}

std::vector<std::string> TextsOf(const RecordView& view) {
  std::vector<std::string> texts;
  if (!view.resolver.ok()) return texts;
  for (const TxtRecord& txt : view.resolver->txt) texts.push_back(txt.Joined());
  return texts;
}

bool DoesNotExist(const RecordView& view) {
  return view.resolver.ok() && view.resolver->outcome == DnsOutcome::kNxDomain;
}

void Append(std::vector<LintFinding>& to, std::vector<LintFinding> from) {
  std::ranges::move(from, std::back_inserter(to));
}

std::vector<LintFinding> LintView(const RecordView& view, std::string_view path) {
  std::vector<LintFinding> findings;
  if (!view.resolver.ok() && view.resolver.status().code() == absl::StatusCode::kDataLoss) {
    findings.push_back(MakeFinding(
        lint_code::kDnssecBogus, Severity::kError, path,
        fmt::format("DNSSEC says bogus, so receivers that validate see nothing: {}",
                    MessageOf(view.resolver.status())),
        "Repair the zone's signatures or the DS record at its parent.", "RFC 4035 section 5.5"));
  } else if (!view.resolver.ok()) {
    findings.push_back(
        MakeFinding(lint_code::kLookupFailed, Severity::kWarning, path,
                    fmt::format("the look-up of {} {} failed: {}", view.owner.text(),
                                ToString(view.type), MessageOf(view.resolver.status())),
                    "Try again later.", "RFC 9989 section 5.3.6"));
  }
  if (!view.consistent) {
    findings.push_back(MakeFinding(
        lint_code::kZoneInconsistent, Severity::kError, path,
        fmt::format("the servers of {} do not all say the same about {}",
                    view.servers.ok() ? view.servers->zone.text() : "", view.owner.text()),
        "Bring the servers to the same zone version.", "RFC 1034 section 4.3.5"));
  }
  if (view.servers_asked && !view.servers.ok()) {
    findings.push_back(MakeFinding(lint_code::kLookupFailed, Severity::kInfo, path,
                                   fmt::format("the authoritative servers of {} were not found: {}",
                                               view.owner.text(), MessageOf(view.servers.status())),
                                   "Try again later.", "RFC 1034 section 4.2"));
  }
  for (const std::string& server : view.unreachable) {
    findings.push_back(MakeFinding(lint_code::kLookupFailed, Severity::kWarning, path,
                                   fmt::format("an authoritative server is silent: {}", server),
                                   "Have it repaired, or remove it from the delegation.",
                                   "RFC 1034 section 4.2"));
  }
  if (view.resolver.ok() && !view.resolver->cname_chain.empty()) {
    findings.push_back(MakeFinding(
        lint_code::kCnameAtName, Severity::kInfo, path,
        fmt::format("{} is an alias: {}", view.owner.text(), NamesOf(view.resolver->cname_chain)),
        "Change the record where the alias leads, or replace the alias.",
        "RFC 1034 section 3.6.2"));
    findings.back().metadata["target"] = view.resolver->cname_chain.back().text();
  }
  return findings;
}

void ConcludeFindings(std::string good, Judgement& judgement) {
  const auto worst = std::ranges::max_element(judgement.findings, {}, &LintFinding::severity);
  judgement.verdict = Verdict::kPass;
  judgement.reason = std::move(good);
  judgement.fix.clear();
  if (worst != judgement.findings.end() && worst->severity != Severity::kInfo) {
    judgement.verdict = worst->severity == Severity::kError ? Verdict::kFail : Verdict::kWarn;
    judgement.reason = worst->message;
    judgement.fix = worst->fix_hint;
  }
}

void Conclude(const RecordView& view, std::string good, Judgement& judgement) {
  const bool bogus =
      !view.resolver.ok() && view.resolver.status().code() == absl::StatusCode::kDataLoss;
  ConcludeFindings(std::move(good), judgement);
  if (!view.resolver.ok() && !bogus) {
    judgement.verdict = Verdict::kUnknown;
    judgement.reason = fmt::format("nothing was learned: {}", MessageOf(view.resolver.status()));
    judgement.fix = "Try again later.";
  }
}

Verdict Worse(Verdict a, Verdict b) { return Rank(a) >= Rank(b) ? a : b; }

}  // namespace dmarcate
