#include "lib/inspect/posture.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/inspect/posture_judge.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxSelectors = 50;

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
  Append(all, mta_sts.judgement.findings);
  Append(all, tls_rpt.judgement.findings);
  return all;
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

ReceivesMail MayReceiveMail(const MxPosture& mx) {
  return mx.null_mx ? ReceivesMail::kNo : ReceivesMail::kMaybe;
}

Posture InspectDomain(const DomainName& domain, Resolver& live_resolver,
                      AuthoritativeResolver& live_authoritative, const Clock& clock,
                      const PostureOptions& options) {
  LookupMeter meter(clock, options.budget);
  BudgetedResolver resolver(live_resolver, meter);
  BudgetedAuthoritativeResolver authoritative(live_authoritative, meter);
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
  const ReceivesMail receives_mail = MayReceiveMail(posture.mx);
  posture.mta_sts = InspectMtaSts(domain, receives_mail, resolver, authoritative, options);
  posture.tls_rpt = InspectTlsRpt(domain, receives_mail, resolver, authoritative, options);

  posture.verdict = Worse(posture.spf.judgement.verdict, posture.dmarc.judgement.verdict);
  std::vector<const RecordView*> views = {&posture.spf.view, &posture.dmarc.view, &posture.mx.view,
                                          &posture.mta_sts.view, &posture.tls_rpt.view};
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
