// The MTA-STS and TLS-RPT records of a posture: what a domain asks of those who send to it.

#include <utility>

#include "lib/base/status_macros.h"
#include "lib/inspect/posture.h"
#include "lib/inspect/posture_judge.h"

namespace dmarcate {
namespace {

// What the two records differ in, in words.
struct Kind {
  std::string_view path;
  std::string_view label;  // of the owner, before the domain
  std::string_view what;
  std::string_view missing_code;
  std::string_view missing;
  std::string_view missing_fix;
  std::string_view multiple_code;
  std::string_view syntax_code;
  std::string_view unseen;  // what follows from a record that senders do not see
  std::string_view rfc_section;
};

constexpr Kind kMtaSts = {
    .path = "mta-sts",
    .label = "_mta-sts",
    .what = "MTA-STS",
    .missing_code = lint_code::kMtaStsMissing,
    .missing =
        "there is no MTA-STS record, so whoever sits on the way can keep senders that do not do "
        "DANE from using TLS",
    .missing_fix = "Serve a policy with mode: testing, then publish TXT {} \"v=STSv1; id=1\".",
    .multiple_code = lint_code::kMtaStsMultiple,
    .syntax_code = lint_code::kMtaStsSyntax,
    .unseen = "senders see none and fetch no policy",
    .rfc_section = "RFC 8461 section 3.1",
};
constexpr Kind kTlsRpt = {
    .path = "tlsrpt",
    .label = "_smtp._tls",
    .what = "TLS-RPT",
    .missing_code = lint_code::kTlsRptMissing,
    .missing = "there is no TLS-RPT record, so nobody reports when TLS to the mail servers fails",
    .missing_fix = "Publish TXT {} \"v=TLSRPTv1; rua=mailto:\" with your report address.",
    .multiple_code = lint_code::kTlsRptMultiple,
    .syntax_code = lint_code::kTlsRptSyntax,
    .unseen = "senders see none and report nothing",
    .rfc_section = "RFC 8460 section 3",
};

// Fills `view` and the findings that do not need the record's content. The text of the one record,
// or empty.
std::string ReadText(const DomainName& domain, const Kind& kind, ReceivesMail receives_mail,
                     RecordSelection (*select)(const std::vector<std::string>&), Resolver& resolver,
                     AuthoritativeResolver& authoritative, ServerViews server_views,
                     RecordView& view, Judgement& judgement) {
  const auto owner = domain.Child(kind.label);
  if (!owner.ok()) {  // too long a name for anybody to ask
    view.owner = domain;
    view.resolver = owner.status();
    return "";
  }
  view = ViewRecord(*owner, RrType::kTxt, resolver, authoritative, server_views);
  if (!view.resolver.ok()) return "";
  const std::vector<std::string> texts = TextsOf(view);
  const RecordSelection selection = select(texts);
  switch (selection.outcome) {
    case RecordSelection::Outcome::kOne:
      return texts[selection.indexes[0]];
    case RecordSelection::Outcome::kMultiple:
      judgement.findings.push_back(MultipleFinding(kind.multiple_code, kind.path,
                                                   selection.indexes.size(), kind.what, kind.unseen,
                                                   std::string(kind.rfc_section)));
      break;
    case RecordSelection::Outcome::kNone:
      if (receives_mail == ReceivesMail::kNo) break;
      judgement.findings.push_back(
          MakeFinding(kind.missing_code, Severity::kWarning, kind.path, std::string(kind.missing),
                      fmt::format(fmt::runtime(kind.missing_fix), owner->text()),
                      std::string(kind.rfc_section)));
      break;
  }
  return "";
}

// Parses and lints `text`, if there is one, and concludes.
template <typename Record>
void ReadRecord(const Kind& kind, absl::StatusOr<Record> (*parse)(std::string_view),
                std::vector<LintFinding> (*lint)(const Record&, std::string_view),
                const RecordView& view, const std::string& text, std::optional<Record>& record,
                Judgement& judgement) {
  if (!text.empty()) {
    auto parsed = parse(text);
    if (parsed.ok()) {
      Append(judgement.findings, lint(*parsed, kind.path));
      record = *std::move(parsed);
    } else {
      judgement.findings.push_back(SyntaxFinding(kind.syntax_code, kind.path, parsed.status(),
                                                 kind.unseen, std::string(kind.rfc_section)));
    }
  }
  Append(judgement.findings, LintView(view, kind.path));
}

}  // namespace

MtaStsPosture InspectMtaSts(const DomainName& domain, ReceivesMail receives_mail,
                            Resolver& resolver, AuthoritativeResolver& authoritative,
                            const PostureOptions& options) {
  MtaStsPosture out;
  out.text = ReadText(domain, kMtaSts, receives_mail, SelectMtaSts, resolver, authoritative,
                      options.server_views, out.view, out.judgement);
  ReadRecord(kMtaSts, ParseMtaStsRecord, LintMtaStsRecord, out.view, out.text, out.record,
             out.judgement);
  Conclude(out.view,
           out.record.has_value() ? fmt::format("announces the policy {}", out.record->id)
                                  : "receives no mail, so no policy is needed",
           out.judgement);
  return out;
}

TlsRptPosture InspectTlsRpt(const DomainName& domain, ReceivesMail receives_mail,
                            Resolver& resolver, AuthoritativeResolver& authoritative,
                            const PostureOptions& options) {
  TlsRptPosture out;
  out.text = ReadText(domain, kTlsRpt, receives_mail, SelectTlsRpt, resolver, authoritative,
                      options.server_views, out.view, out.judgement);
  ReadRecord(kTlsRpt, ParseTlsRpt, LintTlsRpt, out.view, out.text, out.record, out.judgement);
  std::string good = "receives no mail, so nothing is reported";
  if (out.record.has_value()) {
    const size_t count = out.record->rua.size();
    good = fmt::format("senders report to {} address{}", count, count == 1 ? "" : "es");
  }
  Conclude(out.view, std::move(good), out.judgement);
  return out;
}

}  // namespace dmarcate
