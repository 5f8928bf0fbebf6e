#include "lib/inspect/carrier_check.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/inspect/dmarc_discovery.h"
#include "lib/inspect/spf_check.h"
#include "lib/mail/dkim_verify.h"
#include "lib/mail/header_value.h"
#include "lib/mail/mail_fields.h"

namespace dmarcate {
namespace {

// Asks each question once, and no more than the budget.
class MailResolver final : public Resolver {
 public:
  MailResolver(Resolver& resolver, const Clock& clock)
      : resolver_(resolver), clock_(clock), begin_(clock.Monotonic()) {}

  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override {
    const auto key = std::pair(name, type);
    const auto known = answers_.find(key);
    if (known != answers_.end()) return known->second;
    // kCancelled: the whole of it ends here, and no name of a client is left out of SPF unseen.
    if (answers_.size() >= kMaxCarrierLookups) {
      return MakeError(absl::StatusCode::kCancelled,
                       fmt::format("more than {} look-ups for one mail", kMaxCarrierLookups));
    }
    if (time_outs_ >= kMaxCarrierTimeOuts || clock_.Monotonic() - begin_ >= kCarrierAskingTime) {
      return MakeError(absl::StatusCode::kCancelled, "no time left for this mail");
    }
    const auto& answer = answers_.emplace(key, resolver_.Lookup(name, type)).first->second;
    if (absl::IsDeadlineExceeded(answer.status())) ++time_outs_;
    return answer;
  }

 private:
  Resolver& resolver_;
  const Clock& clock_;
  const absl::Duration begin_;
  int time_outs_ = 0;
  std::map<std::pair<DomainName, RrType>, absl::StatusOr<DnsAnswer>> answers_;
};

enum class Alignment : uint8_t { kNo, kYes, kUnknown };

// Holds identifiers against the From domain, by its policy.
class Aligner {
 public:
  Aligner(const DomainName& author, const absl::StatusOr<DmarcDiscovery>& discovery,
          Resolver& resolver, const PublicSuffixList& suffixes)
      : author_(author), discovery_(discovery), resolver_(resolver), suffixes_(suffixes) {}

  Alignment Check(const DomainName& identifier, bool is_dkim) const {
    if (identifier == author_) return Alignment::kYes;
    if (!IsAligned(DmarcAlignmentMode::kRelaxed, author_, identifier, suffixes_)) {
      return Alignment::kNo;
    }
    if (!discovery_.ok()) return Alignment::kUnknown;  // the mode may be strict
    if (!discovery_->record.has_value()) return Alignment::kYes;
    const DmarcVerdict& verdict = discovery_->record->Verdict(DmarcStandard::kRfc9989);
    const DmarcAlignmentMode mode = is_dkim ? verdict.adkim : verdict.aspf;
    if (mode == DmarcAlignmentMode::kStrict) return Alignment::kNo;
    const auto organization = FindOrganizationalDomain(identifier, resolver_);
    if (!organization.ok()) return Alignment::kUnknown;
    return IsAligned(mode, author_, discovery_->organizational_domain, identifier, *organization)
               ? Alignment::kYes
               : Alignment::kNo;
  }

 private:
  const DomainName& author_;
  const absl::StatusOr<DmarcDiscovery>& discovery_;
  Resolver& resolver_;
  const PublicSuffixList& suffixes_;
};

// Whether DNS left something open about a signature that could be worth more than those that pass:
// one with the same d= that covers all of the mail is not to be surpassed.
bool LeavesOpen(const std::vector<DkimCheck>& checks, const std::vector<Alignment>& alignments) {
  for (size_t i = 0; i < checks.size(); ++i) {
    const bool open =
        checks[i].result == DkimResult::kTempError
            ? alignments[i] != Alignment::kNo
            : checks[i].result == DkimResult::kPass && alignments[i] == Alignment::kUnknown;
    if (open && std::ranges::none_of(checks, [&](const DkimCheck& best) {
          return best.result == DkimResult::kPass && best.aligned && best.covers_body &&
                 best.covers_identity && best.covers_content_type &&
                 best.domain == checks[i].domain;
        })) {
      return true;
    }
  }
  return false;
}

// What all identifiers of one kind come to.
struct Tally {
  bool passed = false;    // one passes and is aligned
  bool may_pass = false;  // one could, if a look-up had not failed

  template <typename Result>
  void Add(Result result, Alignment alignment) {
    const bool pass = result == Result::kPass;
    const bool may_pass_later = pass || result == Result::kTempError;
    passed = passed || (pass && alignment == Alignment::kYes);
    may_pass = may_pass || (may_pass_later && alignment != Alignment::kNo &&
                            !(pass && alignment == Alignment::kYes));
  }
};

void ReadFrom(const MailFields& mail, CarrierAuth& out) {
  std::string_view value;
  for (const HeaderField& field : mail.fields) {
    if (!EqualsIgnoreCase(field.name, "From")) continue;
    ++out.from_fields;
    value = field.value;
  }
  // UnfoldValue would cut a longer one, and with it perhaps a second address.
  if (out.from_fields != 1 || value.size() > kMaxValueBytes) return;
  const auto address = SingleAddress(UnfoldValue(value));
  if (!address.has_value()) return;
  const size_t at = address->rfind('@');
  const auto domain = DomainName::Parse(address->substr(at + 1));
  if (!domain.ok() || domain->IsRoot()) return;
  out.from_domain = domain->text();
  out.from_address = address->substr(0, at + 1) + out.from_domain;
}

void CheckSignatures(const MailFields& mail, Resolver& resolver, absl::Time now, CarrierAuth& out) {
  const auto lookup = [&](const DomainName& name) -> absl::StatusOr<std::vector<std::string>> {
    DMARCATE_ASSIGN_OR_RETURN(const DnsAnswer answer, resolver.Lookup(name, RrType::kTxt));
    std::vector<std::string> texts;
    for (const TxtRecord& txt : answer.txt) texts.push_back(txt.Joined());
    return texts;
  };
  DkimVerification verification = VerifyDkim(mail, lookup, now);
  out.dkim = std::move(verification.checks);
  out.signatures = verification.signatures;
}

void CheckEnvelope(const CarrierEnvelope& envelope, Resolver& resolver, const Clock& clock,
                   absl::Time now, CarrierAuth& out) {
  SpfRequest request;
  request.client = envelope.client;
  request.helo = envelope.helo;
  request.mail_from = envelope.mail_from;
  request.unix_seconds = absl::ToUnixSeconds(now);
  out.spf.result = CheckHost(request, resolver, clock).result;
  const std::string& mail_from = envelope.mail_from;
  // Without an @ the whole of it is the domain, as for CheckHost.
  const std::string domain =
      mail_from.empty() ? envelope.helo : mail_from.substr(mail_from.rfind('@') + 1);
  const auto parsed = DomainName::Parse(domain);
  out.spf.domain = parsed.ok() ? parsed->text() : AsciiLower(ToValidUtf8(domain));
}

// SPF, what is aligned, and the result that follows. SPF comes last: what it asks is the sender's
// to choose, and may use up the time of the mail.
void Judge(const std::optional<CarrierEnvelope>& envelope, Resolver& resolver,
           const PublicSuffixList& suffixes, const Clock& clock, absl::Time now, CarrierAuth& out) {
  const DomainName author = DomainName::Parse(out.from_domain).value();
  const auto discovery = DiscoverDmarcPolicy(author, resolver);
  const Aligner aligner(author, discovery, resolver, suffixes);
  const auto align = [&](const std::string& identifier, bool is_dkim, bool& aligned) {
    const auto name = DomainName::Parse(identifier);
    const Alignment alignment =
        !name.ok() || name->IsRoot() ? Alignment::kNo : aligner.Check(*name, is_dkim);
    aligned = alignment == Alignment::kYes;
    return alignment;
  };
  Tally dkim;
  std::vector<Alignment> alignments;
  for (DkimCheck& check : out.dkim) {
    alignments.push_back(align(check.domain, true, check.aligned));
    dkim.Add(check.result, alignments.back());
  }
  if (envelope.has_value()) CheckEnvelope(*envelope, resolver, clock, now, out);
  Tally spf;
  spf.Add(out.spf.result, align(out.spf.domain, false, out.spf.aligned));

  const bool passed = dkim.passed || spf.passed;
  if (!discovery.ok()) {
    out.dmarc = DmarcResult::kTempError;
    out.unreachable = passed || dkim.may_pass || spf.may_pass;
    return;
  }
  out.unreachable = LeavesOpen(out.dkim, alignments) || (!passed && spf.may_pass);
  if (!discovery->record.has_value()) {
    out.dmarc = DmarcResult::kNone;
    return;
  }
  const DmarcReading reading = discovery->record->Verdict(DmarcStandard::kRfc9989).reading;
  if (reading != DmarcReading::kPolicy && reading != DmarcReading::kTreatedAsNone) {
    out.dmarc = DmarcResult::kPermError;
  } else if (passed) {
    out.dmarc = DmarcResult::kPass;
  } else {
    out.dmarc = dkim.may_pass || spf.may_pass ? DmarcResult::kTempError : DmarcResult::kFail;
  }
}

}  // namespace

CarrierAuth CheckCarrier(std::string_view mail, const std::optional<CarrierEnvelope>& envelope,
                         Resolver& resolver, const PublicSuffixList& suffixes, const Clock& clock,
                         absl::Time now) {
  CarrierAuth out;
  MailResolver dns(resolver, clock);
  if (const auto fields = ReadMailFields(mail); fields.ok()) {
    ReadFrom(*fields, out);
    CheckSignatures(*fields, dns, now, out);
  }
  if (out.from_domain.empty()) {
    if (envelope.has_value()) CheckEnvelope(*envelope, dns, clock, now, out);
    out.dmarc = DmarcResult::kPermError;
  } else {
    Judge(envelope, dns, suffixes, clock, now, out);
  }
  return out;
}

}  // namespace dmarcate
