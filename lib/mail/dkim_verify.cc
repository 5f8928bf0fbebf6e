#include "lib/mail/dkim_verify.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mail/dkim_canonical.h"
#include "lib/mail/dkim_key_check.h"
#include "lib/mail/dkim_signature.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxKeyRecords = 4;
constexpr std::string_view kSignatureField = "dkim-signature";
constexpr std::string_view kTlsReportField = "tls-report-domain";

// Where each field stands, by its name in lower case, from the top.
using FieldIndex = StringMap<std::vector<size_t>>;

FieldIndex IndexFields(const std::vector<HeaderField>& fields) {
  FieldIndex index;
  for (size_t i = 0; i < fields.size(); ++i) index[AsciiLower(fields[i].name)].push_back(i);
  return index;
}

class Verifier {
 public:
  Verifier(const MailFields& mail, const DkimKeyLookup& lookup, absl::Time now)
      : mail_(mail), lookup_(lookup), now_(now), index_(IndexFields(mail.fields)) {}

  DkimVerification Run() {
    DkimVerification out;
    const auto found = index_.find(kSignatureField);
    if (found == index_.end()) return out;
    out.signatures = found->second.size();
    for (size_t i = 0; i < std::min(out.signatures, kMaxDkimSignatures); ++i) {
      out.checks.push_back(Check(found->second[i]));
    }
    return out;
  }

 private:
  DkimCheck Check(size_t position) {
    const HeaderField& field = mail_.fields[position];
    const DkimSignature signature = ParseDkimSignature(field.value);
    DkimCheck check;
    check.domain = signature.domain.text();
    check.selector = signature.selector;
    check.algorithm = signature.algorithm;
    if (signature.defect != DkimResult::kNone) {
      check.result = signature.defect;
      check.reason = signature.reason;
      return check;
    }
    check.covers_body = !signature.body_length.has_value();
    check.covers_identity = Covers(signature, {"from", "subject", "date"});
    check.covers_content_type =
        Covers(signature, {"content-type", "contenttype", "content-transfer-encoding"});
    const DkimBodyHash& body = BodyHash(signature.body, signature.body_length);
    if (!body.complete) {
      check.result = DkimResult::kPermError;
      check.reason = "l= is larger than the body";
    } else if (body.sha256 != signature.body_hash) {
      check.result = DkimResult::kFail;
      check.reason = "the body hash does not match";
    } else {
      CheckKeys(signature, HeaderDigest(signature, position), check);
    }
    if (check.result == DkimResult::kPass) ApplyPolicy(signature, check);
    return check;
  }

  void CheckKeys(const DkimSignature& signature, const std::string& digest, DkimCheck& check) {
    const auto records = lookup_(signature.key_name);
    if (!records.ok()) {
      check.result = DkimResult::kTempError;
      check.reason = fmt::format("the key could not be fetched: {}",
                                 EscapeForTerminal(MessageOf(records.status()).substr(0, 200)));
      return;
    }
    check.result = DkimResult::kPermError;
    check.reason = fmt::format("there is no key at {}", signature.key_name.text());
    check.key_gone = true;
    // A stranger can put the field of TLS reports (RFC 8460 section 5.3) into any mail.
    const bool is_tls_report =
        index_.contains(kTlsReportField) && Covers(signature, {kTlsReportField});
    const DkimService service = is_tls_report ? DkimService::kMailOrTlsReport : DkimService::kMail;
    // With several keys at one name any of them may be the right one (section 6.1.2).
    bool first = true;
    size_t tried = 0;
    for (const std::string& record : *records) {
      DkimKeyVerdict verdict = CheckDkimKey(record, signature, digest, service);
      if (verdict.result == DkimResult::kNone) continue;
      check.key_gone = check.key_gone && verdict.revoked;
      if (first || Rank(verdict.result) > Rank(check.result)) {
        check.result = verdict.result;
        check.reason = std::move(verdict.reason);
        check.key_bits = verdict.bits;
        check.tls_reports_only = verdict.tls_reports_only;
        first = false;
      }
      if (check.result == DkimResult::kPass || ++tried == kMaxKeyRecords) return;
    }
  }

  // Rules for signatures that are right.
  void ApplyPolicy(const DkimSignature& signature, DkimCheck& check) const {
    const int64_t now = absl::ToUnixSeconds(now_);
    const int64_t latest = absl::ToUnixSeconds(now_ + kDkimFutureTolerance);
    if (!Covers(signature, {"from"})) {
      check.reason = "there is a From field that is not signed";
    } else if (signature.expires_at.has_value() && *signature.expires_at < now) {
      check.reason = "the signature has expired";
    } else if (signature.signed_at.has_value() && *signature.signed_at > latest) {
      check.reason = "the signature is from the future";
    } else {
      return;
    }
    check.result = DkimResult::kPolicy;
  }

  static int Rank(DkimResult result) {
    switch (result) {
      case DkimResult::kPass:
        return 3;
      case DkimResult::kPolicy:
        return 2;
      case DkimResult::kFail:
        return 1;
      default:
        return 0;
    }
  }

  // Each of the fields is signed as often as it is there; more often, too, so that none can be
  // added.
  bool Covers(const DkimSignature& signature, std::initializer_list<std::string_view> names) const {
    return std::ranges::all_of(names, [&](std::string_view name) {
      const auto found = index_.find(name);
      const size_t there = found == index_.end() ? 0 : found->second.size();
      return static_cast<size_t>(std::ranges::count(signature.fields, name)) >= there;
    });
  }

  // Section 3.7: the fields that h= names, each name taking the lowest that was not taken yet
  // (section 5.4.2), and last the signature itself.
  std::string HeaderDigest(const DkimSignature& signature, size_t position) const {
    Sha256Stream hash;
    StringMap<size_t> taken;  // of each name's fields, from the bottom
    for (const std::string& name : signature.fields) {
      const auto found = index_.find(name);
      if (found == index_.end()) continue;
      const std::vector<size_t>& places = found->second;
      size_t& count = taken[name];
      // A signature that names DKIM-Signature means the others.
      if (count < places.size() && places[places.size() - 1 - count] == position) ++count;
      if (count >= places.size()) continue;
      const HeaderField& field = mail_.fields[places[places.size() - 1 - count]];
      hash.Update(CanonicalField(field, signature.header));
      ++count;
    }
    hash.Update(CanonicalSignatureField(mail_.fields[position], signature));
    return hash.Finish();
  }

  const DkimBodyHash& BodyHash(DkimCanonicalization canonicalization,
                               std::optional<uint64_t> limit) {
    const auto key = std::pair(canonicalization, limit);
    auto found = bodies_.find(key);
    if (found == bodies_.end()) {
      found = bodies_.emplace(key, HashDkimBody(mail_.body, canonicalization, limit)).first;
    }
    return found->second;
  }

  const MailFields& mail_;
  const DkimKeyLookup& lookup_;
  const absl::Time now_;
  const FieldIndex index_;
  std::map<std::pair<DkimCanonicalization, std::optional<uint64_t>>, DkimBodyHash> bodies_;
};

}  // namespace

DkimVerification VerifyDkim(const MailFields& mail, const DkimKeyLookup& lookup, absl::Time now) {
  return Verifier(mail, lookup, now).Run();
}

}  // namespace dmarcate
