// Our verifier against dkimpy, another implementation (Debian's python3-dkim): mail that it signs
// and mail that our test signer signs, whole and damaged. Both must agree on each, but for the
// cases named in Explained.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mail/dkim_verify.h"
#include "tests/testing/dkim_signer.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using testing_support::DkimSign;
using testing_support::DkimSigning;
using testing_support::DkimTestKey;
using testing_support::RunCommand;

constexpr int kMails = 1500;
constexpr char kPython[] = "/usr/bin/python3";  // Debian's: python3-dkim belongs to it
constexpr char kScript[] = "tests/lib/mail/dkimpy.py";

class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}

  size_t Below(size_t n) { return random_() % n; }
  bool Chance(size_t percent) { return Below(100) < percent; }
  std::string Pick(const std::vector<std::string>& choices) {
    return choices[Below(choices.size())];
  }

  // Header and body with blanks, folds, repeated fields and empty lines where they matter.
  std::string Mail() {
    std::vector<std::string> fields = {
        "From: " +
            Pick({"a@example.com", "Reports  <a@example.com>", "\"A\"\r\n\t<a@example.com>"}),
        Pick({"Subject", "SUBJECT", "subject"}) + ":" + Pick({"", " "}) + Text(),
        "Date: Mon, 1 Jan 2024 00:00:00 +0000", "To: " + Text()};
    for (size_t i = Below(4); i > 0; --i) fields.push_back("X-Trace: " + Text());
    if (Chance(50)) fields.push_back("Content-Type: text/plain;\r\n charset=utf-8");
    if (Chance(20)) fields.push_back("X-Empty:");
    std::ranges::shuffle(fields, random_);
    std::string mail;
    for (const std::string& field : fields) mail += field + "\r\n";
    mail += "\r\n";
    for (size_t i = Below(8); i > 0; --i)
      mail += Chance(25) ? Pick({"\r\n", " \r\n", "\t\r\n"}) : Text() + "\r\n";
    return mail;
  }
  std::string Fields() {
    return Pick({"from", "from:subject:date:to", "from:to:subject:x-trace",
                 "from:x-trace:x-trace:x-trace:x-trace", "from:from:subject:subject",
                 "from:content-type:x-empty", "from:x-not-there:to"});
  }
  // One to three octets changed, added or taken away.
  void Damage(std::string& mail) {
    for (size_t i = 1 + Below(3); i > 0; --i) {
      const size_t at = Below(mail.size());
      const char octet = Pick({" ", "\t", "x", "=", ";", ":", "A", "\n", "0"})[0];
      switch (Below(3)) {
        case 0:
          mail[at] = octet;
          break;
        case 1:
          mail.insert(at, 1, octet);
          break;
        default:
          mail.erase(at, 1);
      }
    }
  }

 private:
  std::string Text() {
    std::string text;
    for (size_t i = 1 + Below(6); i > 0; --i) {
      text += Pick({"word", "a", "=3D", "\xC3\xA9", "Report", "12:00", "<x@y>"});
      text += Pick({" ", "  ", "\t", " \t ", ""});
    }
    return text;
  }
  std::mt19937 random_;
};

// Why a difference is none of ours; empty if it is one. What dkimpy refuses has the same signed
// text for our readers; what it lets pass has other octets.
std::string Explained(bool we_pass, const MailFields& mail) {
  bool blanks = false;   // RFC 6376 section 3.4.5 has such a field in its example
  bool lone_cr = false;  // dkimpy trims a CR like a blank
  for (const HeaderField& field : mail.fields) {
    blanks = blanks || *(field.name.data() + field.name.size()) != ':';
    for (size_t at = field.value.find('\r'); at != std::string_view::npos;
         at = field.value.find('\r', at + 1)) {
      lone_cr = lone_cr || field.value.substr(at + 1, 1) != "\n";
    }
  }
  if (!we_pass) return lone_cr ? "a CR alone in a field" : "";
  if (blanks) return "blanks before a colon";
  // A line that is no field ends the header for us, and begins the body.
  const bool no_blank_line =
      *(mail.body.data() - 2) != '\n' && std::string_view(mail.body.data() - 3, 3) != "\n\r\n";
  return no_blank_line ? "no blank line before the body" : "";
}

TEST(Dkimpy, AgreesOnSignedAndDamagedMail) {
  const auto probe = RunCommand({kPython, "-c", "import dkim, nacl.signing"});
  if (!probe.ok() || probe->exit_code != 0) GTEST_SKIP() << "python3-dkim is not installed";
  const testing_support::TempDir directory;
  const DkimTestKey rsa = DkimTestKey::Rsa(1024);
  const DkimTestKey ed25519 = DkimTestKey::Ed25519();
  directory.Write("rsa.key", rsa.PrivateKey());
  directory.Write("ed25519.key", ed25519.PrivateKey());
  directory.Write("rsa.txt", rsa.Record());
  directory.Write("ed25519.txt", ed25519.Record());

  const char* const given = std::getenv("DMARCATE_SEED");
  const auto seed = static_cast<uint32_t>(given == nullptr ? 20240101 : std::atoi(given));
  Generator random(seed);
  std::string list;
  std::vector<std::string> names;
  for (int i = 0; i < kMails; ++i) {
    const std::string name = fmt::format("{:04}", i);
    names.push_back(name);
    const std::string mail = random.Mail();
    const bool use_rsa = random.Chance(40);
    const std::string algorithm = use_rsa ? "rsa" : "ed25519";
    DkimSigning signing{.selector = algorithm,
                        .header = random.Pick({"simple", "relaxed"}),
                        .body = random.Pick({"simple", "relaxed"})};
    const std::string fields = random.Fields();
    const bool length = random.Chance(10);
    if (i % 2 == 0) {
      directory.Write(name + ".in", mail);
      list += fmt::format("{} {} {} {} {} {}\n", name, algorithm, signing.header, signing.body,
                          length ? "l" : "-", fields);
      continue;
    }
    signing.fields.clear();
    for (const std::string_view field : Split(fields, ':')) signing.fields.emplace_back(field);
    if (length) signing.body_length = 0;
    directory.Write(name + ".eml", DkimSign(mail, use_rsa ? rsa : ed25519, signing));
  }
  directory.Write("sign.txt", list);
  const auto sign = RunCommand({kPython, kScript, "sign", directory.path()}, absl::Seconds(100));
  ASSERT_TRUE(sign.ok() && sign->exit_code == 0)
      << sign.status() << (sign.ok() ? sign->output : "");

  // A third stays whole, some of those with LF alone.
  std::map<std::string, std::string> mails;
  std::map<std::string, bool> whole;
  for (size_t i = 0; i < names.size(); ++i) {
    std::string mail = testing_support::ReadWholeFile(directory.File(names[i] + ".eml"));
    whole[names[i]] = i % 3 == 0;
    if (i % 3 != 0) {
      random.Damage(mail);
    } else if (random.Chance(20)) {
      std::erase(mail, '\r');
    }
    directory.Write(names[i] + ".eml", mail);
    mails[names[i]] = mail;
  }
  const auto verify =
      RunCommand({kPython, kScript, "verify", directory.path()}, absl::Seconds(100));
  ASSERT_TRUE(verify.ok() && verify->exit_code == 0)
      << verify.status() << (verify.ok() ? verify->output : "");

  const auto lookup = [&](const DomainName& name) -> absl::StatusOr<std::vector<std::string>> {
    if (name.text() == "rsa._domainkey.example.com") return std::vector{rsa.Record()};
    if (name.text() == "ed25519._domainkey.example.com") return std::vector{ed25519.Record()};
    return std::vector<std::string>();
  };
  int agreed_pass = 0;
  int agreed_fail = 0;
  std::map<std::string, int> explained;
  for (const std::string_view line : Split(verify->output, '\n')) {
    if (line.empty()) continue;
    const std::string name(line.substr(0, 4));
    const bool they_pass = line.ends_with("pass");
    const auto fields = ReadMailFields(mails[name]);
    ASSERT_TRUE(fields.ok());
    const DkimVerification got = VerifyDkim(*fields, lookup, absl::Now());
    const DkimCheck check = got.checks.empty() ? DkimCheck() : got.checks[0];
    const bool we_pass = check.result == DkimResult::kPass;
    if (whole[name]) {
      EXPECT_TRUE(we_pass) << check.reason << "\n" << mails[name];
    }
    if (we_pass == they_pass) {
      ++(we_pass ? agreed_pass : agreed_fail);
      continue;
    }
    const std::string why = Explained(we_pass, *fields);
    EXPECT_FALSE(why.empty()) << "seed " << seed << ": we " << (we_pass ? "pass" : "refuse") << " ("
                              << check.reason << "), dkimpy does not agree:\n"
                              << mails[name];
    ++explained[why];
  }
  std::printf("%d mails: both pass %d, both refuse %d\n", kMails, agreed_pass, agreed_fail);
  for (const auto& [why, count] : explained) std::printf("%4d differ: %s\n", count, why.c_str());
  EXPECT_GE(agreed_pass, kMails / 3);
  EXPECT_GE(agreed_fail, kMails / 3);
}

}  // namespace
}  // namespace dmarcate
