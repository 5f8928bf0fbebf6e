// The DKIM part of a posture.

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/inspect/posture.h"
#include "lib/inspect/posture_judge.h"

namespace dmarcate {
namespace {

void JudgeDkimTexts(DkimPosture& dkim, const std::string& path) {
  auto& findings = dkim.judgement.findings;
  const std::vector<std::string> texts = TextsOf(dkim.view);
  std::vector<std::string> keys;
  for (const std::string& text : texts) {
    if (ParseDkimKey(text).status().code() != absl::StatusCode::kNotFound) keys.push_back(text);
  }
  if (keys.empty()) {
    const bool alias = dkim.view.resolver.ok() && !dkim.view.resolver->cname_chain.empty();
    const bool dangling = alias && DoesNotExist(dkim.view);
    findings.push_back(MakeFinding(
        dangling ? lint_code::kDkimDangling : lint_code::kDkimMissing, Severity::kError, path,
        dangling ? fmt::format("the alias leads to {}, which does not exist",
                               dkim.view.resolver->cname_chain.back().text())
                 : "there is no key, so signatures with this selector fail",
        dangling ? "Remove the alias, or have its owner publish the key again."
                 : "Publish the key, or stop signing with this selector.",
        "RFC 6376 section 6.1.2"));
    return;
  }
  if (keys.size() > 1) {
    findings.push_back(MultipleFinding(lint_code::kDkimMultiple, path, keys.size(), "key",
                                       "verifiers may take any of them",
                                       "RFC 6376 section 3.6.2.2"));
    findings.back().fix_hint =
        "Keep the key that mail is signed with; give another key a selector of its own.";
    return;
  }
  dkim.text = keys[0];
  auto key = ParseDkimKey(dkim.text);
  if (!key.ok()) {
    findings.push_back(SyntaxFinding(lint_code::kDkimSyntax, path, key.status(),
                                     "signatures with this selector fail",
                                     "RFC 6376 section 3.6.1"));
    return;
  }
  dkim.key = *std::move(key);
  Append(findings, LintDkimKey(*dkim.key, path));
}

}  // namespace

DkimPosture InspectDkim(const DomainName& domain, const std::string& selector, Resolver& resolver,
                        AuthoritativeResolver& authoritative, const PostureOptions& options) {
  DkimPosture dkim;
  dkim.selector = selector;
  const std::string path = fmt::format("dkim/{}", selector);
  const auto owner = domain.Child(fmt::format("{}._domainkey", selector));
  if (!owner.ok()) {
    dkim.judgement.verdict = Verdict::kFail;
    dkim.judgement.findings.push_back(SyntaxFinding(lint_code::kDkimSyntax, path, owner.status(),
                                                    "it is no selector", "RFC 6376 section 3.1"));
    dkim.judgement.reason = dkim.judgement.findings.back().message;
    return dkim;
  }
  dkim.view = ViewRecord(*owner, RrType::kTxt, resolver, authoritative, options.server_views);
  if (dkim.view.resolver.ok()) {
    dkim.ttl_seconds = dkim.view.resolver->ttl_seconds;
    JudgeDkimTexts(dkim, path);
  }
  Append(dkim.judgement.findings, LintView(dkim.view, path));
  Conclude(dkim.view,
           dkim.key.has_value()
               ? fmt::format("{} key of {} bits", ToString(dkim.key->type), dkim.key->bits)
               : "",
           dkim.judgement);
  return dkim;
}

}  // namespace dmarcate
