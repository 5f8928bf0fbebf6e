#include "lib/mailauth/spf_macro.h"

#include <gtest/gtest.h>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

// RFC 7208 section 7.4 and its neighbours.
SpfMacroValues Example(std::string_view ip) {
  SpfMacroValues values;
  values.sender = "strong-bad@email.example.com";
  values.local = "strong-bad";
  values.sender_domain = "email.example.com";
  values.domain = "email.example.com";
  values.ip = IpAddress::Parse(ip).value();
  values.helo = "mx.example.org";
  values.unix_seconds = 1234;
  return values;
}

struct Case {
  std::string text;
  std::string want;
};
const Case kCases[] = {
    {"%{s}", "strong-bad@email.example.com"},
    {"%{o}", "email.example.com"},
    {"%{d}", "email.example.com"},
    {"%{d4}", "email.example.com"},
    {"%{d3}", "email.example.com"},
    {"%{d2}", "example.com"},
    {"%{d1}", "com"},
    {"%{d99999999999}", "email.example.com"},
    {"%{dr}", "com.example.email"},
    {"%{d2r}", "example.email"},
    {"%{l}", "strong-bad"},
    {"%{l-}", "strong.bad"},
    {"%{lr}", "strong-bad"},
    {"%{lr-}", "bad.strong"},
    {"%{l1r-}", "strong"},
    {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
    {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
    {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
    {"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
    {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
    {"%{S}", "strong-bad%40email.example.com"},
    {"%{p}", "unknown"},
    {"%{h}", "mx.example.org"},
    {"a%%b%_c%-d", "a%b c%20d"},
    {"%{c} %{r} %{t}", "192.0.2.3 unknown 1234"},
};
TEST(ExpandMacros, FollowsSection74) {
  for (const Case& one : kCases) {
    const auto pieces = ParseMacroString(one.text, SpfMacroUse::kExplanation);
    ASSERT_TRUE(pieces.ok()) << one.text << pieces.status();
    EXPECT_EQ(ExpandMacros(*pieces, Example("192.0.2.3")), one.want) << one.text;
  }
}

TEST(ExpandMacros, WritesIpv6AsNibbles) {
  const auto pieces = ParseMacroString("%{ir}.%{v}._spf.%{d2}", SpfMacroUse::kDomainSpec).value();
  EXPECT_EQ(ExpandMacros(pieces, Example("2001:db8::cb01")),
            "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com");
}

TEST(FitDomain, LosesLabelsFromTheLeft) {
  EXPECT_EQ(FitDomain("a.b."), "a.b");
  const std::string label(62, 'x');
  const std::string long_name = label + "." + label + "." + label + "." + label + "." + label;
  EXPECT_EQ(FitDomain(long_name).size(), 4 * 62u + 3u);
  EXPECT_EQ(FitDomain(std::string(300, 'x')).size(), 300u);
  EXPECT_EQ(FitDomain(std::string(50, 'y') + "." + std::string(253, 'x')), std::string(253, 'x'));
  // In one step, however many labels there are.
  std::string many;
  for (int i = 0; i < 2000000; ++i) many += "a.";
  EXPECT_EQ(FitDomain(many).size(), 253u);
}

}  // namespace
}  // namespace dmarcate
