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
  const FakeClock clock(absl::UnixEpoch());
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
    return ToString(CheckHost(request, dns, clock).result);
  };
  EXPECT_EQ(result("192.0.2.1"), "pass");
  EXPECT_EQ(result("192.0.2.2"), "pass");
  EXPECT_EQ(result("192.0.2.3"), "pass");
  EXPECT_EQ(result("192.0.2.4"), "fail");
  dns.Fail(Name("b.test"), RrType::kA, absl::UnavailableError("SERVFAIL"));
  EXPECT_EQ(result("192.0.2.1"), "pass");
  EXPECT_EQ(result("192.0.2.4"), "temperror");
}

// Each answer takes nine seconds of the clock.
class SlowResolver final : public Resolver {
 public:
  SlowResolver(Resolver& resolver, FakeClock& clock) : resolver_(resolver), clock_(clock) {}
  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override {
    clock_.Advance(absl::Seconds(9));
    return resolver_.Lookup(name, type);
  }

 private:
  Resolver& resolver_;
  FakeClock& clock_;
};

TEST(CheckHost, EndsWithoutAVerdictWhenTimeIsUp) {
  FakeResolver dns;
  FakeClock clock(absl::UnixEpoch());
  SlowResolver slow(dns, clock);
  dns.SetTexts(Name("1.2.0.192.in-addr.arpa"), RrType::kPtr, {"h1.test", "h2.test", "host.test"});
  for (const char* name : {"h1.test", "h2.test", "host.test"}) dns.SetA(Name(name), {"192.0.2.1"});
  SpfRequest request;
  request.client = IpAddress::Parse("192.0.2.1").value();
  request.mail_from = "u@example.com";
  // The third look-up is the last: the names behind it could have matched.
  for (const char* record :
       {"v=spf1 a:h1.test/31 a:h2.test/31 a:host.test -all", "v=spf1 ptr:host.test -all",
        "v=spf1 a:%{p} -all", "v=spf1 redirect=%{p}", "v=spf1 ptr:host.test -all exp=e.test"}) {
    dns.SetTxt(Name("example.com"), {record});
    request.client = IpAddress::Parse("192.0.2.1").value();
    dns.SetA(Name("h1.test"), {"198.51.100.1"});
    dns.SetA(Name("h2.test"), {"198.51.100.1"});
    const absl::Duration start = clock.Monotonic();
    const SpfEvaluation got = CheckHost(request, slow, clock);
    EXPECT_EQ(got.result, SpfResult::kTempError) << record << ": " << got.reason;
    EXPECT_EQ(clock.Monotonic() - start, absl::Seconds(27)) << record;
    EXPECT_NE(CheckHost(request, slow, clock, absl::Hours(1)).result, SpfResult::kTempError);
  }
  // What is decided stays so: only the explanation is left out.
  dns.SetTxt(Name("example.com"), {"v=spf1 a:h1.test a:h2.test -all exp=e.test"});
  dns.SetTxt(Name("e.test"), {"no"});
  const SpfEvaluation got = CheckHost(request, slow, clock);
  EXPECT_EQ(got.result, SpfResult::kFail);
  EXPECT_EQ(got.explanation, "");
}

}  // namespace
}  // namespace dmarcate
