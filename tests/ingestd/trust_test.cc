// The cases of safety.md section 3 C as far as trust decides them: forged, borrowed and swapped
// mail reaches no class that it should not.

#include "ingestd/pipeline/trust.h"

#include <functional>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "lib/base/file.h"
#include "lib/mailauth/public_suffix_list.h"

namespace dmarcate {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'200'000);

// A mail that the anchor itself sent, by its signature.
struct Case {
  CarrierEvidence evidence;
  AggregateReport report;

  CarrierAuth& auth() { return *evidence.auth; }
  DkimCheck& signature() { return evidence.auth->dkim.at(0); }
};

DkimCheck Signature(std::string domain) {
  return {.result = DkimResult::kPass,
          .domain = std::move(domain),
          .selector = "s",
          .algorithm = "rsa-sha256",
          .key_bits = 2048,
          .aligned = true,
          .covers_body = true,
          .covers_identity = true,
          .covers_content_type = true};
}

Case Genuine(const std::string& from, const std::string& signed_by,
             const std::string& organization) {
  Case out;
  out.evidence = {.is_mail = true,
                  .auth = CarrierAuth{.from_fields = 1,
                                      .from_address = from,
                                      .from_domain = from.substr(from.find('@') + 1),
                                      .dkim = {Signature(signed_by)},
                                      .signatures = 1,
                                      .dmarc = DmarcResult::kPass},
                  .one_reading = true,
                  .channel = Channel::kSmtp,
                  .received_time = kNow};
  out.report.metadata.org_name = organization;
  out.report.metadata.email = from;
  out.report.metadata.begin = 1'700'000'000;
  out.report.metadata.end = 1'700'086'399;
  out.report.records.emplace_back().count = 7;
  return out;
}

Case Google() { return Genuine("noreply-dmarc-support@google.com", "google.com", "google.com"); }

// What anyone with a domain can send: authenticated as evil.example.
Case Evil() { return Genuine("dmarc@evil.example", "evil.example", "Evil"); }

class Trust : public testing::Test {
 protected:
  TrustVerdict Judge(const Case& c) const {
    return JudgeTrust(c.evidence, c.report, anchors_, *suffixes_, kNow);
  }
  TrustVerdict Judge(Case c, const std::function<void(Case&)>& spoil) const {
    spoil(c);
    return Judge(c);
  }

  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  AnchorList anchors_ = *AnchorList::Parse(ShippedAnchors(), "anchors.toml", *suffixes_);
};

TEST_F(Trust, TheShippedListIsTheOneInDeploy) {
  const auto file = ReadFile("deploy/anchors.toml", 1 << 20);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*file, ShippedAnchors());
}

TEST_F(Trust, EveryAnchorReachesItsClassByItsTripleOnly) {
  ASSERT_GE(anchors_.anchors().size(), 6u);
  for (const Anchor& anchor : anchors_.anchors()) {
    for (const std::string& signed_by : anchor.signed_by) {
      for (const std::string& organization : anchor.organizations) {
        const Case genuine = Genuine(anchor.from, signed_by, organization);
        const TrustVerdict verdict = Judge(genuine);
        EXPECT_EQ(verdict.trust, TrustClass::kAnchored) << anchor.from << ": " << verdict.detail;
        EXPECT_EQ(verdict.reporter, anchor.organizational_domain.text());
      }
    }
  }
}

// "A mailbox user of an anchor provider": everything is right but the address before the @.
TEST_F(Trust, AMailboxUserOfAnAnchorIsAtMostAuthenticated) {
  const std::vector<std::string> names = {"alice",
                                          "dmarc",
                                          "postmaster",
                                          "noreply",
                                          "abuse",
                                          "noreply-dmarc-support.",
                                          "NOREPLY-DMARC-SUPPORT",
                                          "noreply-dmarc-support+x",
                                          "dmarcreport1",
                                          "dmarc_support"};
  int crafted = 0;
  for (const Anchor& anchor : anchors_.anchors()) {
    const std::string domain = anchor.from.substr(anchor.from.find('@') + 1);
    for (const std::string& name : names) {
      for (const std::string& organization :
           {anchor.organizations[0], anchor.name, std::string("user"), std::string()}) {
        for (const bool own_email : {true, false}) {
          Case c = Genuine(name + "@" + domain, anchor.signed_by[0], organization);
          if (c.auth().from_address == anchor.from) continue;
          if (!own_email) c.report.metadata.email = anchor.from;
          ++crafted;
          EXPECT_NE(Judge(c).trust, TrustClass::kAnchored) << c.auth().from_address;
          // From the provider's other domains.
          c.auth().from_domain = domain.substr(domain.find('.') + 1);
          c.auth().from_address = name + "@" + c.auth().from_domain;
          EXPECT_NE(Judge(c).trust, TrustClass::kAnchored) << c.auth().from_address;
        }
      }
    }
  }
  EXPECT_GE(crafted, 50 * static_cast<int>(anchors_.anchors().size()));
}

TEST_F(Trust, TheOtherTwoOfTheTripleMustFitAsWell) {
  for (const char* organization :
       {"Google", "google.com.", "GOOGLE.COM", "google", "google.com x"}) {
    EXPECT_NE(Judge(Google(), [&](Case& c) { c.report.metadata.org_name = organization; }).trust,
              TrustClass::kAnchored)
        << organization;
  }
  for (const char* signed_by : {"mail.google.com", "gmail.com", "evil.example"}) {
    EXPECT_NE(Judge(Google(), [&](Case& c) { c.signature().domain = signed_by; }).trust,
              TrustClass::kAnchored)
        << signed_by;
  }
}

TEST_F(Trust, AnyonesFakeIsUnverified) {
  struct {
    const char* reason;
    std::function<void(Case&)> spoil;
  } const cases[] = {
      {"not_signed", [](Case& c) { c.evidence.auth.reset(); }},
      {"not_signed", [](Case& c) { c.auth().dkim.clear(), c.auth().signatures = 0; }},
      {"from_not_single", [](Case& c) { c.auth().from_fields = 2; }},
      {"from_not_single", [](Case& c) { c.auth().from_fields = 0; }},
      {"from_not_single", [](Case& c) { c.auth().from_domain.clear(); }},
      {"signature_failed", [](Case& c) { c.signature().result = DkimResult::kFail; }},
      {"signature_failed", [](Case& c) { c.signature().result = DkimResult::kNeutral; }},
      {"signature_failed", [](Case& c) { c.signature().result = DkimResult::kTempError; }},
      // A weak key, an expired signature.
      {"signature_refused", [](Case& c) { c.signature().result = DkimResult::kPolicy; }},
      // rsa-sha1, a tag that is missing, a key that is damaged.
      {"signature_failed",
       [](Case& c) { c.signature().result = DkimResult::kPermError, c.signature().key_bits = 0; }},
      // An old key.
      {"key_gone",
       [](Case& c) {
         c.signature().result = DkimResult::kPermError, c.signature().key_gone = true;
       }},
      {"signature_refused", [](Case& c) { c.signature().tls_reports_only = true; }},
      // l=
      {"signature_partial", [](Case& c) { c.signature().covers_body = false; }},
      // An extra From, Subject or Date can be put in front of it.
      {"signature_partial", [](Case& c) { c.signature().covers_identity = false; }},
      {"not_aligned",
       [](Case& c) { c.signature().aligned = false, c.signature().domain = "evil.example"; }},
      {"not_aligned",
       [](Case& c) {
         c.auth().dkim.clear();
         c.auth().spf = {SpfResult::kPass, "evil.example", false};
       }},
      {"dmarc_failed", [](Case& c) { c.auth().dmarc = DmarcResult::kFail; }},
      {"dmarc_failed", [](Case& c) { c.auth().dmarc = DmarcResult::kPermError; }},
      {"dns_unreachable",
       [](Case& c) { c.signature().result = DkimResult::kTempError, c.auth().unreachable = true; }},
      {"not_mail", [](Case& c) { c.evidence.is_mail = false, c.evidence.auth.reset(); }},
  };
  for (const Channel channel :
       {Channel::kSmtp, Channel::kLmtp, Channel::kImap, Channel::kMaildir, Channel::kUnspecified}) {
    for (const auto& test : cases) {
      Case c = Google();
      test.spoil(c);
      c.evidence.channel = channel;
      const TrustVerdict verdict = Judge(c);
      EXPECT_EQ(verdict.trust, TrustClass::kUnverified) << test.reason;
      EXPECT_EQ(TrustReasonName(verdict.reason), test.reason) << verdict.detail;
      EXPECT_FALSE(verdict.detail.empty());
    }
  }
}

// The operator who hands a file in vouches for it, but it is no proof.
TEST_F(Trust, WhatIsHandedInIsImportedUnlessItsMailVerifies) {
  for (const Channel channel : {Channel::kUpload, Channel::kImport}) {
    const auto judge = [&](const std::function<void(Case&)>& spoil) {
      return Judge(Google(), [&](Case& c) { spoil(c), c.evidence.channel = channel; }).trust;
    };
    EXPECT_EQ(judge([](Case&) {}), TrustClass::kAnchored);
    EXPECT_EQ(judge([](Case& c) { c.auth().from_address = "x@google.com"; }),
              TrustClass::kAuthenticated);
    EXPECT_EQ(judge([](Case& c) { c.evidence.is_mail = false, c.evidence.auth.reset(); }),
              TrustClass::kImported);
    EXPECT_EQ(judge([](Case& c) { c.signature().result = DkimResult::kFail; }),
              TrustClass::kImported);
    EXPECT_EQ(judge([](Case& c) { c.signature().result = DkimResult::kPermError; }),
              TrustClass::kImported);
    // A verified lie stays one.
    EXPECT_EQ(judge([](Case& c) { c.report.metadata.email = "x@evil.example"; }),
              TrustClass::kQuarantined);
  }
}

// Old by the mailbox's clock, never by the Date that a sender writes.
TEST_F(Trust, OnlyAMailboxKnowsThatMailIsOld) {
  const auto judge = [&](Channel channel, absl::Duration age, const std::function<void(Case&)>& f) {
    return Judge(Google(),
                 [&](Case& c) {
                   c.signature().result = DkimResult::kPermError;
                   c.signature().key_bits = 0;
                   c.signature().key_gone = true;
                   c.evidence.channel = channel;
                   c.evidence.received_time = kNow - age;
                   f(c);
                 })
        .trust;
  };
  const auto as_is = [](Case&) {};
  const absl::Duration old = absl::Hours(24 * 8), young = absl::Hours(24 * 6);
  EXPECT_EQ(judge(Channel::kMaildir, old, as_is), TrustClass::kImported);
  EXPECT_EQ(judge(Channel::kImap, old, as_is), TrustClass::kImported);
  EXPECT_EQ(judge(Channel::kMaildir, young, as_is), TrustClass::kUnverified);
  EXPECT_EQ(judge(Channel::kSmtp, old, as_is), TrustClass::kUnverified);
  EXPECT_EQ(judge(Channel::kLmtp, old, as_is), TrustClass::kUnverified);
  EXPECT_EQ(
      judge(Channel::kMaildir, old, [](Case& c) { c.signature().result = DkimResult::kFail; }),
      TrustClass::kUnverified);
  EXPECT_EQ(judge(Channel::kMaildir, old, [](Case& c) { c.signature().aligned = false; }),
            TrustClass::kUnverified);
  // What nobody could ever verify has not outlived its key.
  EXPECT_EQ(judge(Channel::kMaildir, old, [](Case& c) { c.signature().key_gone = false; }),
            TrustClass::kUnverified);
}

// Who holds one speaks for the domain about TLS, not about its mail.
TEST_F(Trust, AKeyForTlsReportsVouchesForTlsReportsOnly) {
  Case c = Google();
  c.signature().tls_reports_only = true;
  const auto of_mail = [&] {
    return JudgeMail(c.evidence, c.report.metadata, *suffixes_, kNow).trust;
  };
  EXPECT_EQ(Judge(c).trust, TrustClass::kUnverified);
  EXPECT_EQ(of_mail(), TrustClass::kUnverified) << "a failure report";
  EXPECT_FALSE(NeedsReading(c.auth()));
  c.evidence.is_tls_report = true;
  EXPECT_EQ(of_mail(), TrustClass::kAuthenticated);
  c.signature().covers_content_type = false;
  EXPECT_TRUE(NeedsReading(c.auth()));
  c.evidence.one_reading = false;
  EXPECT_EQ(of_mail(), TrustClass::kUnverified);
}

// An answer or a bounce of an anchor's address encloses what somebody wrote to it.
TEST_F(Trust, WhatAnAnchorsMailEnclosesIsNotTheAnchors) {
  const TrustVerdict verdict = Judge(Google(), [](Case& c) { c.evidence.is_enclosed = true; });
  EXPECT_EQ(verdict.trust, TrustClass::kAuthenticated);
  EXPECT_EQ(verdict.reason, TrustReason::kEnclosed);
}

TEST_F(Trust, SpfAloneNeverAnchors) {
  const auto by_spf = [](Case& c) {
    c.auth().dkim.clear();
    c.auth().spf = {SpfResult::kPass, "google.com", true};
  };
  EXPECT_EQ(Judge(Google(), by_spf).trust, TrustClass::kAuthenticated);
  // Nor does it lift a signature that covers too little.
  EXPECT_EQ(Judge(Google(),
                  [](Case& c) {
                    c.signature().covers_body = false;
                    c.auth().spf = {SpfResult::kPass, "google.com", true};
                  })
                .trust,
            TrustClass::kAuthenticated);
}

TEST_F(Trust, WithoutAPolicyAnAlignedPassAuthenticatesAndNoMore) {
  const auto no_policy = [](Case& c) { c.auth().dmarc = DmarcResult::kNone; };
  EXPECT_EQ(Judge(Google(), no_policy).trust, TrustClass::kAuthenticated);
  EXPECT_EQ(Judge(Evil(), no_policy).trust, TrustClass::kAuthenticated);
}

TEST_F(Trust, UnsignedContentTypeNeedsOneReading) {
  const auto swapped = [](Case& c) {
    c.signature().covers_content_type = false;
    c.evidence.one_reading = false;
  };
  TrustVerdict verdict = Judge(Google(), swapped);
  EXPECT_EQ(verdict.trust, TrustClass::kQuarantined);
  EXPECT_EQ(verdict.reason, TrustReason::kContentAmbiguous);
  EXPECT_EQ(verdict.reporter, "google.com");
  EXPECT_EQ(Judge(Google(), [](Case& c) { c.signature().covers_content_type = false; }).trust,
            TrustClass::kAnchored);
  // SPF says that the host is the sender's; the anchor's signature stays out of it.
  verdict = Judge(Google(), [&](Case& c) {
    swapped(c);
    c.auth().spf = {SpfResult::kPass, "google.com", true};
  });
  EXPECT_EQ(verdict.trust, TrustClass::kAuthenticated);
}

TEST_F(Trust, OfSeveralSignaturesTheBestCounts) {
  EXPECT_EQ(Judge(Google(),
                  [](Case& c) {
                    DkimCheck broken = c.signature();
                    broken.result = DkimResult::kFail;
                    DkimCheck foreign = Signature("evil.example");
                    foreign.aligned = false;
                    c.auth().dkim.insert(c.auth().dkim.begin(), {broken, foreign});
                  })
                .trust,
            TrustClass::kAnchored);
  // Each must be whole by itself: two halves do not add up.
  EXPECT_EQ(Judge(Google(),
                  [](Case& c) {
                    DkimCheck half = c.signature();
                    half.covers_identity = false;
                    c.signature().covers_body = false;
                    c.auth().dkim.push_back(half);
                  })
                .trust,
            TrustClass::kUnverified);
}

TEST_F(Trust, NeedsReadingOnlyWhereTheBestSignatureLeavesItOpen) {
  Case c = Google();
  EXPECT_FALSE(NeedsReading(c.auth()));
  c.signature().covers_content_type = false;
  EXPECT_TRUE(NeedsReading(c.auth()));
  c.auth().dkim.push_back(Signature("google.com"));
  EXPECT_FALSE(NeedsReading(c.auth()));
  c.auth().dkim = {c.signature()};
  c.signature().result = DkimResult::kFail;
  EXPECT_FALSE(NeedsReading(c.auth()));
}

// Ways to write a big provider's name, by somebody authenticated as another domain.
std::vector<std::string> NamesLike(const std::string& name) {
  static const std::vector<std::pair<std::string, std::vector<std::string>>> kLike = {
      {"a", {"\u0430", "\u0251", "4", "\u00e0"}},
      {"c", {"\u0441"}},
      {"e", {"\u0435", "3", "\u00e9"}},
      {"g", {"\u0261", "q", "9"}},
      {"i", {"\u0456", "1", "l"}},
      {"l", {"1", "I", "\u04cf"}},
      {"m", {"rn", "\u043c"}},
      {"o", {"0", "\u043e", "\u03bf", "\u00f6"}},
      {"u", {"\u057d", "v"}},
      {"y", {"\u0443"}},
      {".", {"\u3002", "\uff0e", ",", "-"}}};
  std::vector<std::string> out = {name,           name + ".",       " " + name,
                                  name + " ",     "<" + name + ">", name + ".evil.example",
                                  "mail." + name, name + "\u200b",  "\u202e" + name,
                                  "x" + name,     name + "s",       "The " + name};
  std::string upper = name;
  for (char& letter : upper) letter = static_cast<char>(std::toupper(letter));
  out.push_back(upper);
  for (const auto& [plain, likes] : kLike) {
    for (size_t at = name.find(plain); at != std::string::npos; at = name.find(plain, at + 1)) {
      for (const std::string& like : likes) {
        out.push_back(name.substr(0, at) + like + name.substr(at + 1));
      }
    }
  }
  return out;
}

TEST_F(Trust, WhoClaimsToBeABigProviderIsNeverAnchored) {
  int variants = 0;
  for (const Anchor& anchor : anchors_.anchors()) {
    std::vector<std::string> names = anchor.organizations;
    names.push_back(anchor.name);
    names.push_back(anchor.organizational_domain.text());
    for (const std::string& name : names) {
      for (const std::string& like : NamesLike(name)) {
        ++variants;
        for (const bool mailbox : {false, true}) {
          Case c = Evil();
          c.report.metadata.org_name = like;
          if (mailbox) c.report.metadata.email = "dmarc@" + like;
          const TrustVerdict verdict = Judge(c);
          EXPECT_TRUE(verdict.trust == TrustClass::kAuthenticated ||
                      verdict.trust == TrustClass::kQuarantined)
              << like;
          // However it calls itself, it is listed as who it is.
          EXPECT_EQ(verdict.reporter, "evil.example") << like;
          if (mailbox && like.find("evil.example") == std::string::npos) {
            EXPECT_EQ(verdict.trust, TrustClass::kQuarantined) << like;
          }
        }
        // As From, signed by a domain of that look.
        const Case lookalike = Genuine("noreply@" + like, like, anchor.organizations[0]);
        EXPECT_NE(Judge(lookalike).trust, TrustClass::kAnchored) << like;
      }
      // The name itself is no stranger's to use.
      EXPECT_EQ(Judge(Evil(), [&](Case& c) { c.report.metadata.org_name = name; }).trust,
                TrustClass::kQuarantined)
          << name;
    }
  }
  EXPECT_GE(variants, 200);
}

TEST_F(Trust, WhatTheReportSaysMustFitWhoSentIt) {
  const auto claims = [&](const std::function<void(Case&)>& spoil) {
    const TrustVerdict verdict = Judge(Evil(), spoil);
    EXPECT_EQ(verdict.reporter, "evil.example");
    return verdict.trust == TrustClass::kQuarantined ? TrustReasonName(verdict.reason) : "";
  };
  EXPECT_EQ(claims([](Case&) {}), "");
  EXPECT_EQ(claims([](Case& c) { c.report.metadata.email = "r@sub.evil.example"; }), "");
  EXPECT_EQ(claims([](Case& c) { c.report.metadata.email = ""; }), "");
  EXPECT_EQ(claims([](Case& c) { c.report.metadata.email = "r@other.example"; }),
            "identity_mismatch");
  EXPECT_EQ(claims([](Case& c) { c.report.metadata.email = "r@"; }), "identity_mismatch");
  EXPECT_EQ(claims([](Case& c) { c.report.metadata.org_name = "YAHOO INC"; }), "anchor_claimed");
  EXPECT_EQ(claims([](Case& c) { c.evidence.file_name = "google.com!a.test!1!2.zip"; }),
            "anchor_claimed");
  EXPECT_EQ(claims([](Case& c) { c.evidence.file_name = "x/mail.yahoo.com!a.test!1!2!3.gz"; }),
            "anchor_claimed");
  EXPECT_EQ(claims([](Case& c) {
              c.evidence.subject =
                  "Report Domain: a.test Submitter: protection.outlook.com "
                  "Report-ID: 1";
            }),
            "anchor_claimed");
  // Appliances name their customer; that is no anchor's business.
  EXPECT_EQ(claims([](Case& c) {
              c.report.metadata.org_name = "customer.example";
              c.evidence.file_name = "customer.example!a.test!1!2.zip";
            }),
            "");
}

TEST_F(Trust, KnownExceptionsMayReportAsAnother) {
  Case c = Genuine("dmarcreport@microsoft.com", "notification.microsoft.com", "Outlook.com");
  c.evidence.file_name = "protection.outlook.com!a.test!1666483200!1666569600.xml.gz";
  c.evidence.subject = "Report Domain: a.test Submitter: protection.outlook.com Report-ID: 1";
  EXPECT_EQ(Judge(c).trust, TrustClass::kAnchored);
  Case hosted = Genuine("r@hosting.example", "hosting.example", "Customer");
  hosted.report.metadata.email = "r@customer.example";
  EXPECT_EQ(Judge(hosted).trust, TrustClass::kQuarantined);
  const auto with_exception = AnchorList::Parse(
      "[[exception]]\nauthenticated = \"hosting.example\"\nclaims = [\"customer.example\"]\n",
      "test", *suffixes_);
  ASSERT_TRUE(with_exception.ok()) << with_exception.status();
  EXPECT_EQ(JudgeTrust(hosted.evidence, hosted.report, *with_exception, *suffixes_, kNow).trust,
            TrustClass::kAuthenticated);
}

TEST_F(Trust, ImpossibleCountsAreQuarantinedWhoeverSaysThem) {
  const std::function<void(Case&)> absurd[] = {
      [](Case& c) { c.report.records[0].count = kMaxRecordMessages + 1; },
      [](Case& c) { c.report.records[0].count = UINT64_MAX; },
      [](Case& c) {
        AggregateRecord record;
        record.count = kMaxRecordMessages;
        c.report.records.assign(101, record);
      },
  };
  for (const auto& spoil : absurd) {
    for (const auto& origin : std::vector<std::function<void(Case&)>>{
             [](Case&) {}, [](Case& c) { c.evidence.auth.reset(); },
             [](Case& c) { c.evidence.auth.reset(), c.evidence.channel = Channel::kImport; }}) {
      const TrustVerdict verdict = Judge(Google(), [&](Case& c) { spoil(c), origin(c); });
      EXPECT_EQ(verdict.trust, TrustClass::kQuarantined);
      EXPECT_EQ(verdict.reason, TrustReason::kImpossibleCount);
    }
    Case c = Google();
    spoil(c);
    EXPECT_EQ(JudgeUnverified(c.report, *suffixes_).trust, TrustClass::kQuarantined);
  }
  EXPECT_EQ(Judge(Google(), [](Case& c) { c.report.records[0].count = kMaxRecordMessages; }).trust,
            TrustClass::kAnchored);
  EXPECT_EQ(JudgeUnverified(Google().report, *suffixes_).trust, TrustClass::kImported);
}

TEST_F(Trust, AnUnusualPeriodDoesNotAnchor) {
  const auto lasting = [&](int64_t seconds) {
    return Judge(Google(),
                 [&](Case& c) { c.report.metadata.end = c.report.metadata.begin + seconds; })
        .trust;
  };
  EXPECT_EQ(lasting(0), TrustClass::kAuthenticated);
  EXPECT_EQ(lasting(59), TrustClass::kAuthenticated);
  EXPECT_EQ(lasting(60), TrustClass::kAnchored);
  EXPECT_EQ(lasting(35 * 86'400), TrustClass::kAnchored);
  EXPECT_EQ(lasting(35 * 86'400 + 1), TrustClass::kAuthenticated);
}

TEST_F(Trust, AnchorListsAreStrict) {
  const auto message = [&](std::string_view text) {
    const auto list = AnchorList::Parse(text, "list", *suffixes_);
    return list.ok() ? std::string("ok") : std::string(list.status().message());
  };
  EXPECT_EQ(message(""), "ok");
  const std::string good =
      "[[anchor]]\nname = \"A\"\nfrom = \"r@a.example\"\nsigned_by = [\"m.a.example\"]\n"
      "organizations = [\"A\"]\n";
  EXPECT_EQ(message(good), "ok");
  EXPECT_NE(message(good + good).find("twice"), std::string::npos);
  EXPECT_NE(message(good + "form = 1\n").find("form"), std::string::npos);
  EXPECT_NE(message("[[anchor]]\nname = \"A\"\nfrom = \"a.example\"\n").find("From address"),
            std::string::npos);
  EXPECT_NE(message("[[anchor]]\nname = \"A\"\nfrom = \"r@a.example\"\nsigned_by = "
                    "[\"b.example\"]\norganizations = [\"A\"]\n")
                .find("not aligned"),
            std::string::npos);
}

}  // namespace
}  // namespace dmarcate
