#include "lib/inspect/posture.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/inspect/posture_judge.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxSelectors = 50;
// RFC 7208 section 3.4: with a name of usual length the answer then fits into 512 octets.
constexpr size_t kLargeTxtOctets = 450;

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

// Several records where one is allowed.
LintFinding Multiple(std::string_view code, std::string_view path, size_t count,
                     std::string_view what, std::string_view outcome, std::string section) {
  auto finding = MakeFinding(code, Severity::kError, path,
                             fmt::format("there are {} {} records, so {}", count, what, outcome),
                             "Merge them into one record.", std::move(section));
  finding.metadata["count"] = std::to_string(count);
  return finding;
}

LintFinding SyntaxFinding(std::string_view code, std::string_view path, const absl::Status& status,
                          std::string_view outcome, std::string section) {
  auto finding = MakeFinding(code, Severity::kError, path,
                             fmt::format("{}, so {}", MessageOf(status), outcome),
                             "Correct the record.", std::move(section));
  finding.position = PositionOf(status);
  return finding;
}

void JudgeSpfText(const DomainName& domain, Resolver& resolver, const Clock& clock,
                  const PostureOptions& options, SpfPosture& spf) {
  auto& findings = spf.judgement.findings;
  auto record = ParseSpf(spf.text);
  if (!record.ok()) {
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
      findings.push_back(MakeFinding(lint_code::kLookupFailed, Severity::kInfo, "dmarc/rua",
                                     fmt::format("whether {} accepts reports is not known: {}",
                                                 Quoted(destination.uri.uri), destination.error),
                                     "Try again later.", "RFC 9990 section 4"));
    }
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
    findings.push_back(Multiple(lint_code::kDkimMultiple, path, keys.size(), "key",
                                "verifiers may take any of them", "RFC 6376 section 3.6.2.2"));
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

std::string_view ToString(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kFail:
      return "fail";
    case Verdict::kUnknown:
      return "unknown";
  }
  return "unknown";
}

std::vector<LintFinding> Posture::AllFindings() const {
  std::vector<LintFinding> all;
  Append(all, spf.judgement.findings);
  Append(all, dmarc.judgement.findings);
  for (const DkimPosture& one : dkim) Append(all, one.judgement.findings);
  Append(all, mx.judgement.findings);
  return all;
}

RecordView ViewRecord(const DomainName& owner, RrType type, Resolver& resolver,
                      AuthoritativeResolver& authoritative, ServerViews server_views) {
  RecordView view;
  view.owner = owner;
  view.type = type;
  view.resolver = resolver.Lookup(owner, type);
  if (server_views == ServerViews::kSkip) return view;
  view.servers_asked = true;
  view.servers = authoritative.LookupAll(owner, type, /*over_tcp=*/false);
  if (!view.servers.ok()) return view;
  bool any = false;
  for (const ServerAnswer& server : view.servers->servers) {
    any |= server.answer.ok();
    if (server.answer.ok()) continue;
    const std::string name = server.name_server.IsRoot() ? "" : server.name_server.text() + " ";
    view.unreachable.push_back(
        fmt::format("{}{}: {}", name, server.address, MessageOf(server.answer.status())));
  }
  // Where nobody answered, nobody disagrees.
  view.consistent = !any || view.servers->consistent();
  const auto first = view.servers->First();
  if (view.resolver.ok() && first.ok()) {
    AuthoritativeAnswer both;
    both.servers = {{DomainName(), "", *first}, {DomainName(), "", *view.resolver}};
    view.resolver_agrees = both.consistent();
  }
  return view;
}

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
        findings.push_back(
            MakeFinding(lint_code::kSpfMissing, Severity::kError, "spf",
                        DoesNotExist(spf.view) ? fmt::format("{} does not exist", domain.text())
                                               : "there is no SPF record, so nobody is authorized",
                        "Publish a record; for a name that sends no mail: v=spf1 -all.",
                        "RFC 7208 section 4.5"));
        break;
      case SpfSelection::Outcome::kMultiple:
        findings.push_back(Multiple(lint_code::kSpfMultiple, "spf", selection.indexes.size(), "SPF",
                                    "receivers say permerror", "RFC 7208 section 4.5"));
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
    if (selection.outcome == DmarcSelection::Outcome::kMultiple) {
      findings.push_back(Multiple(lint_code::kDmarcMultiple, "dmarc", selection.indexes.size(),
                                  "DMARC", "receivers discard all of them",
                                  "RFC 9989 section 4.10"));
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

MxPosture InspectMx(const DomainName& domain, Resolver& resolver,
                    AuthoritativeResolver& authoritative, const PostureOptions& options) {
  MxPosture mx;
  mx.view = ViewRecord(domain, RrType::kMx, resolver, authoritative, options.server_views);
  std::string good = "no MX records, so mail goes to the name's own address, if it has one";
  if (mx.view.resolver.ok() && !mx.view.resolver->mx.empty()) {
    mx.records = mx.view.resolver->mx;
    std::ranges::sort(mx.records);
    mx.null_mx = mx.records.size() == 1 && mx.records[0].exchange.IsRoot();
    good = mx.null_mx ? "receives no mail (null MX)"
                      : fmt::format("{} mail exchange{}", mx.records.size(),
                                    mx.records.size() == 1 ? "" : "s");
  }
  mx.judgement.findings = LintView(mx.view, "mx");
  Conclude(mx.view, std::move(good), mx.judgement);
  return mx;
}

Posture InspectDomain(const DomainName& domain, Resolver& resolver,
                      AuthoritativeResolver& authoritative, const Clock& clock,
                      const PostureOptions& options) {
  Posture posture;
  posture.domain = domain;
  posture.read_time = clock.Now();
  posture.spf = InspectSpf(domain, resolver, authoritative, clock, options);
  posture.dmarc = InspectDmarc(domain, resolver, authoritative, options);
  for (const std::string& selector : options.selectors) {
    if (posture.dkim.size() == kMaxSelectors) break;
    posture.dkim.push_back(InspectDkim(domain, selector, resolver, authoritative, options));
  }
  posture.mx = InspectMx(domain, resolver, authoritative, options);

  posture.verdict = Worse(posture.spf.judgement.verdict, posture.dmarc.judgement.verdict);
  std::vector<const RecordView*> views = {&posture.spf.view, &posture.dmarc.view, &posture.mx.view};
  for (const DkimPosture& dkim : posture.dkim) {
    posture.verdict = Worse(posture.verdict, dkim.judgement.verdict);
    views.push_back(&dkim.view);
  }
  for (const RecordView* view : views) {
    posture.consistent &= view->consistent;
    for (const std::string& server : view->unreachable) {
      if (std::ranges::find(posture.unreachable, server) == posture.unreachable.end()) {
        posture.unreachable.push_back(server);
      }
    }
  }
  return posture;
}

}  // namespace dmarcate
