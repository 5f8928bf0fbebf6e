#include "lib/inspect/spf_check.h"

#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/dns/fake_resolver.h"

namespace dmarcate {
namespace {

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

TEST(ReverseName, ReadsBackwards) {
  EXPECT_EQ(ReverseName(IpAddress::Parse("192.0.2.1").value()), "1.2.0.192.in-addr.arpa");
  EXPECT_EQ(ReverseName(IpAddress::Parse("2001:db8::cb01").value()),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST(CheckHost, AsksTheResolver) {
  FakeResolver dns;
  dns.SetTxt(Name("example.com"), {"v=spf1 mx ptr exists:%{l}.x.test -all", "other"});
  dns.SetMx(Name("example.com"), {{20, Name("b.test")}, {10, Name("a.test")}});
  dns.SetA(Name("a.test"), {"192.0.2.1"});
  dns.SetA(Name("b.test"), {"192.0.2.2"});
  dns.SetTexts(Name("3.2.0.192.in-addr.arpa"), RrType::kPtr, {"host.example.com"});
  dns.SetA(Name("host.example.com"), {"192.0.2.3"});
  SpfRequest request;
  request.helo = "helo.test";
  request.mail_from = "a b@example.com";  // no DomainName: that name does not exist
  const auto result = [&](std::string_view client) {
    request.client = IpAddress::Parse(client).value();
    return ToString(CheckHost(request, dns).result);
  };
  EXPECT_EQ(result("192.0.2.1"), "pass");
  EXPECT_EQ(result("192.0.2.2"), "pass");
  EXPECT_EQ(result("192.0.2.3"), "pass");
  EXPECT_EQ(result("192.0.2.4"), "fail");
  dns.Fail(Name("b.test"), RrType::kA, absl::UnavailableError("SERVFAIL"));
  EXPECT_EQ(result("192.0.2.1"), "pass");
  EXPECT_EQ(result("192.0.2.4"), "temperror");
}

}  // namespace
}  // namespace dmarcate
