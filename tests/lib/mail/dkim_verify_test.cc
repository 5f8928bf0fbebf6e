#include "lib/mail/dkim_verify.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "tests/lib/mail/generated_mail.h"
#include "tests/testing/dkim_signer.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::DkimSign;
using testing_support::DkimSignedText;
using testing_support::DkimSigning;
using testing_support::DkimTestKey;

const absl::Time kNow = absl::FromUnixSeconds(1'760'000'000);

// The keys of the RFCs, and whatever else a test publishes.
class Keys {
 public:
  Keys() {
    const std::string rsa =
        "v=DKIM1; "
        "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
        "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4Ou"
        "KhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB";
    Set("brisbane._domainkey.example.com", rsa);
    Set("brisbane._domainkey.football.example.com",
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    Set("test._domainkey.football.example.com",
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qh"
        "dR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4h"
        "stT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB");
  }
  void Set(const std::string& name, const std::string& record) { records_[name] = {record}; }
  void Set(const std::string& name, std::vector<std::string> records) {
    records_[name] = std::move(records);
  }
  void Fail() { failing_ = true; }
  DkimKeyLookup Lookup() {
    return [this](const DomainName& name) -> absl::StatusOr<std::vector<std::string>> {
      ++lookups;
      if (failing_) return absl::UnavailableError("servfail");
      const auto found = records_.find(name.text());
      return found == records_.end() ? std::vector<std::string>() : found->second;
    };
  }
  int lookups = 0;

 private:
  std::map<std::string, std::vector<std::string>> records_;
  bool failing_ = false;
};

DkimVerification Verify(const std::string& mail, Keys& keys, absl::Time now = kNow) {
  return VerifyDkim(ReadMailFields(mail).value(), keys.Lookup(), now);
}
DkimCheck VerifyOne(const std::string& mail, Keys& keys, absl::Time now = kNow) {
  const DkimVerification got = Verify(mail, keys, now);
  EXPECT_EQ(got.checks.size(), 1u);
  return got.checks.empty() ? DkimCheck() : got.checks[0];
}

// CRLF for LF.
std::string Crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

constexpr char kRfc6376[] =
    "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\n"
    "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\n"
    "      h=Received : From : To : Subject : Date : Message-ID;\n"
    "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
    "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\n"
    "        4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\n"
    "        KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\n"
    "        4bmp/YzhwvcubU4=;\n"
    "Received: from client1.football.example.com  [192.0.2.1]\n"
    "      by submitserver.example.com with SUBMISSION;\n"
    "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\n"
    "From: Joe SixPack <joe@football.example.com>\n"
    "To: Suzie Q <suzie@shopping.example.net>\n"
    "Subject: Is dinner ready?\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
    "\n"
    "Hi.\n"
    "\n"
    "We lost the game. Are you hungry yet?\n"
    "\n"
    "Joe.\n";

constexpr char kRfc8463[] =
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\n"
    " d=football.example.com; i=@football.example.com;\n"
    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\n"
    " subject : date : message-id : from : subject : date;\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
    " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\n"
    " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\n"
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
    " d=football.example.com; i=@football.example.com;\n"
    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\n"
    " date : message-id : from : subject : date;\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
    " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\n"
    " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\n"
    " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\n"
    "From: Joe SixPack <joe@football.example.com>\n"
    "To: Suzie Q <suzie@shopping.example.net>\n"
    "Subject: Is dinner ready?\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
    "\n"
    "Hi.\n"
    "\n"
    "We lost the game.  Are you hungry yet?\n"
    "\n"
    "Joe.\n";

TEST(DkimVectors, Rfc6376AppendixA) {
  Keys keys;
  for (const std::string& mail : {Crlf(kRfc6376), std::string(kRfc6376)}) {
    const DkimCheck check = VerifyOne(mail, keys);
    EXPECT_EQ(check.result, DkimResult::kPass) << check.reason;
    EXPECT_EQ(check.domain, "example.com");
    EXPECT_EQ(check.selector, "brisbane");
    EXPECT_EQ(check.key_bits, 1024);
    EXPECT_TRUE(check.covers_body);
    EXPECT_TRUE(check.covers_identity);
    EXPECT_TRUE(check.covers_content_type);  // there is none
  }
}

TEST(DkimVectors, Rfc8463AppendixA) {
  Keys keys;
  const DkimVerification got = Verify(Crlf(kRfc8463), keys);
  ASSERT_EQ(got.checks.size(), 2u);
  EXPECT_EQ(got.checks[0].result, DkimResult::kPass) << got.checks[0].reason;
  EXPECT_EQ(got.checks[0].algorithm, "ed25519-sha256");
  EXPECT_EQ(got.checks[0].key_bits, 256);
  EXPECT_EQ(got.checks[1].result, DkimResult::kPass) << got.checks[1].reason;
  EXPECT_EQ(got.checks[1].selector, "test");
}

constexpr char kMail[] =
    "Received: from a by b;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n"
    "Received: from c by a\r\n"
    "From: Reports  <dmarc@example.com>\r\n"
    "To: r@example.net\r\n"
    "Subject: Report Domain: example.net\r\n  Submitter: \texample.com \r\n"
    "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain;\r\n\tcharset=us-ascii\r\n"
    "X-Empty:\r\n"
    "\r\n"
    "Hello,  world. \r\n"
    "\r\n"
    "\t second  line\t\r\n"
    "\r\n \r\n\r\n";

TEST(VerifyDkim, TakesEveryCanonicalizationAndAlgorithm) {
  Keys keys;
  keys.Set("rsa._domainkey.example.com", DkimTestKey::Rsa().Record());
  keys.Set("ed._domainkey.example.com", DkimTestKey::Ed25519().Record());
  for (const std::string header : {"simple", "relaxed"}) {
    for (const std::string body : {"simple", "relaxed"}) {
      for (const std::string& text :
           {std::string(kMail), Crlf("From: a@example.com\n\n"), Crlf("From: a@example.com\n")}) {
        DkimSigning signing{.selector = "rsa", .header = header, .body = body};
        std::string mail = DkimSign(text, DkimTestKey::Rsa(), signing);
        signing.selector = "ed";
        mail = DkimSign(mail, DkimTestKey::Ed25519(), signing);
        const DkimVerification got = Verify(mail, keys);
        ASSERT_EQ(got.checks.size(), 2u);
        EXPECT_EQ(got.checks[0].result, DkimResult::kPass) << got.checks[0].reason << mail;
        EXPECT_EQ(got.checks[1].result, DkimResult::kPass) << got.checks[1].reason << mail;
        EXPECT_EQ(got.checks[1].key_bits, 2048);
      }
    }
  }
}

// One mail, signed in one way, seen under one key: everything that may be wrong with it.
struct Case {
  std::string name;
  DkimSigning signing;
  std::string key_tags;  // "t=y; "
  DkimResult want;
  std::string reason;
};
const Case kCases[] = {
    {"Plain", {}, "", DkimResult::kPass, ""},
    {"ServiceEmail", {}, "s=email; ", DkimResult::kPass, ""},
    {"ServiceAll", {}, "s=other:*; ", DkimResult::kPass, ""},
    {"OtherService", {}, "s=other; ", DkimResult::kPermError, "s="},
    {"ServiceTlsReportForMail", {}, "s=tlsrpt; ", DkimResult::kPermError, "s="},
    {"HashAmongOthers", {}, "h=sha1:sha256; ", DkimResult::kPass, ""},
    {"OtherHash", {}, "h=sha1; ", DkimResult::kPermError, "h="},
    {"Testing", {}, "t=y; ", DkimResult::kPolicy, "t=y"},
    {"StrictWithDomain", {.more_tags = "i=a@example.com; "}, "t=s; ", DkimResult::kPass, ""},
    {"StrictWithoutIdentity", {}, "t=s; ", DkimResult::kPass, ""},
    {"StrictWithSubdomain",
     {.more_tags = "i=@a.example.com; "},
     "t=s; ",
     DkimResult::kPermError,
     "t=s"},
    {"Subdomain", {.more_tags = "i=@a.example.com; "}, "", DkimResult::kPass, ""},
    {"IdentityElsewhere",
     {.more_tags = "i=@example.net; "},
     "",
     DkimResult::kPermError,
     "within d="},
    {"Expired", {.more_tags = "x=1759999999; "}, "", DkimResult::kPolicy, "expired"},
    {"ExpiresNow", {.more_tags = "x=1760000000; "}, "", DkimResult::kPass, ""},
    {"SlowClock", {.more_tags = "t=1760040000; "}, "", DkimResult::kPass, ""},
    {"Future", {.more_tags = "t=1760100000; "}, "", DkimResult::kPolicy, "future"},
    {"UnknownTag", {.more_tags = "new=1; "}, "", DkimResult::kPass, ""},
    {"TwiceTheSameTag", {.more_tags = "d=example.com; "}, "", DkimResult::kNeutral, "twice"},
    {"OtherVersion", {.more_tags = "v=2; "}, "", DkimResult::kNeutral, "twice"},
    {"LengthOfNothing", {.body_length = 0}, "", DkimResult::kPass, ""},
    {"LengthOfAPart", {.body_length = 7}, "", DkimResult::kPass, ""},
    {"LengthBeyondTheEnd", {.body_length = 99}, "", DkimResult::kPermError, "larger"},
    {"Repeated",
     {.fields = {"received", "from", "received", "received"}},
     "",
     DkimResult::kPass,
     ""},
    {"Oversigned", {.fields = {"from", "from", "subject", "subject"}}, "", DkimResult::kPass, ""},
    {"NamesItself", {.fields = {"from", "dkim-signature"}}, "", DkimResult::kPass, ""},
};
class VerifyDkimCases : public testing::TestWithParam<Case> {};
TEST_P(VerifyDkimCases, HaveTheirResult) {
  Keys keys;
  keys.Set("s._domainkey.example.com", DkimTestKey::Ed25519().Record(GetParam().key_tags));
  const DkimCheck check =
      VerifyOne(DkimSign(kMail, DkimTestKey::Ed25519(), GetParam().signing), keys);
  EXPECT_EQ(check.result, GetParam().want) << check.reason;
  EXPECT_THAT(check.reason, HasSubstr(GetParam().reason));
  EXPECT_EQ(check.reason.empty(), check.result == DkimResult::kPass);
  EXPECT_EQ(check.domain, GetParam().want == DkimResult::kNeutral ? "" : "example.com");
}
INSTANTIATE_TEST_SUITE_P(All, VerifyDkimCases, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(VerifyDkim, JudgesKeys) {
  const std::string mail = DkimSign(kMail, DkimTestKey::Ed25519(), {});
  const std::string name = "s._domainkey.example.com";
  Keys keys;
  const auto result = [&](std::vector<std::string> records) {
    keys.Set(name, std::move(records));
    return VerifyOne(mail, keys).result;
  };
  const std::string right = DkimTestKey::Ed25519().Record();
  const std::string other = DkimTestKey::Ed25519("other").Record();
  EXPECT_EQ(result({}), DkimResult::kPermError);
  EXPECT_EQ(result({"v=spf1 -all"}), DkimResult::kPermError);
  EXPECT_EQ(result({"v=DKIM1; k=ed25519; p="}), DkimResult::kPermError);
  EXPECT_EQ(result({"v=DKIM1; k=ed25519; p=AAAA"}), DkimResult::kPermError);
  EXPECT_EQ(result({DkimTestKey::Rsa().Record()}), DkimResult::kPermError);
  EXPECT_EQ(result({other}), DkimResult::kFail);
  EXPECT_EQ(result({right}), DkimResult::kPass);
  EXPECT_EQ(result({"v=spf1 -all", other, right}), DkimResult::kPass);
  EXPECT_EQ(result({right, other}), DkimResult::kPass);
  EXPECT_EQ(result({"v=DKIM1; p=", other}), DkimResult::kFail);
  EXPECT_EQ(result({other, other, other, other, right}), DkimResult::kFail);
}

TEST(VerifyDkim, RefusesShortRsaKeys) {
  Keys keys;
  keys.Set("s._domainkey.example.com", DkimTestKey::Rsa(512).Record());
  const std::string mail = DkimSign(kMail, DkimTestKey::Rsa(512), {});
  const DkimCheck check = VerifyOne(mail, keys);
  EXPECT_EQ(check.result, DkimResult::kPolicy);
  EXPECT_EQ(check.key_bits, 512);
  EXPECT_THAT(check.reason, HasSubstr("512 bits"));
  keys.Set("s._domainkey.example.com", DkimTestKey::Rsa(1024).Record());
  EXPECT_EQ(VerifyOne(mail, keys).result, DkimResult::kFail);
  EXPECT_EQ(VerifyOne(DkimSign(kMail, DkimTestKey::Rsa(1024), {}), keys).result, DkimResult::kPass);
}

// RFC 8460 section 3. A stranger can put the field into any mail: it has to be signed.
TEST(VerifyDkim, TakesKeysForTlsReportsWithTlsReportsOnly) {
  Keys keys;
  keys.Set("s._domainkey.example.com", DkimTestKey::Ed25519().Record("s=tlsrpt; "));
  const std::string field = "TLS-Report-Domain: example.net\r\n";
  const std::vector<std::string> signed_fields = {"from", "subject", "date", "tls-report-domain"};
  const DkimCheck good =
      VerifyOne(DkimSign(field + kMail, DkimTestKey::Ed25519(), {.fields = signed_fields}), keys);
  EXPECT_EQ(good.result, DkimResult::kPass);
  EXPECT_TRUE(good.tls_reports_only);
  EXPECT_FALSE(good.key_gone);
  for (const std::string& mail :
       {DkimSign(field + kMail, DkimTestKey::Ed25519(), {}),
        field + DkimSign(kMail, DkimTestKey::Ed25519(), {}),
        DkimSign(kMail, DkimTestKey::Ed25519(), {}),
        DkimSign(kMail, DkimTestKey::Ed25519(), {.fields = signed_fields})}) {
    EXPECT_EQ(VerifyOne(mail, keys).result, DkimResult::kPermError) << mail;
  }
  keys.Set("s._domainkey.example.com", DkimTestKey::Ed25519().Record("s=tlsrpt:email; "));
  EXPECT_FALSE(VerifyOne(DkimSign(kMail, DkimTestKey::Ed25519(), {}), keys).tls_reports_only);
}

TEST(VerifyDkim, SaysWhenTheKeyIsGone) {
  const auto is_gone = [](const std::vector<std::string>& records, const DkimSigning& signing,
                          std::string_view what = "", std::string_view with = "") {
    Keys keys;
    if (!records.empty()) keys.Set("s._domainkey.example.com", records);
    std::string mail = DkimSign(kMail, DkimTestKey::Ed25519(), signing);
    if (!what.empty()) mail.replace(mail.find(what), what.size(), with);
    const DkimCheck check = VerifyOne(mail, keys);
    EXPECT_EQ(check.result, DkimResult::kPermError) << check.reason;
    return check.key_gone;
  };
  const std::string revoked = "v=DKIM1; k=ed25519; p=", good = DkimTestKey::Ed25519().Record();
  EXPECT_TRUE(is_gone({}, {}));
  EXPECT_TRUE(is_gone({revoked}, {}));
  EXPECT_TRUE(is_gone({"v=spf1 -all", revoked}, {}));
  EXPECT_FALSE(is_gone({"v=DKIM1; k=ed25519; p=AAAA"}, {})) << "a damaged key";
  EXPECT_FALSE(is_gone({revoked, DkimTestKey::Ed25519().Record("h=sha1; ")}, {}));
  // The signature is of no use, whatever the key.
  EXPECT_FALSE(is_gone({}, {}, "a=ed25519-sha256", "a=rsa-sha1"));
  EXPECT_FALSE(is_gone({}, {.more_tags = "l=100000; "}));
}

TEST(VerifyDkim, SaysWhenTheKeyIsOutOfReach) {
  Keys keys;
  keys.Fail();
  const std::string mail = DkimSign(kMail, DkimTestKey::Ed25519(), {});
  const DkimCheck check = VerifyOne(mail, keys);
  EXPECT_EQ(check.result, DkimResult::kTempError);
  EXPECT_THAT(check.reason, HasSubstr("servfail"));
  EXPECT_EQ(keys.lookups, 1);
  // What can be told without a key is told.
  EXPECT_EQ(VerifyOne(mail + "more", keys).result, DkimResult::kFail);
  EXPECT_EQ(keys.lookups, 1);
}

TEST(VerifyDkim, LooksAtFiveSignatures) {
  Keys keys;
  keys.Set("s._domainkey.example.com", DkimTestKey::Ed25519().Record());
  std::string mail = kMail;
  for (int i = 0; i < 7; ++i) mail = DkimSign(mail, DkimTestKey::Ed25519(), {});
  const DkimVerification got = Verify(mail, keys);
  EXPECT_EQ(got.signatures, 7u);
  ASSERT_EQ(got.checks.size(), kMaxDkimSignatures);
  for (const DkimCheck& check : got.checks) EXPECT_EQ(check.result, DkimResult::kPass);
  EXPECT_EQ(Verify(kMail, keys).signatures, 0u);
}

TEST(VerifyDkim, SaysWhatIsCovered) {
  Keys keys;
  keys.Set("s._domainkey.example.com", DkimTestKey::Ed25519().Record());
  const auto check = [&](const std::string& mail, const DkimSigning& signing,
                         const std::string& added = "") {
    const DkimCheck got = VerifyOne(added + DkimSign(mail, DkimTestKey::Ed25519(), signing), keys);
    return fmt::format("{}{}{}{}", got.result == DkimResult::kPass ? "pass" : "no",
                       got.covers_body ? " body" : "", got.covers_identity ? " identity" : "",
                       got.covers_content_type ? " type" : "");
  };
  EXPECT_EQ(check(kMail, {}), "pass body identity type");
  EXPECT_EQ(check(kMail, {.body_length = 7}), "pass identity type");
  EXPECT_EQ(check(kMail, {.fields = {"from", "subject", "date"}}), "pass body identity");
  EXPECT_EQ(check(kMail, {.fields = {"from", "date", "content-type"}}), "pass body type");
  EXPECT_EQ(check("From: a@example.com\r\n\r\n", {.fields = {"from"}}), "pass body identity type");
  // Fields that were put above the signed ones.
  EXPECT_EQ(check(kMail, {}, "Subject: x\r\n"), "pass body type");
  EXPECT_EQ(check(kMail, {}, "Date: x\r\n"), "pass body type");
  EXPECT_EQ(check(kMail, {}, "Content-Type: application/zip\r\n"), "pass body identity");
  // M7 reads it where there is no other.
  EXPECT_EQ(check(kMail, {}, "ContentType: application/zip\r\n"), "pass body identity");
  EXPECT_EQ(check(kMail, {.fields = {"from", "subject", "date"}}, "X: y\r\n"),
            "pass body identity");
  EXPECT_EQ(check(kMail, {}, "X: y\r\nFrom : evil@example.net\r\n"), "no body type");
  // Oversigned ones cannot be added.
  EXPECT_EQ(check(kMail, {.fields = {"from", "subject", "subject", "date"}}, "Subject: x\r\n"),
            "no body identity");
}

TEST(VerifyDkim, RefusesASecondFrom) {
  Keys keys;
  keys.Set("s._domainkey.example.com", DkimTestKey::Ed25519().Record());
  const std::string mail = DkimSign(kMail, DkimTestKey::Ed25519(), {});
  const DkimCheck check = VerifyOne("From: a@example.net\r\n" + mail, keys);
  EXPECT_EQ(check.result, DkimResult::kPolicy);
  EXPECT_THAT(check.reason, HasSubstr("From"));
}

TEST(VerifyDkim, LooksPastWhatStandsBeforeTheHeader) {
  Keys keys;
  keys.Set("s._domainkey.example.com", DkimTestKey::Ed25519().Record());
  const std::string mail = DkimSign(kMail, DkimTestKey::Ed25519(), {});
  EXPECT_EQ(VerifyOne("From x@y Mon Jan  1 00:00:00 2024\r\n" + mail, keys).result,
            DkimResult::kPass);
}

// Every octet of a signed mail, changed in every bit: what passes has the same canonical form.
TEST(VerifyDkim, NoChangedOctetPasses) {
  Keys keys;
  keys.Set("s._domainkey.example.com", DkimTestKey::Ed25519().Record());
  size_t refused = 0;
  size_t equal = 0;
  for (const std::string mode : {"simple", "relaxed"}) {
    const DkimSigning signing{.header = mode,
                              .body = mode,
                              .fields = {"received", "received", "from", "to", "subject", "date",
                                         "mime-version", "content-type", "x-empty"}};
    const std::string mail = DkimSign(kMail, DkimTestKey::Ed25519(), signing);
    const auto want = DkimSignedText(mail, 0, signing);
    ASSERT_TRUE(want.has_value());
    for (size_t at = 0; at < mail.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string changed = mail;
        changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
        const DkimVerification got = Verify(changed, keys);
        const bool passes = std::ranges::any_of(
            got.checks, [](const DkimCheck& check) { return check.result == DkimResult::kPass; });
        if (!passes) {
          ++refused;
          continue;
        }
        ++equal;
        ASSERT_EQ(DkimSignedText(changed, 0, signing), want) << mode << " octet " << at;
      }
    }
  }
  EXPECT_GT(refused, 10'000u);
  EXPECT_GT(equal, 100u);  // case of field names, blanks
  std::printf("%zu changes refused, %zu do not change the canonical form\n", refused, equal);
}

TEST(ReadMailFields, StopsAtTheLimits) {
  const MailLimits limits{.header_bytes = 100, .header_lines = 3};
  EXPECT_TRUE(ReadMailFields("A: 1\nB: 2\nC: 3\n\nbody", limits).ok());
  EXPECT_EQ(ReadMailFields("A: 1\nB: 2\nC: 3\nD: 4\n\nbody", limits).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadMailFields("A: " + std::string(200, 'x'), limits).status().code(),
            absl::StatusCode::kResourceExhausted);
  const auto fields = ReadMailFields("\nA: 1\n b\nno field\nbody", limits);
  ASSERT_TRUE(fields.ok());
  ASSERT_EQ(fields->fields.size(), 1u);
  EXPECT_EQ(fields->fields[0].value, " 1\n b");
  EXPECT_EQ(fields->body, "no field\nbody");
}

// Real mail: whether its body is still what was signed can be told without the keys, most of which
// are gone. Some files were edited by those who published them.
TEST(DkimCorpus, BodiesMatchTheirHashes) {
  DMARCATE_CORPUS_OR_SKIP(root, "reports");
  int signatures = 0;
  int matching = 0;
  std::map<std::string, int> reasons;
  Keys keys;
  for (const std::string& path : FilesBelow(root, ".eml")) {
    const std::string mail = testing_support::ReadWholeFile(path);
    const auto fields = ReadMailFields(mail);
    if (!fields.ok()) continue;
    // Without a key a signature whose body hash is right is "there is no key".
    for (const DkimCheck& check : VerifyDkim(*fields, keys.Lookup(), kNow).checks) {
      ++signatures;
      const bool matches = check.reason.starts_with("there is no key");
      matching += matches ? 1 : 0;
      ++reasons[matches ? "body hash matches" : check.reason];
      if (!matches) std::printf("  %s: %s\n", path.c_str(), check.reason.c_str());
    }
  }
  for (const auto& [reason, count] : reasons) std::printf("%3d %s\n", count, reason.c_str());
  EXPECT_GE(signatures, 20);
  EXPECT_GE(matching * 2, signatures);
}

}  // namespace
}  // namespace dmarcate
