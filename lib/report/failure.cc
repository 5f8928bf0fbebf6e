#include "lib/report/failure.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lib/base/text.h"
#include "lib/base/time.h"
#include "lib/report/date_text.h"
#include "lib/report/domain_text.h"
#include "lib/report/header_fields.h"
#include "lib/report/repair_log.h"
#include "lib/report/value_text.h"

namespace dmarcate {
namespace {

constexpr std::string_view kFeedbackType = "Feedback-Type";
constexpr int kFirstLines = 20;

// The domain of the mailbox in `value`: "Name <user@domain>", "<user@domain>", "user@domain". Empty
// for the null path "<>" and for what holds no address.
std::string DomainOfMailbox(std::string_view value) {
  const size_t open = value.rfind('<');
  if (open != std::string_view::npos) value = value.substr(open + 1);
  value = TrimAscii(value.substr(0, value.find_first_of(">,;")));
  const size_t at = value.rfind('@');
  if (at == std::string_view::npos) return "";
  return ReadDomainText(TrimAscii(value.substr(at + 1))).text;
}

// RFC 6591 section 3.2.2 names delivered, spam, policy, reject and other.
struct Delivery {
  std::string_view word;
  std::string_view folded;
};
constexpr Delivery kDeliveries[] = {{"delivered", "delivered"},
                                    {"spam", "spam"},
                                    {"policy", "policy"},
                                    {"reject", "reject"},
                                    {"other", "other"},
                                    {"inbox", "delivered"},
                                    {"junk", "spam"},
                                    {"quarantine", "spam"},
                                    {"quarantined", "spam"},
                                    {"rejected", "reject"},
                                    {"smg-policy-action", "policy"}};

class FailureReader {
 public:
  FailureReader(const FailureHints& hints, const FailureLimits& limits)
      : hints_(hints), limits_(limits), log_(limits.repairs) {}

  ParsedFailureReport Read(std::string_view text);

 private:
  // The field's value, unfolded, valid UTF-8; empty if it is missing.
  std::string Value(std::string_view name);
  std::string Word(std::string_view name);  // lower case, without comments
  bool Has(std::string_view name) const { return fields_.Find(name) != nullptr; }
  void ReadSource();
  void ReadArrival();
  void ReadDelivery();
  void ReadIdentities();
  void ReadAuthFailure();
  ParsedFailureReport Done(Outcome outcome, std::string_view reason, std::string detail);

  const FailureHints& hints_;
  const FailureLimits& limits_;
  RepairLog log_;
  HeaderFields fields_;
  FailureReport report_;
};

std::string FailureReader::Value(std::string_view name) {
  const std::string* raw = fields_.Find(name);
  if (raw == nullptr) return "";
  std::string value = ToValidUtf8(*raw);
  if (value != *raw) log_.Add("bad_bytes", name, *raw, value, Effect::kCosmetic);
  if (value.size() > limits_.stored_text_bytes) {
    log_.Add("text_cut", name, value, "", Effect::kCosmetic);
    value.resize(CutUtf8(value, limits_.stored_text_bytes).size());
  }
  return value;
}

std::string FailureReader::Word(std::string_view name) {
  return AsciiLower(WithoutComments(Value(name)));
}

void FailureReader::ReadSource() {
  const std::string raw = Value("Source-IP");
  const std::string bare = WithoutComments(raw);
  const std::string_view first = std::string_view(bare).substr(0, bare.find_first_of(" \t"));
  const AddressText address = ReadAddressText(first);
  if (address.address.has_value()) report_.source_ip = address.address->ToString();
  if (!raw.empty() && !address.address.has_value()) {
    log_.Add("ip_unreadable", "Source-IP", raw, "", Effect::kMaterial);
  } else if (address.form == AddressForm::kTrimmed || address.form == AddressForm::kLeadingZero) {
    log_.Add("ip_trimmed", "Source-IP", raw, report_.source_ip, Effect::kMaterial);
  } else if (first != raw) {
    log_.Add("ip_comment", "Source-IP", raw, report_.source_ip, Effect::kCosmetic);
  }
}

void FailureReader::ReadArrival() {
  report_.arrival_date = Value("Arrival-Date");
  if (report_.arrival_date.empty()) report_.arrival_date = Value("Received-Date");  // its old name
  if (!report_.arrival_date.empty()) {
    if (!ReadDateText(report_.arrival_date).has_value()) {
      log_.Add("date_unreadable", "Arrival-Date", report_.arrival_date, "", Effect::kCosmetic);
    }
    return;
  }
  if (hints_.mail_date > absl::UnixEpoch() && hints_.mail_date < absl::InfiniteFuture()) {
    report_.arrival_date = FormatRfc3339(hints_.mail_date);
  }
  log_.Add("arrival_date_missing", "Arrival-Date", "", report_.arrival_date, Effect::kCosmetic);
}

void FailureReader::ReadDelivery() {
  const std::string word = Word("Delivery-Result");
  if (word.empty()) return;
  const auto* const known = std::ranges::find(kDeliveries, word, &Delivery::word);
  report_.delivery_result = known == std::end(kDeliveries) ? "other" : known->folded;
  if (report_.delivery_result != word) {
    log_.Add("delivery_result_mapped", "Delivery-Result", word, report_.delivery_result,
             Effect::kCosmetic);
  }
}

void FailureReader::ReadAuthFailure() {
  std::string words = Word("Auth-Failure");
  std::ranges::replace_if(words, [](char c) { return c == ',' || c == ';' || c == '\t'; }, ' ');
  for (const std::string_view word : Split(words, ' ')) {
    if (word.empty()) continue;
    if (report_.auth_failure.size() >= limits_.auth_failures) {
      log_.Add("auth_failure_cut", "Auth-Failure", words, "", Effect::kCosmetic);
      break;
    }
    report_.auth_failure.emplace_back(word);
  }
}

void FailureReader::ReadIdentities() {
  report_.original_mail_from_domain = DomainOfMailbox(Value("Original-Mail-From"));
  const HeaderFields original(hints_.original_headers.substr(0, limits_.field_bytes));
  report_.authentication_results = Value("Authentication-Results");
  if (const std::string* id = original.Find("Message-ID"); id != nullptr) {
    report_.original_message_id = CutUtf8(ToValidUtf8(*id), limits_.stored_text_bytes);
  }
  if (const std::string* from = original.Find("From"); from != nullptr) {
    report_.original_from_domain = DomainOfMailbox(ToValidUtf8(*from));
  }
  if (const std::string* path = original.Find("Return-Path");
      path != nullptr && report_.original_mail_from_domain.empty() && !Has("Original-Mail-From")) {
    report_.original_mail_from_domain = DomainOfMailbox(ToValidUtf8(*path));
  }
  const std::string raw = WithoutComments(Value("Reported-Domain"));
  const DomainText domain = ReadDomainText(raw);
  report_.reported_domain = domain.text;
  if (domain.several || domain.from_address) {
    log_.Add("domain_list", "Reported-Domain", domain.text, domain.text, Effect::kMaterial);
  } else if (!raw.empty() && domain.invalid) {
    log_.Add("domain_invalid", "Reported-Domain", raw, domain.text, Effect::kMaterial);
  }
  if (report_.reported_domain.empty() && !report_.original_from_domain.empty()) {
    report_.reported_domain = report_.original_from_domain;
    log_.Add("reported_domain_assumed", "Reported-Domain", "", report_.reported_domain,
             Effect::kMaterial);
  }
}

ParsedFailureReport FailureReader::Done(Outcome outcome, std::string_view reason,
                                        std::string detail) {
  ParsedFailureReport result;
  result.outcome = outcome;
  result.reason = reason;
  result.detail = std::move(detail);
  result.repairs_dropped = log_.dropped();
  result.repairs = log_.Take();
  return result;
}

ParsedFailureReport FailureReader::Read(std::string_view text) {
  if (text.size() > limits_.field_bytes) {
    log_.Add("fields_cut", "", fmt::format("{} bytes", text.size()),
             fmt::format("{}", limits_.field_bytes), Effect::kCosmetic);
    text = text.substr(0, limits_.field_bytes);
  }
  fields_ = HeaderFields(text);
  report_.feedback_type = Word(kFeedbackType);
  if (report_.feedback_type.empty()) {
    // Exim, cPanel and gateways write the lines without the type (report-quirks section 15).
    if (!Has("Auth-Failure") && !(Has("Reported-Domain") && Has("Source-IP"))) {
      return Done(Outcome::kNotAReport, "not_a_failure_report",
                  "no Feedback-Type and none of the fields of RFC 6591");
    }
    report_.feedback_type = "auth-failure";
    log_.Add("feedback_type_missing", kFeedbackType, "", "auth-failure", Effect::kCosmetic);
  } else if (report_.feedback_type != "auth-failure") {
    return Done(Outcome::kNotAReport, "arf_not_auth_failure",
                fmt::format("the feedback type is {}, not auth-failure",
                            CutUtf8(report_.feedback_type, 64)));
  }
  report_.user_agent = Value("User-Agent");
  report_.version = WithoutComments(Value("Version"));
  ReadAuthFailure();
  ReadIdentities();
  ReadSource();
  ReadArrival();
  ReadDelivery();
  report_.identity_alignment = AsciiLower(WithoutComments(Value("Identity-Alignment")));
  report_.dkim_domain = AsciiLower(Value("DKIM-Domain"));
  report_.dkim_selector = Value("DKIM-Selector");
  report_.spf_dns = Value("SPF-DNS");
  if (const std::string raw = WithoutComments(Value("Incidents")); !raw.empty()) {
    const CountText count = ReadCountText(raw);
    // RFC 6692: a 32-bit number.
    const bool good = count.form == CountForm::kPlain && count.value <= UINT32_MAX;
    report_.incidents = good ? count.value : 1;
    if (!good) log_.Add("incidents_invalid", "Incidents", raw, "1", Effect::kMaterial);
  }
  if (report_.reported_domain.empty()) {
    return Done(Outcome::kQuarantined, "reported_domain_missing",
                "no Reported-Domain, and no From in the original header");
  }
  ParsedFailureReport result = Done(log_.outcome(), "", "");
  result.report = std::move(report_);
  return result;
}

}  // namespace

bool LooksLikeFeedbackReport(std::string_view text) {
  for (int line = 0; line < kFirstLines && !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view current = text.substr(0, end);
    const size_t colon = current.find(':');
    if (colon != std::string_view::npos &&
        EqualsIgnoreCase(TrimAscii(current.substr(0, colon)), kFeedbackType)) {
      return true;
    }
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return false;
}

ParsedFailureReport ParseFailureFields(std::string_view fields, const FailureHints& hints,
                                       const FailureLimits& limits) {
  return FailureReader(hints, limits).Read(fields);
}

}  // namespace dmarcate
