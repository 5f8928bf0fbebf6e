// What a domain's own DNS declares, over SPF trees of a DNS in memory.

#include "policyd/analysis/declared.h"

#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/dns/fake_resolver.h"

namespace dmarcate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Texts = std::vector<std::string>;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

// "ID: VALUE, VALUE".
Texts Declared(const DeclaredFacts& facts, const Catalogue& catalogue = Catalogue::Default()) {
  Texts out;
  for (const DeclaredSource& source : DeclaredBy(facts, "example.com", catalogue)) {
    Texts values;
    for (const Declaration& declaration : source.declarations) values.push_back(declaration.value);
    out.push_back(fmt::format("{}: {}", source.id, Join(values, ", ")));
  }
  return out;
}

class DeclaredBySpf : public testing::Test {
 protected:
  DeclaredBySpf() {
    resolver_.SetTxt(Name("_spf.google.com"), {"v=spf1 include:_netblocks.google.com ~all"});
    resolver_.SetTxt(Name("_netblocks.google.com"), {"v=spf1 ip4:203.0.113.0/24 ~all"});
    // Zendesk's record may say whatever it likes: it is Zendesk's.
    resolver_.SetTxt(Name("mail.zendesk.com"), {"v=spf1 include:sendgrid.net ip4:192.0.2.9 ~all"});
    resolver_.SetTxt(Name("sendgrid.net"), {"v=spf1 ip4:198.51.100.0/24 ~all"});
    resolver_.SetTxt(Name("all.example.com"),
                     {"v=spf1 include:sendgrid.net ip4:192.0.2.44 include:gone.test ?all"});
  }
  Texts By(const std::string& record) {
    const auto tree = ExpandSpfText(Name("example.com"), record, resolver_, clock_);
    EXPECT_TRUE(tree.ok()) << tree.status();
    return tree.ok() ? Declared({.spf = MentionsIn(*tree)}) : Texts();
  }

  FakeClock clock_{absl::UnixEpoch()};
  FakeResolver resolver_;
};

TEST_F(DeclaredBySpf, AnIncludeIsTheServicesWhoseItIs) {
  EXPECT_THAT(By("v=spf1 include:_spf.google.com include:mail.zendesk.com -all"),
              ElementsAre("google-workspace: include:_spf.google.com",
                          "zendesk: include:mail.zendesk.com"));
}

TEST_F(DeclaredBySpf, WhatAnotherRecordOfOnesOwnSaysIsSaidWithItsWay) {
  EXPECT_THAT(By("v=spf1 include:all.example.com -all"),
              ElementsAre("own-example.com: include:all.example.com > ip4:192.0.2.44",
                          "sendgrid: include:all.example.com > include:sendgrid.net"));
  EXPECT_THAT(By("v=spf1 redirect=all.example.com"),
              Contains("sendgrid: redirect=all.example.com > include:sendgrid.net"));
}

TEST_F(DeclaredBySpf, AddressesOfNobodyAreTheDomainsOwn) {
  resolver_.SetA(Name("example.com"), {"192.0.2.1"});
  EXPECT_THAT(By("v=spf1 a ip4:192.0.2.7 a:none.test ip6:2001:db8::1 -all"),
              ElementsAre("own-example.com: a, ip4:192.0.2.7, ip6:2001:db8::1"));
}

TEST_F(DeclaredBySpf, WhatLetsNothingThroughDeclaresNothing) {
  EXPECT_THAT(By("v=spf1 -include:sendgrid.net ?ip4:192.0.2.7 ~include:_spf.google.com "
                 "exists:%{i}.example.com include:gone.test -all include:mail.zendesk.com"),
              IsEmpty());
  EXPECT_THAT(By("v=spf1 -all"), IsEmpty());
}

TEST_F(DeclaredBySpf, AnIncludeThatIsGoneIsNoService) {
  resolver_.SetTxt(Name("sendgrid.net"), {"no record"});
  EXPECT_THAT(By("v=spf1 include:sendgrid.net -all"), IsEmpty());
}

TEST_F(DeclaredBySpf, IsBounded) {
  std::string record = "v=spf1";
  for (int i = 0; i < 250; ++i) record += fmt::format(" ip4:192.0.2.{}", i);
  const auto tree = ExpandSpfText(Name("example.com"), record, resolver_, clock_);
  ASSERT_TRUE(tree.ok()) << tree.status();
  const std::vector<SpfMention> mentions = MentionsIn(*tree);
  EXPECT_EQ(mentions.size(), kMaxSpfMentions);
  const auto declared = DeclaredBy({.spf = mentions}, "example.com", Catalogue::Default());
  ASSERT_EQ(declared.size(), 1u);
  EXPECT_EQ(declared[0].declarations.size(), kMaxDeclaredValues);
}

TEST(DeclaredBy, KeysAndMailServersOfServices) {
  EXPECT_THAT(Declared({.selectors = {"google", "selector1", "mine"},
                        .mx_hosts = {"alt1.aspmx.l.google.com", "mx.example.com"}}),
              ElementsAre("google-workspace: google._domainkey.example.com, "
                          "alt1.aspmx.l.google.com",
                          "microsoft-365: selector1._domainkey.example.com"));
}

// Mail that is sent on to somewhere else has no sender there.
TEST(DeclaredBy, AForwarderIsNoSource) {
  const Catalogue catalogue({{.id = "relay",
                              .name = "Relay",
                              .kind = ServiceKind::kForwarder,
                              .spf_includes = {"spf.relay.test"},
                              .selectors = {"relay"},
                              .mx_names = {"mx.relay.test"}}});
  EXPECT_THAT(Declared({.spf = {{.term = "include:spf.relay.test",
                                 .targets = {"spf.relay.test"},
                                 .leads = true}},
                        .selectors = {"relay"},
                        .mx_hosts = {"mx.relay.test"}},
                       catalogue),
              IsEmpty());
  EXPECT_THAT(SelectorsThatTell(catalogue), IsEmpty());
}

TEST(SelectorsThatTell, AreWholeOnesAlone) {
  const Texts selectors = SelectorsThatTell(Catalogue::Default());
  EXPECT_THAT(selectors, Contains("google"));
  EXPECT_THAT(selectors, Contains("zendesk1"));
  EXPECT_THAT(selectors, Not(Contains(HasSubstr("#"))));
  EXPECT_LE(selectors.size(), 120u) << "each is a question about each domain without reports";
}

SourceStatistics Silent(std::string_view id) {
  SourceStatistics out;
  out.id = id;
  out.service = Catalogue::Default().FindById(id);
  return out;
}

TEST(AdviseDeclared, NothingIsAddedForWhatIsThere) {
  const Declaration term{DeclarationKind::kSpfTerm, "include:sendgrid.net"};
  const Declaration key{DeclarationKind::kDkimKey, "s1._domainkey.example.com"};
  const Declaration mx{DeclarationKind::kMx, "mx.sendgrid.net"};
  const Advice by_term = AdviseDeclared({mx, key, term}, Silent("sendgrid"), "example.com");
  EXPECT_EQ(by_term.proposal.kind, AuthorizationSpec::Kind::kAlreadyAuthorized);
  EXPECT_FALSE(by_term.spf_needed);
  EXPECT_THAT(by_term.sentence, HasSubstr("include:sendgrid.net already"));
  const Advice by_key = AdviseDeclared({mx, key}, Silent("sendgrid"), "example.com");
  EXPECT_EQ(by_key.proposal.kind, AuthorizationSpec::Kind::kDkimOnly);
  // That it receives says nothing about what it sends, and nothing gets into SPF by that.
  const Advice by_mx = AdviseDeclared({mx}, Silent("google-workspace"), "example.com");
  EXPECT_EQ(by_mx.proposal.kind, AuthorizationSpec::Kind::kUnspecified);
  EXPECT_FALSE(by_mx.spf_needed);
}

TEST(DeclaredEvidence, TheStrongestComesFirstAndStrangersTextIsEscaped) {
  const auto evidence = DeclaredEvidence(
      {{DeclarationKind::kMx, "mx.test"}, {DeclarationKind::kSpfTerm, "include:a\x1b.test"}},
      Silent("sendgrid"));
  ASSERT_EQ(evidence.size(), 2u);
  EXPECT_THAT(evidence[0].claim, HasSubstr("your SPF record says include:a"));
  EXPECT_THAT(evidence[0].claim, Not(HasSubstr("\x1b")));
  EXPECT_EQ(evidence[0].checked_against, "catalogue entry sendgrid");
  EXPECT_EQ(evidence[1].verdict, "neutral");
}

}  // namespace
}  // namespace dmarcate
