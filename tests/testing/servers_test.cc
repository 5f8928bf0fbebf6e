#include "tests/testing/servers.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace dmarcate::testing_support {
namespace {

using testing::HasSubstr;

const TestZone& Zone() {
  static const TestZone zone = MakeZone("example.test", "_dmarc TXT \"v=DMARC1; p=none\"\n");
  return zone;
}

// What dig, which shares no code with us, gets from `server`.
std::string Dig(const RealServer& server, std::vector<std::string> arguments) {
  std::vector<std::string> argv = {"dig",     "@127.0.0.1", "-p", std::to_string(server.port()),
                                   "+time=2", "+tries=1"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const auto result = RunCommand(argv);
  return result.ok() ? result->output : result.status().ToString();
}

TEST(RealServers, AuthoritativeOnesServeTheZone) {
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto bind, RealBind::Start({Zone()}));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto knot, RealKnot::Start({Zone()}));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto pdns, RealPowerDns::Start({Zone()}));
  for (const RealServer* server :
       std::initializer_list<RealServer*>{bind.get(), knot.get(), pdns.get()}) {
    EXPECT_THAT(Dig(*server, {"_dmarc.example.test", "TXT", "+short"}),
                HasSubstr("v=DMARC1; p=none"))
        << server->log();
  }
  ASSERT_THAT(pdns->AddZone(MakeZone("late.test", "@ TXT \"late\"\n")), IsOk());
  EXPECT_THAT(Dig(*pdns, {"late.test", "TXT", "+short"}), HasSubstr("late"));
}

TEST(RealServers, UnboundValidatesWhatItHasAnAnchorFor) {
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto knot, RealKnot::Start({Zone()}));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const std::string anchor, knot->TrustAnchor("example.test"));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto unbound,
                                RealUnbound::Start({{"example.test", knot->server(), anchor}}));
  const std::string answer = Dig(*unbound, {"_dmarc.example.test", "TXT", "+dnssec"});
  EXPECT_THAT(answer, HasSubstr("v=DMARC1; p=none")) << unbound->log();
  EXPECT_THAT(answer, HasSubstr("qr rd ra ad"));
  EXPECT_THAT(Dig(*unbound, {"elsewhere.invalid2", "TXT"}), HasSubstr("REFUSED"));
}

TEST(RealServers, RestartKeepsThePort) {
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto bind, RealBind::Start({Zone()}));
  bind->Kill();
  ASSERT_THAT(bind->Restart(), IsOk());
  EXPECT_THAT(Dig(*bind, {"_dmarc.example.test", "TXT", "+short"}), HasSubstr("v=DMARC1"));
}

}  // namespace
}  // namespace dmarcate::testing_support
