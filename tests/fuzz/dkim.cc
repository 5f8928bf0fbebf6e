// A mail that was signed once and changed since passes only if its canonical form is the same;
// anything else as a mail is verified without a crash, in linear time. The first octet picks a way
// to sign, the others are changes: an operation, two octets of position, the octet to write. Input
// of another form is verified as it is.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/text.h"
#include "lib/mail/dkim_verify.h"
#include "tests/testing/dkim_signer.h"

namespace {

using dmarcate::DkimVerification;
using dmarcate::testing_support::DkimSign;
using dmarcate::testing_support::DkimSignedText;
using dmarcate::testing_support::DkimSigning;
using dmarcate::testing_support::DkimTestKey;

constexpr char kMail[] =
    "Received: from a by b;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n"
    "Received: from c by a\r\n"
    "From: Reports  <dmarc@example.com>\r\n"
    "Subject: Report Domain: example.net\r\n  Submitter: \texample.com \r\n"
    "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    "Content-Type: text/plain;\r\n\tcharset=us-ascii\r\n"
    "\r\n"
    "Hello,  world. \r\n\r\n\t second  line\t\r\n\r\n \r\n\r\n";

struct Signed {
  DkimSigning signing;
  std::string mail;
  std::string text;  // what is signed
};

const std::vector<Signed>& SignedMails() {
  static const auto* const mails = [] {
    auto* out = new std::vector<Signed>();
    for (const std::string header : {"simple", "relaxed"}) {
      for (const std::string body : {"simple", "relaxed"}) {
        for (const bool part : {false, true}) {
          Signed one;
          one.signing.header = header;
          one.signing.body = body;
          one.signing.fields = {"received", "received", "from",        "subject",
                                "subject",  "date",     "content-type"};
          if (part) one.signing.body_length = 7;
          one.mail = DkimSign(kMail, DkimTestKey::Ed25519(), one.signing);
          one.text = DkimSignedText(one.mail, 0, one.signing).value();
          out->push_back(one);
        }
      }
    }
    return out;
  }();
  return *mails;
}

DkimVerification Verify(std::string_view mail) {
  static const std::string record = DkimTestKey::Ed25519().Record();
  const auto fields = dmarcate::ReadMailFields(mail);
  if (!fields.ok()) return {};
  const auto lookup = [](const dmarcate::DomainName&) -> absl::StatusOr<std::vector<std::string>> {
    return std::vector<std::string>{record};
  };
  const std::clock_t begin = std::clock();
  DkimVerification out = VerifyDkim(*fields, lookup, absl::FromUnixSeconds(1'760'000'000));
  // Inputs are of kilobytes: seconds are no linear time.
  if (std::clock() - begin > 5 * CLOCKS_PER_SEC) std::abort();
  if (out.checks.size() > dmarcate::kMaxDkimSignatures || out.checks.size() > out.signatures) {
    std::abort();
  }
  for (const dmarcate::DkimCheck& check : out.checks) {
    if (check.result == dmarcate::DkimResult::kNone) std::abort();
    if (check.reason.empty() != (check.result == dmarcate::DkimResult::kPass)) std::abort();
    for (const std::string& text : {check.domain, check.selector, check.algorithm, check.reason}) {
      if (!dmarcate::IsValidUtf8(text)) std::abort();
    }
  }
  return out;
}

std::string Change(std::string mail, std::string_view changes) {
  for (; changes.size() >= 4; changes.remove_prefix(4)) {
    const auto octet = [&](size_t i) { return static_cast<unsigned char>(changes[i]); };
    const size_t at = (octet(1) << 8 | octet(2)) % (mail.size() + 1);
    switch (octet(0) % 4) {
      case 0:
        if (at < mail.size()) mail[at] = changes[3];
        break;
      case 1:
        mail.insert(at, 1, changes[3]);
        break;
      case 2:
        mail.erase(at, 1 + octet(3) % 16);
        break;
      default:  // a piece again, elsewhere
        mail.insert(at, mail.substr(octet(3) * 4 % mail.size(), 64));
        break;
    }
  }
  return mail;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  Verify(input);
  if (size < 1) return 0;
  const Signed& base = SignedMails()[data[0] % SignedMails().size()];
  const std::string changed = Change(base.mail, input.substr(1, 64));
  const DkimVerification got = Verify(changed);
  for (size_t i = 0; i < got.checks.size(); ++i) {
    if (got.checks[i].result != dmarcate::DkimResult::kPass) continue;
    if (DkimSignedText(changed, i, base.signing) != base.text) std::abort();
  }
  return 0;
}
