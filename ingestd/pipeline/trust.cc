#include "ingestd/pipeline/trust.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {
namespace {

// A finding: what it is called, and what it says.
struct Cause {
  TrustReason reason = TrustReason::kNone;
  std::string detail;
};

// Without l=, with From, Subject and Date signed: nothing can be put in front or after. A key for
// TLS reports signs nothing else.
bool Holds(const DkimCheck& signature, bool is_tls_report) {
  return signature.result == DkimResult::kPass && signature.aligned && signature.covers_body &&
         signature.covers_identity && (is_tls_report || !signature.tls_reports_only);
}

bool IsHeld(const CarrierAuth& auth, bool is_tls_report) {
  return std::ranges::any_of(auth.dkim, [is_tls_report](const DkimCheck& signature) {
    return Holds(signature, is_tls_report);
  });
}

// A signature holds, and none that does says how the mail is to be read.
bool IsHeldLoosely(const CarrierAuth& auth, bool is_tls_report) {
  return IsHeld(auth, is_tls_report) &&
         std::ranges::none_of(auth.dkim, [is_tls_report](const DkimCheck& signature) {
           return Holds(signature, is_tls_report) && signature.covers_content_type;
         });
}

// DMARC of a single From; of a domain without a policy an aligned pass is as good.
bool MayPass(const CarrierAuth& auth) {
  return auth.from_fields == 1 && !auth.from_domain.empty() &&
         (auth.dmarc == DmarcResult::kPass || auth.dmarc == DmarcResult::kNone);
}

bool SpfPasses(const CarrierAuth& auth) {
  return auth.spf.result == SpfResult::kPass && auth.spf.aligned;
}

// Whose arrival the mailbox knows, however long ago.
bool IsMailbox(Channel channel) {
  return channel == Channel::kMaildir || channel == Channel::kImap;
}

// An aligned signature whose key was there once, for all that can be known; or null.
const DkimCheck* FindKeyGone(const CarrierAuth& auth) {
  const auto found = std::ranges::find_if(auth.dkim, [](const DkimCheck& signature) {
    return signature.result == DkimResult::kPermError && signature.aligned && signature.key_gone;
  });
  return found == auth.dkim.end() ? nullptr : &*found;
}

std::optional<DomainName> DomainIn(std::string_view text) {
  if (text.find('.') == std::string_view::npos) return std::nullopt;
  auto name = DomainName::Parse(text);
  if (!name.ok() || name->label_count() < 2) return std::nullopt;
  return *std::move(name);
}

// "google.com" of "google.com!example.org!1669507200!1669593599.zip".
std::string_view ReceiverOf(std::string_view file_name) {
  file_name.remove_prefix(file_name.find_last_of("/\\") + 1);
  return std::ranges::count(file_name, '!') >= 3 ? file_name.substr(0, file_name.find('!')) : "";
}

// "google.com" of "Report Domain: example.org Submitter: google.com Report-ID: 1".
std::string_view SubmitterOf(std::string_view subject) {
  constexpr std::string_view kWord = "submitter:";
  const size_t at = AsciiLower(subject).find(kWord);
  if (at == std::string_view::npos) return "";
  subject = TrimAscii(subject.substr(at + kWord.size()));
  if (subject.starts_with('{') || subject.starts_with('<')) subject.remove_prefix(1);
  return subject.substr(0, subject.find_first_of(" \t;,}>"));
}

std::string Quoted(std::string_view text) {
  constexpr size_t kShown = 120;
  return fmt::format("'{}'", EscapeForTerminal(ToValidUtf8(text.substr(0, kShown))));
}

std::optional<Cause> ImpossibleClaim(const AggregateReport& report) {
  const RecordSums sums = report.sums();
  if (sums.largest_count > kMaxRecordMessages) {
    return Cause{
        TrustReason::kImpossibleCount,
        fmt::format("a record of {} messages, limit {}", sums.largest_count, kMaxRecordMessages)};
  }
  if (sums.messages > kMaxReportMessages) {
    return Cause{TrustReason::kImpossibleCount,
                 fmt::format("{} messages, limit {}", sums.messages, kMaxReportMessages)};
  }
  return std::nullopt;
}

// Why nothing authenticates the mail: the reason that lies nearest to a pass.
Cause WhyUnverified(const CarrierEvidence& evidence) {
  if (!evidence.is_mail) {
    return {TrustReason::kNotMail, "it came by a mail channel and is no mail"};
  }
  if (!evidence.auth) {
    return {TrustReason::kNotSigned, "the mail has no signature, and no envelope is known"};
  }
  const CarrierAuth& auth = *evidence.auth;
  if (auth.from_fields != 1 || auth.from_domain.empty()) {
    return {TrustReason::kFromNotSingle,
            fmt::format("{} From fields, want one with one address", auth.from_fields)};
  }
  if (auth.unreachable) {
    return {TrustReason::kDnsUnreachable,
            "DNS did not answer for a day, so nothing could be verified"};
  }
  const auto first = [&auth](auto&& predicate) -> const DkimCheck* {
    const auto found = std::ranges::find_if(auth.dkim, predicate);
    return found == auth.dkim.end() ? nullptr : &*found;
  };
  const auto says = [](const DkimCheck& signature, std::string_view what) {
    return fmt::format("the signature of {} {}", Quoted(signature.domain), what);
  };
  using Result = DkimResult;
  const auto is = [](Result result) {
    return [result](const DkimCheck& check) { return check.aligned && check.result == result; };
  };
  if (const auto* found = first(is(Result::kPass))) {
    if (found->tls_reports_only) {
      return {TrustReason::kSignatureRefused, says(*found, "is by a key for TLS reports only")};
    }
    if (!found->covers_body) {
      return {TrustReason::kSignaturePartial, says(*found, "does not cover the whole body")};
    }
    if (!found->covers_identity) {
      return {TrustReason::kSignaturePartial,
              says(*found, "does not cover From, Subject and Date")};
    }
    return {TrustReason::kDmarcFailed,
            fmt::format("DMARC of {} does not pass", Quoted(auth.from_domain))};
  }
  for (const Result result :
       {Result::kPolicy, Result::kFail, Result::kTempError, Result::kPermError, Result::kNeutral}) {
    const DkimCheck* gone = result == Result::kPermError ? FindKeyGone(auth) : nullptr;
    if (gone != nullptr) return {TrustReason::kKeyGone, says(*gone, "has no key any more")};
    const DkimCheck* found = first(is(result));
    if (found == nullptr) continue;
    return {
        result == Result::kPolicy ? TrustReason::kSignatureRefused : TrustReason::kSignatureFailed,
        fmt::format("{}: {}", says(*found, "does not count"),
                    EscapeForTerminal(ToValidUtf8(found->reason)))};
  }
  const bool passes = auth.spf.result == SpfResult::kPass ||
                      first([](const DkimCheck& check) { return check.result == Result::kPass; });
  if (SpfPasses(auth)) {
    return {TrustReason::kDmarcFailed,
            fmt::format("DMARC of {} does not pass", Quoted(auth.from_domain))};
  }
  if (passes) {
    return {TrustReason::kNotAligned,
            fmt::format("who sent it is verified, but is not {}", Quoted(auth.from_domain))};
  }
  if (auth.signatures == 0)
    return {TrustReason::kNotSigned, "the mail has no signature, and SPF does not pass"};
  return {TrustReason::kNotAligned, fmt::format("no signature is of {}", Quoted(auth.from_domain))};
}

// What the report says about its origin against who is authenticated.
std::optional<Cause> Contradiction(const CarrierEvidence& evidence, const ReportMetadata& metadata,
                                   const DomainName& authenticated, const AnchorList& anchors,
                                   const PublicSuffixList& suffixes) {
  if (const size_t at = metadata.email.rfind('@'); at != std::string::npos) {
    const auto domain = DomainName::Parse(std::string_view(metadata.email).substr(at + 1));
    if (!domain.ok() || domain->IsRoot() ||
        !anchors.MayClaim(authenticated, suffixes.OrganizationalDomain(*domain))) {
      return Cause{TrustReason::kIdentityMismatch,
                   fmt::format("the mail is authenticated as {}, the report says it is from {}",
                               authenticated.text(), Quoted(metadata.email))};
    }
  }
  // Appliances and hosted reporters name their customer here, so another domain is no contradiction
  // by itself; an anchor's is.
  const auto claimed = [&](const Anchor* owner, std::string_view where, std::string_view text) {
    return Cause{TrustReason::kAnchorClaimed,
                 fmt::format("the mail is authenticated as {}, but {} {} is of {}",
                             authenticated.text(), where, Quoted(text), owner->name)};
  };
  const auto is_foreign = [&](const Anchor* owner) {
    return owner != nullptr && owner->organizational_domain != authenticated;
  };
  const std::string_view organization = TrimAscii(metadata.org_name);
  if (const Anchor* owner = anchors.OwnerOfName(organization); is_foreign(owner)) {
    return claimed(owner, "the organisation", organization);
  }
  const std::array<std::pair<std::string_view, std::string_view>, 3> names = {{
      {"the organisation", organization},
      {"the file name's receiver", ReceiverOf(evidence.file_name)},
      {"the subject's submitter", SubmitterOf(evidence.subject)},
  }};
  for (const auto& [where, text] : names) {
    const auto domain = DomainIn(text);
    if (!domain) continue;
    const DomainName organizational = suffixes.OrganizationalDomain(*domain);
    if (anchors.MayClaim(authenticated, organizational)) continue;
    if (const Anchor* owner = anchors.OwnerOfDomain(organizational); is_foreign(owner)) {
      return claimed(owner, where, text);
    }
  }
  return std::nullopt;
}

bool HasUsualPeriod(const ReportMetadata& metadata) {
  const int64_t seconds = metadata.end - metadata.begin;
  return seconds >= kShortestAnchorSeconds && seconds <= kLongestAnchorSeconds;
}

// The anchor that signed the mail and is named in the report, or null.
const Anchor* FindAnchor(const CarrierEvidence& evidence, const ReportMetadata& metadata,
                         const AnchorList& anchors) {
  const CarrierAuth& auth = *evidence.auth;
  if (auth.dmarc != DmarcResult::kPass) return nullptr;
  for (const DkimCheck& signature : auth.dkim) {
    if (!Holds(signature, evidence.is_tls_report)) continue;
    if (!signature.covers_content_type && !evidence.one_reading) continue;
    const Anchor* anchor =
        anchors.Find(auth.from_address, signature.domain, TrimAscii(metadata.org_name));
    if (anchor != nullptr) return anchor;
  }
  return nullptr;
}

TrustVerdict Quarantine(Cause cause, std::string reporter) {
  return {TrustClass::kQuarantined, cause.reason, std::move(cause.detail), std::move(reporter)};
}

}  // namespace

bool IsHandedIn(Channel channel) {
  return channel == Channel::kUpload || channel == Channel::kImport;
}

std::string ClaimedReporter(const ReportMetadata& metadata, const PublicSuffixList& suffixes) {
  if (const size_t at = metadata.email.rfind('@'); at != std::string::npos) {
    const auto domain = DomainName::Parse(std::string_view(metadata.email).substr(at + 1));
    if (domain.ok() && !domain->IsRoot()) return suffixes.OrganizationalDomain(*domain).text();
  }
  std::string folded;
  for (const char c : AsciiLower(TrimAscii(metadata.org_name))) {
    const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (!blank) folded.push_back(c);
    if (blank && folded.back() != ' ') folded.push_back(' ');
  }
  return folded.empty() ? "unknown" : folded;
}

bool NeedsReading(const CarrierAuth& auth) {
  return IsHeldLoosely(auth, false) || IsHeldLoosely(auth, true);
}

TrustVerdict JudgeTrust(const CarrierEvidence& evidence, const AggregateReport& report,
                        const AnchorList& anchors, const PublicSuffixList& suffixes,
                        absl::Time now) {
  const ReportMetadata& metadata = report.metadata;
  const bool may_pass = evidence.auth && MayPass(*evidence.auth);
  const bool signed_whole = may_pass && IsHeld(*evidence.auth, evidence.is_tls_report);
  const bool ambiguous = signed_whole && !evidence.one_reading &&
                         IsHeldLoosely(*evidence.auth, evidence.is_tls_report);
  const bool spf = may_pass && SpfPasses(*evidence.auth);
  const auto from = may_pass ? DomainIn(evidence.auth->from_domain) : std::nullopt;

  if (!from || !(signed_whole || spf)) {
    std::string reporter = ClaimedReporter(metadata, suffixes);
    if (auto cause = ImpossibleClaim(report)) {
      return Quarantine(*std::move(cause), std::move(reporter));
    }
    if (IsHandedIn(evidence.channel)) {
      return {TrustClass::kImported, TrustReason::kHandedIn,
              "handed in by an operator, not verified", std::move(reporter)};
    }
    Cause why = WhyUnverified(evidence);
    if (evidence.auth && FindKeyGone(*evidence.auth) != nullptr && IsMailbox(evidence.channel) &&
        now - evidence.received_time > kHistoryAge) {
      return {TrustClass::kImported, TrustReason::kHistory,
              "older than a week when it was read, and the key of its signature is gone",
              std::move(reporter)};
    }
    return {TrustClass::kUnverified, why.reason, std::move(why.detail), std::move(reporter)};
  }

  const DomainName authenticated = suffixes.OrganizationalDomain(*from);
  if (auto cause = ImpossibleClaim(report)) {
    return Quarantine(*std::move(cause), authenticated.text());
  }
  if (ambiguous && !spf) {
    return Quarantine({TrustReason::kContentAmbiguous,
                       "Content-Type is not signed, and the mail can be read in several ways"},
                      authenticated.text());
  }
  if (auto cause = Contradiction(evidence, metadata, authenticated, anchors, suffixes)) {
    return Quarantine(*std::move(cause), authenticated.text());
  }
  const Anchor* anchor = FindAnchor(evidence, metadata, anchors);
  const TrustReason lacks = anchor == nullptr           ? TrustReason::kNone
                            : evidence.is_enclosed      ? TrustReason::kEnclosed
                            : !HasUsualPeriod(metadata) ? TrustReason::kPeriodUnusual
                                                        : TrustReason::kNone;
  if (anchor != nullptr && lacks == TrustReason::kNone) {
    return {TrustClass::kAnchored, TrustReason::kNone,
            fmt::format("signed by {}, an anchor", anchor->name), authenticated.text()};
  }
  return {TrustClass::kAuthenticated, lacks,
          fmt::format("the mail is authenticated as {}", authenticated.text()),
          authenticated.text()};
}

TrustVerdict JudgeMail(const CarrierEvidence& evidence, const ReportMetadata& claim,
                       const PublicSuffixList& suffixes, absl::Time now) {
  TrustVerdict verdict = JudgeTrust(evidence, AggregateReport(), AnchorList(), suffixes, now);
  if (verdict.trust == TrustClass::kQuarantined) verdict.trust = TrustClass::kUnverified;
  if (verdict.trust != TrustClass::kAuthenticated) {
    verdict.reporter = ClaimedReporter(claim, suffixes);
  }
  return verdict;
}

TrustVerdict JudgeUnverified(const AggregateReport& report, const PublicSuffixList& suffixes) {
  std::string reporter = ClaimedReporter(report.metadata, suffixes);
  if (auto cause = ImpossibleClaim(report)) {
    return Quarantine(*std::move(cause), std::move(reporter));
  }
  return {TrustClass::kImported, TrustReason::kNotVerified, "this server verifies no mail",
          std::move(reporter)};
}

}  // namespace dmarcate
