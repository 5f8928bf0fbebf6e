#include "lib/mailauth/domain_name.h"

#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/mailauth/host_name.h"

namespace dmarcate {
namespace {

struct Case {
  std::string name;
  std::string text;
  std::string want;  // the name, or what the error says
  bool valid = true;
};

const std::string kLabel63(63, 'a');

const Case kCases[] = {
    {"CaseIsFolded", "Mail.EXAMPLE.com", "mail.example.com"},
    {"OneTrailingDotIsStripped", "example.com.", "example.com"},
    {"TwoTrailingDotsAreAnEmptyLabel", "example.com..", "empty label", false},
    {"LeadingDotIsAnEmptyLabel", ".example.com", "empty label", false},
    {"UnderscoresAreLegal", "_dmarc.example.com", "_dmarc.example.com"},
    {"SlashesAreLegalAsInReverseDelegations", "0/25.2.0.192.in-addr.arpa",
     "0/25.2.0.192.in-addr.arpa"},
    {"SingleLabel", "com", "com"},
    {"RootIsADot", ".", ""},
    {"EmptyIsNoName", "", "empty", false},
    {"ULabelsBecomeALabels",
     "b\xc3\xbc"
     "cher.example",
     "xn--bcher-kva.example"},
    {"ULabelsAreFolded",
     "B\xc3\x9c"
     "CHER.example",
     "xn--bcher-kva.example"},
    {"SharpSIsKept",
     "stra\xc3\x9f"
     "e.de",
     "xn--strae-oqa.de"},
    {"UnderscoreBesideULabels",
     "_dmarc.b\xc3\xbc"
     "cher.example",
     "_dmarc.xn--bcher-kva.example"},
    {"InvalidUtf8", "\xff.example", "UTF-8", false},
    {"LabelOf63", kLabel63 + ".com", kLabel63 + ".com"},
    {"LabelOf64", kLabel63 + "a.com", "label over 63", false},
    {"NameOf253", kLabel63 + "." + kLabel63 + "." + kLabel63 + "." + kLabel63.substr(2),
     kLabel63 + "." + kLabel63 + "." + kLabel63 + "." + kLabel63.substr(2)},
    {"NameOf254", kLabel63 + "." + kLabel63 + "." + kLabel63 + "." + kLabel63.substr(1), "over 253",
     false},
    {"HugeInput", std::string(100000, 'a'), "over 253", false},
    {"Blank", "exam ple.com", "blank", false},
    {"Newline", "example.com\n", "blank", false},
    {"Nul", std::string("a\0b.com", 7), "blank or control", false},
    {"Backslash", "a\\.b.com", "backslash", false},
    {"Ipv4", "192.0.2.1", "IP address", false},
    {"Ipv6", "2001:db8::1", "IP address", false},
    {"AddressLiteral", "[192.0.2.1]", "IP address", false},
};

class DomainNameTest : public testing::TestWithParam<Case> {};
TEST_P(DomainNameTest, Parses) {
  const auto got = DomainName::Parse(GetParam().text);
  ASSERT_EQ(got.ok(), GetParam().valid) << got.status();
  if (got.ok()) {
    EXPECT_EQ(got->text(), GetParam().want);
    EXPECT_EQ(DomainName::Parse(got->ToFqdn()).value(), *got);
  } else {
    EXPECT_NE(MessageOf(got.status()).find(GetParam().want), std::string_view::npos)
        << got.status();
    EXPECT_LT(MessageOf(got.status()).size(), 300u);
  }
}
INSTANTIATE_TEST_SUITE_P(All, DomainNameTest, testing::ValuesIn(kCases),
                         [](const auto& tested) { return tested.param.name; });

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

TEST(DomainName, WalksUp) {
  const DomainName name = Name("a.b.example");
  EXPECT_EQ(name.label_count(), 3u);
  EXPECT_EQ(name.labels(), (std::vector<std::string_view>{"a", "b", "example"}));
  EXPECT_EQ(name.Parent(), Name("b.example"));
  EXPECT_EQ(Name("example").Parent(), DomainName());
  EXPECT_EQ(DomainName().Parent(), DomainName());
  EXPECT_EQ(DomainName().label_count(), 0u);
  EXPECT_TRUE(DomainName().labels().empty());
  EXPECT_EQ(DomainName().ToFqdn(), ".");
}

TEST(DomainName, GoesDown) {
  EXPECT_EQ(Name("example.com").Child("_dmarc").value(), Name("_dmarc.example.com"));
  EXPECT_EQ(Name("example.com").Child("s1._domainkey").value(), Name("s1._domainkey.example.com"));
  EXPECT_EQ(DomainName().Child("com").value(), Name("com"));
  EXPECT_FALSE(Name("example.com").Child("").ok());
  EXPECT_FALSE(Name("example.com").Child("a.").ok());
  EXPECT_FALSE(Name(kLabel63 + "." + kLabel63 + "." + kLabel63).Child(kLabel63).ok());
}

TEST(DomainName, IsBelowAtLabelBoundariesOnly) {
  EXPECT_TRUE(Name("example.com").IsAtOrBelow(Name("example.com")));
  EXPECT_TRUE(Name("a.example.com").IsAtOrBelow(Name("example.com")));
  EXPECT_FALSE(Name("badexample.com").IsAtOrBelow(Name("example.com")));
  EXPECT_FALSE(Name("com").IsAtOrBelow(Name("example.com")));
  EXPECT_TRUE(Name("com").IsAtOrBelow(DomainName()));
}

TEST(HostName, IsLettersDigitsAndInnerHyphens) {
  const struct {
    std::string name;
    bool want;
  } cases[] = {
      {"example.com", true},     {"EXAMPLE.com", true},  {"com", true},
      {"a-1.example", true},     {"1.example", true},    {"xn--bcher-kva.example", true},
      {"_dmarc.example", false}, {"*.example", false},   {"a/b.example", false},
      {"a,b.example", false},    {"a;b.example", false}, {"a!b.example", false},
      {"-a.example", false},     {"a-.example", false},  {"a.-", false},
      {"a@b.example", false},    {".", false},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(IsHostName(*DomainName::Parse(test.name)), test.want) << test.name;
  }
}

}  // namespace
}  // namespace dmarcate
