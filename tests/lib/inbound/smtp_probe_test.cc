// The probe against real sockets and real TLS: servers that are in order, and servers that are not.
#include "lib/inbound/smtp_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/inbound/certificate.h"
#include "tests/lib/inbound/smtp_server.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using inbound_testing::CertificateWish;
using inbound_testing::GoodServer;
using inbound_testing::Identity;
using inbound_testing::ServerSide;
using inbound_testing::SmtpServer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::FreePort;
using testing_support::IsOk;
using testing_support::StatusIs;

constexpr std::string_view kOffer = "250-mx\r\n250 STARTTLS\r\n";

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }
IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

Identity MakeIdentity() {
  return Identity::SelfSigned(
      {.not_before = absl::Now() - absl::Hours(1), .not_after = absl::Now() + absl::Hours(1)});
}

class SmtpProbeTest : public testing::Test {
 protected:
  SmtpProbe Probe(SmtpServer::Script script, absl::Duration limit = absl::Seconds(20)) {
    const SmtpServer server("127.0.0.1", options_.port, std::move(script));
    options_.limit = limit;
    const absl::Duration start = clock_.Monotonic();
    auto probes = ProbeMailServers({{Name("mx.example.com"), Ip("127.0.0.1")}}, options_, clock_);
    took_ = clock_.Monotonic() - start;
    EXPECT_EQ(probes.size(), 1u);
    return probes[0];
  }

  const SystemClock clock_;
  SmtpProbeOptions options_{.port = FreePort(),
                            .guard = {{IpNetwork::Parse("127.0.0.0/8").value()}}};
  absl::Duration took_;
};

TEST_F(SmtpProbeTest, SeesAServerThatIsInOrder) {
  const Identity identity = MakeIdentity();
  std::vector<std::string> seen;
  const SmtpProbe probe = Probe(GoodServer({identity}, &seen));
  EXPECT_THAT(probe.error, IsOk());
  EXPECT_EQ(probe.stage, SmtpStage::kDone);
  EXPECT_EQ(probe.address, Ip("127.0.0.1"));
  EXPECT_TRUE(probe.starttls_offered);
  EXPECT_EQ(probe.clear_octets, 0u);
  EXPECT_EQ(probe.tls_version, "TLSv1.3");
  EXPECT_TRUE(probe.tls_current);
  EXPECT_FALSE(probe.cipher.empty());
  EXPECT_THAT(probe.chain, ElementsAre(identity.Der()));
  EXPECT_EQ(probe.reply, "220 go ahead");
  EXPECT_THAT(seen, ElementsAre("EHLO [127.0.0.1]", "STARTTLS", "EHLO [127.0.0.1]", "QUIT"))
      << "nothing that a sender does not say, and no mail";
}

TEST_F(SmtpProbeTest, SeesOldTls) {
  const Identity identity = MakeIdentity();
  for (const auto& [version, text] : {std::pair{TLS1_VERSION, "TLSv1"},
                                      {TLS1_1_VERSION, "TLSv1.1"},
                                      {TLS1_2_VERSION, "TLSv1.2"}}) {
    const SmtpProbe probe = Probe([&identity, version = version](ServerSide& side) {
      side.Send("220 mx\r\n");
      side.ReadLine();
      side.Send(kOffer);
      side.ReadLine();
      side.Send("220 go\r\n");
      if (!side.StartTls({identity}, version)) return;
      side.ReadLine();
      side.Send("250 mx\r\n");
      side.ReadLine();
    });
    EXPECT_EQ(probe.tls_version, text);
    EXPECT_EQ(probe.tls_current, version == TLS1_2_VERSION);
    EXPECT_EQ(probe.stage, SmtpStage::kDone) << probe.error;
  }
}

TEST_F(SmtpProbeTest, SeesTheChain) {
  const CertificateWish authority{.subject = "root",
                                  .not_before = absl::Now() - absl::Hours(1),
                                  .not_after = absl::Now() + absl::Hours(1),
                                  .authority = true};
  const Identity root = Identity::SelfSigned(authority);
  const Identity leaf = root.Sign(
      {.not_before = absl::Now() - absl::Hours(9), .not_after = absl::Now() - absl::Hours(1)});
  const SmtpProbe probe = Probe(GoodServer({leaf, root}));
  EXPECT_EQ(probe.stage, SmtpStage::kDone) << "expired, and taken to be told";
  EXPECT_THAT(probe.chain, ElementsAre(leaf.Der(), root.Der()));
}

TEST_F(SmtpProbeTest, NobodyListens) {
  const auto probes =
      ProbeMailServers({{Name("mx.example.com"), Ip("127.0.0.1")}}, options_, clock_);
  EXPECT_EQ(probes[0].stage, SmtpStage::kConnect);
  EXPECT_THAT(probes[0].error, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("refused")));
}

TEST_F(SmtpProbeTest, WhatIsNotPublicIsNotConnectedTo) {
  SmtpServer server("127.0.0.1", options_.port, [](ServerSide& side) { side.Hang(); });
  options_.guard.allow.clear();
  std::vector<SmtpTarget> targets;
  for (const char* const address : {"127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254",
                                    "::1", "fe80::1", "64:ff9b::7f00:1", "2002:7f00:1::1"}) {
    targets.push_back({Name("mx.example.com"), Ip(address)});
  }
  for (const SmtpProbe& probe : ProbeMailServers(targets, options_, clock_)) {
    EXPECT_EQ(probe.stage, SmtpStage::kRefused) << probe.address.ToString();
    EXPECT_THAT(probe.error, StatusIs(absl::StatusCode::kPermissionDenied));
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(SmtpProbeTest, ManyServersShareTheLimit) {
  std::vector<std::unique_ptr<SmtpServer>> servers;
  std::vector<SmtpTarget> targets;
  for (size_t i = 0; i < kMaxProbes + 2; ++i) {
    const std::string address = "127.0.1." + std::to_string(i + 1);
    targets.push_back({Name("mx.example.com"), Ip(address)});
    servers.push_back(std::make_unique<SmtpServer>(address, options_.port,
                                                   [](ServerSide& side) { side.Hang(); }));
  }
  options_.limit = absl::Milliseconds(500);
  const absl::Duration start = clock_.Monotonic();
  const auto probes = ProbeMailServers(targets, options_, clock_);
  EXPECT_LT(clock_.Monotonic() - start, absl::Seconds(5));
  ASSERT_EQ(probes.size(), targets.size());
  for (size_t i = 0; i < probes.size(); ++i) {
    const bool over = i >= kMaxProbes;
    EXPECT_EQ(probes[i].address, targets[i].address);
    EXPECT_EQ(probes[i].stage, over ? SmtpStage::kRefused : SmtpStage::kGreeting);
    EXPECT_THAT(probes[i].error, StatusIs(over ? absl::StatusCode::kResourceExhausted
                                               : absl::StatusCode::kDeadlineExceeded));
    EXPECT_LE(servers[i]->connections(), over ? 0 : 1);
  }
}

// What a hostile or broken server does, and how soon it is over.
struct BadServer {
  std::string name;
  SmtpServer::Script script;
  SmtpStage stage;
  absl::StatusCode code;
  bool in_clear = false;
  absl::Duration limit = absl::Seconds(20);  // those that are cut by the deadline have a short one
};

void Agree(ServerSide& side) {
  side.Send("220 mx\r\n");
  side.ReadLine();
  side.Send(kOffer);
  side.ReadLine();
}
const BadServer kBadServers[] = {
    {"NeverGreets", [](ServerSide& side) { side.Hang(); }, SmtpStage::kGreeting,
     absl::StatusCode::kDeadlineExceeded, false, absl::Milliseconds(300)},
    {"ClosesAtOnce", [](ServerSide&) {}, SmtpStage::kGreeting, absl::StatusCode::kUnavailable},
    {"GreetsForever",
     [](ServerSide& side) {
       while (side.Send("220-welcome\r\n")) {
       }
     },
     SmtpStage::kGreeting, absl::StatusCode::kResourceExhausted},
    {"GreetsForeverSlowly",
     [](ServerSide& side) {
       while (side.Send("2")) absl::SleepFor(absl::Milliseconds(20));
     },
     SmtpStage::kGreeting, absl::StatusCode::kDeadlineExceeded, false, absl::Milliseconds(300)},
    {"OneLineOfAMebibyte", [](ServerSide& side) { side.Send("220 " + std::string(1 << 20, 'x')); },
     SmtpStage::kGreeting, absl::StatusCode::kResourceExhausted},
    {"IsNoMailServer", [](ServerSide& side) { side.Send("HTTP/1.1 400 Bad Request\r\n\r\n"); },
     SmtpStage::kGreeting, absl::StatusCode::kInvalidArgument},
    {"DoesNotAnswerEhlo",
     [](ServerSide& side) {
       side.Send("220 mx\r\n");
       side.Hang();
     },
     SmtpStage::kEhlo, absl::StatusCode::kDeadlineExceeded, false, absl::Milliseconds(300)},
    {"OffersWithoutEnd",
     [](ServerSide& side) {
       side.Send("220 mx\r\n");
       side.ReadLine();
       while (side.Send("250-X-MORE\r\n")) {
       }
     },
     SmtpStage::kEhlo, absl::StatusCode::kResourceExhausted},
    {"ClosesAfterStartTls", [](ServerSide& side) { Agree(side); }, SmtpStage::kStartTls,
     absl::StatusCode::kUnavailable},
    {"ClosesInsteadOfTls",
     [](ServerSide& side) {
       Agree(side);
       side.Send("220 go\r\n");
     },
     SmtpStage::kTls, absl::StatusCode::kUnavailable},
    {"TlsNeverBegins",
     [](ServerSide& side) {
       Agree(side);
       side.Send("220 go\r\n");
       side.Hang();
     },
     SmtpStage::kTls, absl::StatusCode::kDeadlineExceeded, false, absl::Milliseconds(300)},
    {"TlsNeverEnds",
     [](ServerSide& side) {
       Agree(side);
       side.Send("220 go\r\n");
       // A handshake record that announces more than comes, in drops.
       side.Send(std::string_view("\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb", 9));
       while (side.Send("x")) absl::SleepFor(absl::Milliseconds(20));
     },
     SmtpStage::kTls, absl::StatusCode::kDeadlineExceeded, false, absl::Milliseconds(400)},
    {"TlsIsAFlood",
     [](ServerSide& side) {
       Agree(side);
       side.Send("220 go\r\n");
       side.AwaitClient();  // its handshake has begun
       // Requests to begin anew, which clients pass over.
       const std::string part = std::string("\x16\x03\x03\x40\x00", 5) + std::string(16384, '\0');
       while (side.Send(part)) {
       }
     },
     SmtpStage::kTls, absl::StatusCode::kResourceExhausted},
    {"PipelinesAfterStartTls",
     [](ServerSide& side) {
       Agree(side);
       side.Send("220 go\r\n250-mx\r\n250 SIZE\r\n");
       side.Hang();
     },
     SmtpStage::kTls, absl::StatusCode::kDeadlineExceeded, true, absl::Milliseconds(300)},
    {"GoesOnInClear",
     [](ServerSide& side) {
       Agree(side);
       side.Send("220 go\r\n");
       side.AwaitClient();  // its handshake has begun
       side.Send("250 SIZE\r\n");
       side.Hang();
     },
     SmtpStage::kTls, absl::StatusCode::kFailedPrecondition, true},
};
class BadServers : public SmtpProbeTest, public testing::WithParamInterface<BadServer> {};
TEST_P(BadServers, AreBounded) {
  const SmtpProbe probe = Probe(GetParam().script, GetParam().limit);
  EXPECT_EQ(probe.stage, GetParam().stage) << ToString(probe.stage) << ": " << probe.error;
  EXPECT_THAT(probe.error, StatusIs(GetParam().code));
  EXPECT_EQ(probe.clear_octets > 0, GetParam().in_clear);
  EXPECT_THAT(probe.chain, IsEmpty());
  EXPECT_LE(probe.reply.size(), kMaxSmtpReplyLine);
  const bool cut = GetParam().code == absl::StatusCode::kDeadlineExceeded;
  EXPECT_GE(took_, cut ? GetParam().limit : absl::ZeroDuration());
  EXPECT_LT(took_, GetParam().limit + absl::Seconds(5));
}
INSTANTIATE_TEST_SUITE_P(All, BadServers, testing::ValuesIn(kBadServers),
                         [](const auto& instance) { return instance.param.name; });

TEST_F(SmtpProbeTest, SaysTooMuchUnderTls) {
  const Identity identity = MakeIdentity();
  const SmtpProbe probe = Probe([&identity](ServerSide& side) {
    Agree(side);
    side.Send("220 go\r\n");
    if (!side.StartTls({identity})) return;
    side.ReadLine();
    while (side.Send("250-X-MORE\r\n")) {
    }
  });
  EXPECT_EQ(probe.stage, SmtpStage::kTlsEhlo);
  EXPECT_THAT(probe.error, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(probe.chain, ElementsAre(identity.Der())) << "what was learned stays";
}

}  // namespace
}  // namespace dmarcate
