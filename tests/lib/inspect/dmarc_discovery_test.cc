#include "lib/inspect/dmarc_discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/dns/fake_resolver.h"
#include "tests/lib/mailauth/corpus.h"

namespace dmarcate {
namespace {

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

class DmarcDiscoveryTest : public testing::Test {
 protected:
  void Txt(std::string_view name, const std::vector<std::string>& texts) {
    dns_.SetTxt(Name(name), texts);
  }
  DmarcDiscovery Discover(std::string_view name) {
    auto discovery = DiscoverDmarc(Name(name), dns_);
    EXPECT_TRUE(discovery.ok()) << discovery.status();
    return *std::move(discovery);
  }
  FakeResolver dns_;
};

TEST_F(DmarcDiscoveryTest, OwnRecordWins) {
  Txt("_dmarc.mail.example.com", {"v=DMARC1; p=quarantine", "unrelated"});
  Txt("_dmarc.example.com", {"v=DMARC1; p=reject"});
  const DmarcDiscovery found = Discover("mail.example.com");
  EXPECT_EQ(found.policy_domain, Name("mail.example.com"));
  EXPECT_EQ(found.organizational_domain, Name("example.com"));
  EXPECT_EQ(found.subject, DmarcSubject::kDomain);
  EXPECT_EQ(found.ttl_seconds, 300u);
}

TEST_F(DmarcDiscoveryTest, ARecordBetweenIsNotUsed) {
  Txt("_dmarc.b.example.com", {"v=DMARC1; p=quarantine"});
  Txt("_dmarc.example.com", {"v=DMARC1; p=reject; sp=none"});
  dns_.SetA(Name("a.b.example.com"), {"192.0.2.1"});
  const DmarcDiscovery found = Discover("a.b.example.com");
  EXPECT_EQ(found.policy_domain, Name("example.com"));
  EXPECT_EQ(found.subject, DmarcSubject::kSubdomain);
}

TEST_F(DmarcDiscoveryTest, OnlyNxdomainIsNonExistent) {
  Txt("_dmarc.example.com", {"v=DMARC1; p=reject; sp=none; np=reject"});
  Txt("x.sub.example.com", {"makes sub an empty non-terminal"});
  EXPECT_EQ(Discover("ghost.example.com").subject, DmarcSubject::kNonExistent);
  EXPECT_EQ(Discover("sub.example.com").subject, DmarcSubject::kSubdomain);
}

TEST_F(DmarcDiscoveryTest, TwoRecordsAreNone) {
  Txt("_dmarc.example.com", {"v=DMARC1; p=reject", "v=DMARC1; p=none"});
  const DmarcDiscovery found = Discover("example.com");
  EXPECT_FALSE(found.record.has_value());
  EXPECT_EQ(found.organizational_domain, Name("example.com"));
}

TEST_F(DmarcDiscoveryTest, ThePublicSuffixDomainServesThoseWithoutRecord) {
  Txt("_dmarc.bank", {"v=DMARC1; p=reject; psd=y"});
  const DmarcDiscovery found = Discover("a.mega.bank");
  EXPECT_EQ(found.organizational_domain, Name("mega.bank"));
  EXPECT_EQ(found.policy_domain, Name("bank"));
}

TEST_F(DmarcDiscoveryTest, AliasesAreFollowedAndShown) {
  dns_.SetCname(Name("_dmarc.example.com"), Name("example.com.vendor.test"));
  Txt("example.com.vendor.test", {"v=DMARC1; p=reject"});
  const DmarcDiscovery found = Discover("example.com");
  EXPECT_EQ(found.policy_domain, Name("example.com"));
  EXPECT_EQ(found.cname_chain, std::vector<DomainName>{Name("example.com.vendor.test")});
}

TEST_F(DmarcDiscoveryTest, AFailureLeavesItUndetermined) {
  Txt("_dmarc.example.com", {"v=DMARC1; p=reject"});
  dns_.Fail(Name("_dmarc.a.example.com"), RrType::kTxt, absl::UnavailableError("SERVFAIL"));
  EXPECT_EQ(DiscoverDmarc(Name("a.example.com"), dns_).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(DmarcDiscoveryTest, OutsideDestinationsAreChecked) {
  Txt("_dmarc.example.com",
      {"v=DMARC1; p=none; rua=mailto:a@example.com,mailto:a@sub.example.com,mailto:a@good.test,"
       "mailto:a@bad.test,mailto:a@slow.test,mailto:a@moved.test,https:x; ruf=mailto:b@good.test"});
  Txt("example.com._report._dmarc.good.test", {"v=DMARC1"});
  Txt("example.com._report._dmarc.moved.test", {"v=DMARC1; rua=mailto:x@third.test"});
  dns_.Fail(Name("example.com._report._dmarc.slow.test"), RrType::kTxt,
            absl::DeadlineExceededError("timeout"));
  const DmarcDiscovery found = Discover("example.com");
  std::vector<std::string> got;
  for (const ReportDestination& one : found.destinations) {
    got.push_back(one.uri.host + " " + std::string(ToString(one.authorization)));
  }
  EXPECT_EQ(got, (std::vector<std::string>{"example.com not-needed", "sub.example.com not-needed",
                                           "good.test authorized", "bad.test unauthorized",
                                           "slow.test unknown", "moved.test unauthorized",
                                           " unknown", "good.test authorized"}));
  EXPECT_EQ(found.destinations[3].query_name, "example.com._report._dmarc.bad.test");
}

TEST_F(DmarcDiscoveryTest, OutsideHostsAreLimited) {
  std::string rua = "mailto:a@h0.test";
  for (int i = 1; i < 30; ++i) rua += ",mailto:a@h" + std::to_string(i) + ".test";
  Txt("_dmarc.example.com", {"v=DMARC1; p=none; rua=" + rua});
  const DmarcDiscovery found = Discover("example.com");
  ASSERT_EQ(found.destinations.size(), 30u);
  EXPECT_EQ(found.destinations[9].authorization, ReportAuthorization::kUnauthorized);
  EXPECT_EQ(found.destinations[10].authorization, ReportAuthorization::kUnknown);
  EXPECT_EQ(dns_.queries().size(), 12u);
}

TEST_F(DmarcDiscoveryTest, InsideHostsAreLimited) {
  std::string rua = "mailto:a@h0.example.com";
  for (int i = 1; i < 30; ++i) rua += ",mailto:a@h" + std::to_string(i) + ".example.com";
  Txt("_dmarc.example.com", {"v=DMARC1; p=none; rua=" + rua});
  const DmarcDiscovery found = Discover("example.com");
  ASSERT_EQ(found.destinations.size(), 30u);
  EXPECT_EQ(found.destinations[9].authorization, ReportAuthorization::kNotNeeded);
  EXPECT_EQ(found.destinations[10].authorization, ReportAuthorization::kUnknown);
  EXPECT_FALSE(found.destinations[10].error.empty());
}

TEST_F(DmarcDiscoveryTest, APsdNoBelowPartsTheOrganization) {
  Txt("_dmarc.example.com", {"v=DMARC1; p=none; rua=mailto:a@own.example.com"});
  Txt("_dmarc.own.example.com", {"v=DMARC1; p=none; psd=n"});
  EXPECT_EQ(Discover("example.com").destinations[0].authorization,
            ReportAuthorization::kUnauthorized);
}

// The corpus, for whole discoveries and for destinations.
class DiscoveryCorpus : public testing::Test {
 protected:
  static void FillDns(const nlohmann::json& line, FakeResolver& dns) {
    if (line.contains("dns")) {
      for (const auto& [owner, texts] : line["dns"].items()) {
        dns.SetTxt(Name(owner), texts.get<std::vector<std::string>>());
      }
    }
    if (line.contains("exists")) {
      for (const std::string name : line["exists"]) dns.SetA(Name(name), {"192.0.2.1"});
    }
  }

  static void CheckDiscovery(const nlohmann::json& line, const char* author, FakeResolver& dns) {
    const auto found = DiscoverDmarc(Name(line[author].get<std::string>()), dns);
    ASSERT_TRUE(found.ok()) << line;
    if (line.contains("org_domain")) {
      EXPECT_EQ(found->organizational_domain.text(), line["org_domain"]) << line;
    }
    // disc-022: what the peer calls malformed is a record to RFC 9989, the tag is dropped.
    if (line.contains("policy_domain")) {
      nlohmann::json policy_domain;
      if (found->policy_domain.has_value()) policy_domain = found->policy_domain->text();
      EXPECT_EQ(policy_domain, line["id"] == "disc-022" ? nlohmann::json("malformed.example")
                                                        : line["policy_domain"])
          << line;
    }
    if (line.contains("policy")) {
      nlohmann::json policy;
      if (found->record.has_value()) {
        policy =
            ToString(found->record->Verdict(DmarcStandard::kRfc9989).Requested(found->subject));
      }
      EXPECT_EQ(policy, line["policy"]) << line;
    }
  }

  static void CheckHosts(const nlohmann::json& line, FakeResolver& dns) {
    const DomainName policy_domain = Name(line["policy_domain"].get<std::string>());
    std::vector<std::string> rua;
    if (line.contains("rua")) rua = line["rua"].get<std::vector<std::string>>();
    if (line.contains("destination_host")) {
      rua = {"mailto:a@" + line["destination_host"].get<std::string>()};
    }
    std::vector<std::string> allowed;
    for (const std::string& uri : rua) {
      const auto parsed = ParseDmarcUris(uri, DmarcStandard::kRfc9989).value();
      const auto checked = CheckDestinations(policy_domain, policy_domain, parsed, dns);
      if (line.contains("query")) {
        EXPECT_EQ(checked[0].query_name, line["query"]) << line;
      }
      if (checked[0].authorization != ReportAuthorization::kUnauthorized) allowed.push_back(uri);
    }
    if (line.contains("authorized")) {
      // disc-030: "bogus" is no tag, for which the peer refuses the record. RFC 9990 section 4 asks
      // for the version first, and RFC 9989 section 4.7 drops what is no tag: authorized.
      const bool want = line["authorized"].is_null() || line["authorized"].get<bool>();
      EXPECT_EQ(!allowed.empty(), want) << line;
    }
    if (line.contains("allowed")) {
      EXPECT_EQ(nlohmann::json(allowed), line["allowed"]) << line;
    }
  }
};
TEST_F(DiscoveryCorpus, FindsPolicyAndDestinations) {
  const auto cases = ReadCorpusLines("dns-records/dmarc-discovery.jsonl");
  if (cases.empty()) GTEST_SKIP() << "no corpus";
  for (const auto& line : cases) {
    FakeResolver dns;
    FillDns(line, dns);
    if (line.contains("author_domain")) {
      CheckDiscovery(line, "author_domain", dns);
    } else if (line.contains("start")) {
      CheckDiscovery(line, "start", dns);
    } else {
      ASSERT_TRUE(line.contains("destination_host") || line.contains("rua")) << line;
      CheckHosts(line, dns);
    }
  }
  EXPECT_EQ(cases.size(), 32u);
}

}  // namespace
}  // namespace dmarcate
