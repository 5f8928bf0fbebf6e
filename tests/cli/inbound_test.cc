// How a domain receives mail, by the command line: a real name server, a real mail server.

#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "lib/base/digest.h"
#include "tests/cli/daemons.h"
#include "tests/lib/inbound/smtp_server.h"
#include "tests/testing/process.h"
#include "tests/testing/servers.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using cli_testing::Daemons;
using inbound_testing::GoodServer;
using inbound_testing::Identity;
using inbound_testing::SmtpServer;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::CommandResult;
using testing_support::FreePort;
using testing_support::MakeZone;
using testing_support::RealBind;
using testing_support::RunCommand;
using Json = nlohmann::json;

class InboundTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = RealBind::Start(
        {MakeZone("example.test",
                  "@ TXT \"v=spf1 -all\"\n"
                  "_dmarc TXT \"v=DMARC1; p=reject; rua=mailto:r@example.test\"\n"
                  "@ MX 10 mx\n"
                  "mx A 127.0.0.9\n"
                  "_25._tcp.mx TLSA 3 1 1 " +
                      Sha256Hex(identity_.SpkiDer()) +
                      "\n"
                      "_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:t@example.test\"\n")});
    ASSERT_TRUE(started.ok()) << started.status();
    bind_ = *std::move(started);
  }
  CommandResult Check(std::vector<std::string> more) {
    std::vector<std::string> argv = {
        Daemons::Program("dmarcate"),      "check",       "example.test",       "--stub",
        "example.test=" + bind_->server(), "--smtp-port", std::to_string(port_)};
    argv.insert(argv.end(), more.begin(), more.end());
    const auto result = RunCommand(argv, absl::Seconds(60));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(CommandResult{.exit_code = -1});
  }

  const Identity identity_ = Identity::SelfSigned(
      {.not_before = absl::Now() - absl::Hours(1), .not_after = absl::Now() + absl::Hours(999)});
  const uint16_t port_ = FreePort();
  std::unique_ptr<RealBind> bind_;
};

TEST_F(InboundTest, ServersAreConnectedToOnlyWhereSomebodyAsks) {
  const SmtpServer server("127.0.0.9", port_, GoodServer({identity_}));
  CommandResult result = Check({});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(
      result.output,
      AllOf(HasSubstr("warn    MTA_STS _mta-sts.example.test"), HasSubstr("MTA_STS_MISSING"),
            HasSubstr("pass    TLS_RPT _smtp._tls.example.test"), Not(HasSubstr("SERVER"))));
  EXPECT_EQ(server.connections(), 0);

  result = Check({"--inbound"});
  EXPECT_EQ(result.exit_code, 8) << result.output;
  EXPECT_THAT(result.output, AllOf(HasSubstr("unknown SERVER  mx.example.test"),
                                   HasSubstr("127.0.0.9: loopback")));
  EXPECT_EQ(server.connections(), 0) << "not public";

  result = Check({"--inbound", "--allow-network", "127.0.0.0/8"});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(server.connections(), 1);
  EXPECT_THAT(
      result.output,
      AllOf(HasSubstr("pass    POLICY  https://mta-sts.example.test/.well-known/mta-sts.txt"),
            HasSubstr("warn    SERVER  mx.example.test"), HasSubstr("DANE_INSECURE"),
            HasSubstr("ok 127.0.0.9  TLSv1.3"), HasSubstr("ok TLSA 3 1 1 "),
            HasSubstr("  matches\n")));
}

TEST_F(InboundTest, ProgramsReadTheSame) {
  const SmtpServer server("127.0.0.9", port_, GoodServer({identity_}));
  const CommandResult result =
      Check({"--inbound", "--allow-network", "127.0.0.0/8", "--resolver-only", "-o", "json"});
  const Json response = Json::parse(result.output, nullptr, false);
  ASSERT_TRUE(response.is_object()) << result.output;
  const Json& seen = response["inbound"]["mail_servers"][0];
  EXPECT_EQ(seen["host"], "mx.example.test");
  EXPECT_EQ(seen["probes"][0]["stage"], "SMTP_STAGE_DONE");
  EXPECT_EQ(seen["probes"][0]["certificates"][0]["spki_sha256"], Sha256Hex(identity_.SpkiDer()));
  EXPECT_EQ(seen["dane"]["records"][0]["matches"], true);
  EXPECT_EQ(seen["dane"]["dnssec"], "DNSSEC_STATE_INSECURE");
}

TEST_F(InboundTest, AServerWithoutTlsFails) {
  const SmtpServer server("127.0.0.9", port_, [](inbound_testing::ServerSide& side) {
    side.Send("220 mx\r\n");
    side.ReadLine();
    side.Send("250 mx\r\n");
    side.ReadLine();
  });
  const CommandResult result = Check({"--inbound", "--allow-network", "127.0.0.0/8"});
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_THAT(result.output, AllOf(HasSubstr("fail    SERVER"), HasSubstr("STARTTLS_MISSING"),
                                   HasSubstr("fix: Give the mail server a certificate")));
}

TEST_F(InboundTest, ANetworkIsANetwork) {
  const CommandResult result = Check({"--inbound", "--allow-network", "intern"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.output, HasSubstr("--allow-network 'intern'"));
}

TEST_F(InboundTest, PolicydLooksWhenAsked) {
  Daemons daemons;
  const absl::Status started = daemons.StartPolicyd(
      "[inbound]\nallow_networks = [\"10.1.0.0/16\"]\n",
      fmt::format("[[dns.stub]]\nzone = \"example.test\"\nservers = [\"{}\"]\n", bind_->server()));
  ASSERT_TRUE(started.ok()) << started;
  const CommandResult plain = daemons.Run({"records", "show", "example.test"});
  EXPECT_EQ(plain.exit_code, 0) << plain.output;
  EXPECT_THAT(plain.output, AllOf(HasSubstr("TLS_RPT"), Not(HasSubstr("SERVER"))));
  const CommandResult inbound = daemons.Run({"records", "show", "example.test", "--inbound"});
  EXPECT_EQ(inbound.exit_code, 0) << inbound.output;
  EXPECT_THAT(inbound.output, AllOf(HasSubstr("unknown SERVER  mx.example.test"),
                                    HasSubstr("127.0.0.9: loopback")));
}

}  // namespace
}  // namespace dmarcate
