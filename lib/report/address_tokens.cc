#include "lib/report/address_tokens.h"

#include <algorithm>
#include <array>

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/report/header_fields.h"

namespace dmarcate {
namespace {

constexpr std::string_view kToken = "r-";
constexpr size_t kTokenDigits = 16;
// Texts are cut at 4096 bytes and raw texts of repairs at 256, between characters.
constexpr size_t kMayBeCut = 4096 - 4, kRepairMayBeCut = 256 - 4;

// What Authentication-Results (RFC 8601), Received-SPF (RFC 7208 section 9.1) and DKIM-Signature
// write before an address.
constexpr std::array<std::string_view, 17> kProperties = {
    "smtp.mailfrom", "smtp.mail", "smtp.rcptto", "smtp.helo", "smtp.auth",  "smtp.from",
    "header.from",   "header.i",  "header.d",    "header.b",  "header.s",   "header.sender",
    "envelope-from", "mailfrom",  "identity",    "i",         "policy.from"};

// RFC 5322 section 3.2.3, and everything beyond ASCII (RFC 6531).
bool IsLocalChar(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-/=?^_`{|}~.";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 0x80 || kOthers.find(c) != std::string_view::npos;
}

bool IsDomainChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

bool IsToken(std::string_view local) {
  return local.size() == kToken.size() + kTokenDigits && local.starts_with(kToken) &&
         local.find_first_not_of("0123456789abcdef", kToken.size()) == std::string_view::npos;
}

// Where the local part begins that ends at `at`; `at` itself if there is none. Never before `from`.
size_t LocalBegin(std::string_view text, size_t from, size_t at) {
  size_t begin = at;
  if (at > from && text[at - 1] == '"') {
    begin = from;  // if the quotation is not opened, all of it may be the local part
    for (size_t open = at - 1; open-- > from;) {
      if (text[open] == '"' && (open == from || text[open - 1] != '\\')) {
        begin = open;
        break;
      }
    }
  }
  // Also what stands right before a quotation: a local part may be several (RFC 5322 section 4.4).
  while (begin > from && IsLocalChar(text[begin - 1])) --begin;
  const std::string_view run = text.substr(begin, at - begin);
  const size_t equals = run.find('=');
  if (equals != std::string_view::npos &&
      std::ranges::find(kProperties, AsciiLower(run.substr(0, equals))) != kProperties.end()) {
    begin += equals + 1;
  }
  return begin;
}

// Of the value (RFC 2045 section 5.1) at `begin`; a quotation that is not closed takes the rest.
size_t EndOfValue(std::string_view text, size_t begin) {
  if (begin >= text.size() || text[begin] != '"') {
    return std::min(text.find_first_of(" \t;", begin), text.size());
  }
  size_t end = begin + 1;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  return std::min(end + 1, text.size());
}

std::string Cut(std::string text, size_t may_be_cut) {
  if (text.size() < may_be_cut) return text;
  const size_t blank = text.find_last_of(" \t;,");
  text.resize(blank == std::string::npos ? 0 : blank);
  return text;
}

}  // namespace

std::string AddressTokens::Mac(std::string_view text) const {
  return ToHex(HmacSha256(key_, text));
}

std::string AddressTokens::Replace(std::string_view text) const {
  std::string out;
  size_t copied = 0, from = 0;  // what is in `out`; where the next local part may begin
  for (size_t at = text.find('@'); at != std::string_view::npos; at = text.find('@', at + 1)) {
    const size_t begin = LocalBegin(text, from, at);
    const std::string_view local = text.substr(begin, at - begin);
    out.append(text.substr(copied, begin - copied));
    size_t end = at + 1;
    while (end < text.size() && IsDomainChar(text[end])) ++end;
    if (local.empty() || IsToken(local)) {
      out.append(local);
    } else {
      const std::string address = AsciiLower(text.substr(begin, end - begin));
      out.append(kToken).append(Mac(address), 0, kTokenDigits);
    }
    copied = at;
    from = at + 1;
  }
  return out.append(text.substr(copied));
}

std::string AddressTokens::Results(std::string_view value) const {
  constexpr std::string_view kName = "smtp.auth";
  constexpr std::string_view kBlanks = " \t";
  const std::string text = Replace(WithoutComments(value));
  const std::string folded = AsciiLower(text);
  std::string out;
  size_t copied = 0;
  for (size_t at = folded.find(kName); at != std::string::npos; at = folded.find(kName, at + 1)) {
    size_t begin = std::min(text.find_first_not_of(kBlanks, at + kName.size()), text.size());
    if (begin == text.size() || text[begin] != '=') continue;
    begin = std::min(text.find_first_not_of(kBlanks, begin + 1), text.size());
    const size_t end = EndOfValue(text, begin);
    const std::string_view name = std::string_view(text).substr(begin, end - begin);
    if (name.empty() || IsToken(name.substr(0, name.find('@')))) continue;
    out.append(text, copied, begin - copied);
    out.append(kToken).append(Mac(AsciiLower(name)), 0, kTokenDigits);
    copied = end;
  }
  return out.append(text, copied);
}

std::string AddressTokens::Mailbox(std::string_view value) const {
  const size_t open = value.rfind('<');
  if (open != std::string_view::npos) value = value.substr(open + 1);
  value = value.substr(0, value.find('>'));
  const size_t at = value.rfind('@');
  if (at == std::string_view::npos) return "";
  size_t end = at + 1;
  while (end < value.size() && IsDomainChar(value[end])) ++end;
  const size_t begin = LocalBegin(value, 0, at);
  return "<" + Replace(value.substr(begin, end - begin)) + ">";
}

void RedactFailureReport(const AddressTokens& tokens, FailureReport* report) {
  for (std::string* text :
       {&report->feedback_type, &report->user_agent, &report->version, &report->reported_domain,
        &report->source_ip, &report->arrival_date, &report->delivery_result,
        &report->identity_alignment, &report->dkim_domain, &report->dkim_selector, &report->spf_dns,
        &report->original_mail_from_domain, &report->original_from_domain,
        &report->original_message_id}) {
    *text = tokens.Replace(Cut(std::move(*text), kMayBeCut));
  }
  report->authentication_results =
      tokens.Results(Cut(std::move(report->authentication_results), kMayBeCut));
  for (std::string& word : report->auth_failure) word = tokens.Replace(word);
}

void RedactRepairs(const AddressTokens& tokens, std::vector<Repair>* repairs) {
  for (Repair& repair : *repairs) {
    for (std::string* text : {&repair.raw, &repair.chosen}) {
      *text = tokens.Results(Cut(std::move(*text), kRepairMayBeCut));
    }
  }
}

}  // namespace dmarcate
