// The SPF part of a posture.

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/inspect/posture.h"
#include "lib/inspect/posture_judge.h"

namespace dmarcate {
namespace {

// RFC 7208 section 3.4: with a name of usual length the answer then fits into 512 octets.
constexpr size_t kLargeTxtOctets = 450;

void LintSize(const RecordView& view, std::string_view path, std::vector<LintFinding>& findings) {
  size_t octets = view.owner.text().size();
  for (const std::string& text : TextsOf(view)) octets += text.size();
  if (octets <= kLargeTxtOctets) return;
  auto finding = MakeFinding(
      lint_code::kTxtTooLarge, Severity::kInfo, path,
      fmt::format(
          "name and all TXT records take {} octets, above {} some receivers lose the answer",
          octets, kLargeTxtOctets),
      "Remove site verifications that are no longer needed, or split the record by include.",
      "RFC 7208 section 3.4");
  finding.metadata["octets"] = std::to_string(octets);
  findings.push_back(std::move(finding));
}

// Character-strings are joined without a blank (RFC 7208 section 3.3). A record that would parse
// with one was cut between two terms.
void LintGluedStrings(const RecordView& view, std::vector<LintFinding>& findings) {
  for (const TxtRecord& txt : view.resolver->txt) {
    if (txt.strings.size() < 2 || ParseSpf(txt.Joined()).ok()) continue;
    if (!ParseSpf(Join(txt.strings, " ")).ok()) continue;
    findings.push_back(
        MakeFinding(lint_code::kSpfStringLength, Severity::kError, "spf",
                    "the record is cut into strings between two terms without a blank, so "
                    "receivers read the two as one",
                    "End each string but the last with a blank.", "RFC 7208 section 3.3"));
    return;
  }
}

void JudgeSpfText(const DomainName& domain, Resolver& resolver, const Clock& clock,
                  const PostureOptions& options, SpfPosture& spf) {
  auto& findings = spf.judgement.findings;
  auto record = ParseSpf(spf.text);
  if (!record.ok()) {
    LintGluedStrings(spf.view, findings);
    findings.push_back(SyntaxFinding(lint_code::kSpfSyntax, "spf", record.status(),
                                     "receivers say permerror", "RFC 7208 section 4.6"));
    return;
  }
  spf.record = *std::move(record);
  Append(findings, LintSpf(*spf.record));
  // What receivers see is what is expanded: the text from the resolver's view.
  auto tree = ExpandSpfText(domain, spf.text, resolver, clock, options.spf_budget);
  if (!tree.ok()) return;
  spf.tree = *std::move(tree);
  spf.tree->root.ttl_seconds = spf.ttl_seconds;
  Append(findings, spf.tree->findings);
}

std::string SpfSummary(const SpfPosture& spf) {
  if (!spf.tree.has_value()) return "the record is good";
  return fmt::format("{} of {} look-ups, {} IPv4 addresses", spf.tree->lookup_count, kMaxSpfLookups,
                     spf.tree->ipv4_address_count);
}

}  // namespace

SpfPosture InspectSpf(const DomainName& domain, Resolver& resolver,
                      AuthoritativeResolver& authoritative, const Clock& clock,
                      const PostureOptions& options) {
  SpfPosture spf;
  spf.view = ViewRecord(domain, RrType::kTxt, resolver, authoritative, options.server_views);
  auto& findings = spf.judgement.findings;
  if (spf.view.resolver.ok()) {
    const std::vector<std::string> texts = TextsOf(spf.view);
    const SpfSelection selection = SelectSpf(texts);
    spf.ttl_seconds = spf.view.resolver->ttl_seconds;
    switch (selection.outcome) {
      case SpfSelection::Outcome::kNone:
        LintGluedStrings(spf.view, findings);
        findings.push_back(
            MakeFinding(lint_code::kSpfMissing, Severity::kError, "spf",
                        DoesNotExist(spf.view) ? fmt::format("{} does not exist", domain.text())
                                               : "there is no SPF record, so nobody is authorized",
                        "Publish a record; for a name that sends no mail: v=spf1 -all.",
                        "RFC 7208 section 4.5"));
        break;
      case SpfSelection::Outcome::kMultiple:
        findings.push_back(MultipleFinding(lint_code::kSpfMultiple, "spf", selection.indexes.size(),
                                           "SPF", "receivers say permerror",
                                           "RFC 7208 section 4.5"));
        break;
      case SpfSelection::Outcome::kOne:
        spf.text = texts[selection.indexes[0]];
        JudgeSpfText(domain, resolver, clock, options, spf);
        break;
    }
    LintSize(spf.view, "spf", findings);
  }
  Append(findings, LintView(spf.view, "spf"));
  Conclude(spf.view, SpfSummary(spf), spf.judgement);
  // A tree with holes may hide what would make it fail, so it is never a pass.
  if (spf.tree.has_value() && !spf.tree->complete && spf.judgement.verdict != Verdict::kFail) {
    spf.judgement.verdict = Verdict::kUnknown;
    spf.judgement.reason =
        fmt::format("not all of the record could be followed: {}", spf.tree->incomplete_reason);
    spf.judgement.fix = "Try again later.";
  }
  return spf;
}

}  // namespace dmarcate
