// Webhooks: what is sent, and the addresses that nothing is sent to, however the URL or the DNS
// spells them.

#include "policyd/notify/webhook.h"

#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/dns/fake_resolver.h"
#include "lib/http/curl_transport.h"
#include "lib/http/fake_transport.h"
#include "policyd/notify/channel_notifier.h"
#include "policyd/provider/configured_secrets.h"
#include "tests/lib/inbound/certificates.h"
#include "tests/lib/inbound/smtp_server.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using absl::StatusCode;
using inbound_testing::CertificateWish;
using inbound_testing::Identity;
using inbound_testing::ServerSide;
using inbound_testing::SmtpServer;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing_support::IsOk;
using testing_support::StatusIs;
using testing_support::TempDir;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

DeliveryRecord Delivery() {
  DeliveryRecord out;
  out.id = "a-1";
  out.json = R"({"id":"a-1"})";
  return out;
}

class WebhookTest : public testing::Test {
 protected:
  WebhookTest() { resolver_.SetA(Name("hooks.example.com"), {"93.184.216.34"}); }
  absl::Status Send(const std::string& url) {
    return SendWebhook(url, Secret("key"), Delivery(), http_, resolver_, guard_, clock_, {});
  }
  void Answer(int status) {
    http_.SetHandler([status](const HttpRequest&) { return HttpResponse{.status = status}; });
  }

  FakeClock clock_{absl::FromUnixSeconds(1'782'820'800)};
  FakeResolver resolver_;
  FakeHttpTransport http_{[](const HttpRequest&) { return HttpResponse{.status = 204}; }};
  EgressGuard guard_;
};

TEST_F(WebhookTest, PostsTheBodySignedAndPinned) {
  ASSERT_THAT(Send("https://hooks.example.com/s3cr3t?x=1"), IsOk());
  ASSERT_THAT(http_.requests(), SizeIs(1));
  const HttpRequest request = http_.requests()[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "https://hooks.example.com/s3cr3t?x=1");
  EXPECT_EQ(request.body, R"({"id":"a-1"})");
  EXPECT_EQ(request.connect_to, "93.184.216.34:443");
  const auto header = [&](std::string_view name) -> std::string {
    for (const HttpHeader& each : request.headers) {
      if (each.name == name) return each.value;
    }
    return "";
  };
  EXPECT_EQ(header("Idempotency-Key"), "a-1");
  EXPECT_EQ(header("Dmarcate-Time"), "1782820800");
  EXPECT_EQ(header("Dmarcate-Signature"),
            "v1=" + ToHex(HmacSha256("key", R"(1782820800.{"id":"a-1"})")));
  EXPECT_EQ(header("Content-Type"), "application/json");
}

TEST_F(WebhookTest, OnlySuccessIsSuccess) {
  for (const int status : {200, 202, 204, 299}) {
    Answer(status);
    EXPECT_THAT(Send("https://hooks.example.com/x"), IsOk()) << status;
  }
  const std::pair<int, StatusCode> others[] = {
      {301, StatusCode::kFailedPrecondition}, {307, StatusCode::kFailedPrecondition},
      {401, StatusCode::kPermissionDenied},   {404, StatusCode::kUnavailable},
      {429, StatusCode::kUnavailable},        {500, StatusCode::kUnavailable}};
  for (const auto& [status, code] : others) {
    Answer(status);
    http_.ClearRequests();
    const absl::Status sent = Send("https://hooks.example.com/s3cr3t");
    EXPECT_EQ(sent.code(), code) << status;
    EXPECT_THAT(sent.ToString(), Not(HasSubstr("s3cr3t")));
    EXPECT_THAT(http_.requests(), SizeIs(1)) << "a redirect is not followed";
  }
}

// Each of these must reach nobody.
struct Refused {
  std::string url;
  std::vector<std::string> a = {}, aaaa = {};  // of victim.example.com
};

std::vector<Refused> RefusedCases() {
  std::vector<Refused> out;
  const auto url = [&out](const std::string& text) { out.push_back({.url = text}); };
  // Addresses that are somebody's inside, as they stand.
  const char* const v4[] = {"127.0.0.1",   "127.1.2.3",       "0.0.0.0",         "0.1.2.3",
                            "10.0.0.1",    "10.255.255.255",  "172.16.0.1",      "172.31.255.254",
                            "192.168.0.1", "192.168.255.255", "169.254.169.254", "169.254.170.2",
                            "100.64.0.1",  "100.100.100.200", "168.63.129.16",   "192.0.0.192",
                            "192.0.2.1",   "198.18.0.1",      "198.51.100.1",    "203.0.113.1",
                            "224.0.0.1",   "239.255.255.250", "240.0.0.1",       "255.255.255.255"};
  for (const char* const address : v4) url(fmt::format("https://{}/", address));
  const char* const v6[] = {"::",
                            "::1",
                            "::ffff:127.0.0.1",
                            "::ffff:10.0.0.1",
                            "::ffff:169.254.169.254",
                            "::ffff:7f00:1",
                            "::127.0.0.1",
                            "64:ff9b::7f00:1",
                            "64:ff9b::a9fe:a9fe",
                            "64:ff9b::10.0.0.1",
                            "64:ff9b:1::1",
                            "100::1",
                            "2001::1",
                            "2001:db8::1",
                            "2002:7f00:1::",
                            "2002:a9fe:a9fe::",
                            "3fff::1",
                            "fc00::1",
                            "fd00:ec2::254",
                            "fdff::1",
                            "fe80::1",
                            "fe80::a9fe:a9fe",
                            "fec0::1",
                            "ff02::1",
                            "ff0e::1",
                            "4000::1"};
  for (const char* const address : v6) url(fmt::format("https://[{}]/", address));
  // Forms that some parser takes for one of these.
  const char* const odd[] = {"2130706433",
                             "0x7f000001",
                             "0x7f.0.0.1",
                             "0177.0.0.1",
                             "127.1",
                             "127.0.1",
                             "017700000001",
                             "3232235521",
                             "0xA9FEA9FE",
                             "127.0.0.1.",
                             "127.000.000.001",
                             "1.1.1.1.1",
                             "256.1.1.1",
                             "127.0.0.0x1",
                             "localhost",
                             "LOCALHOST",
                             "metadata",
                             "[::1",
                             "[::1]x",
                             "[127.0.0.1]",
                             "[fe80::1%25eth0]",
                             "[fe80::1%eth0]",
                             "%31%32%37.0.0.1",
                             "127。0。0。1",
                             "①②⑦.0.0.1",
                             "xn--.example.com..",
                             "-a.example.com",
                             "a_b.example.com",
                             "a..example.com",
                             ""};
  for (const char* const host : odd) url(fmt::format("https://{}/", host));
  // URLs of which two readers see two hosts, or another scheme.
  const char* const whole[] = {"http://93.184.216.34/",
                               "HTTPS://93.184.216.34/",
                               "ftp://93.184.216.34/",
                               "file:///etc/passwd",
                               "gopher://127.0.0.1:6379/_x",
                               "//127.0.0.1/",
                               "https:/127.0.0.1/",
                               "https:127.0.0.1",
                               "https://93.184.216.34@127.0.0.1/",
                               "https://user:pw@hooks.example.com/",
                               "https://hooks.example.com@127.0.0.1/",
                               "https://127.0.0.1#@hooks.example.com/",
                               "https://hooks.example.com#.x",
                               "https://127.0.0.1\\@hooks.example.com/",
                               "https://hooks.example.com\\.127.0.0.1/",
                               "https://hooks.example.com:0/",
                               "https://hooks.example.com:65536/",
                               "https://hooks.example.com:443x/",
                               "https://hooks.example.com:+443/",
                               "https://hooks.example.com:0443/",
                               "https://hooks.example.com:/",
                               "https://hooks.example.com:80:443/",
                               " https://hooks.example.com/",
                               "https://hooks.example.com/ x",
                               "https://hooks.example.com/\r\nHost: a",
                               "https://hooks.example.com/\tx",
                               "https://hooks.exam\nple.com/"};
  for (const char* const text : whole) url(text);
  // Names whose DNS leads inside: alone, or among public addresses.
  const std::string victim = "https://victim.example.com/";
  out.push_back({victim, {"127.0.0.1"}});
  out.push_back({victim, {"10.0.0.1"}});
  out.push_back({victim, {"169.254.169.254"}});
  out.push_back({victim, {"93.184.216.34", "10.0.0.1"}});
  out.push_back({victim, {"10.0.0.1", "93.184.216.34"}});
  out.push_back({victim, {}, {"::1"}});
  out.push_back({victim, {}, {"fd00:ec2::254"}});
  out.push_back({victim, {}, {"::ffff:169.254.169.254"}});
  out.push_back({victim, {}, {"64:ff9b::a9fe:a9fe"}});
  out.push_back({victim, {"93.184.216.34"}, {"fe80::1"}});
  out.push_back({victim, {"93.184.216.34"}, {"2002:7f00:1::"}});
  out.push_back({victim, {}, {}});
  out.push_back({"https://victim.example.com:8443/x", {"192.168.1.1"}});
  out.push_back({"https://VICTIM.example.com/", {"0.0.0.0"}});
  return out;
}

TEST_F(WebhookTest, ReachesNobodyInside) {
  const std::vector<Refused> cases = RefusedCases();
  EXPECT_GE(cases.size(), 120u);
  for (const Refused& c : cases) {
    resolver_.SetA(Name("victim.example.com"), c.a);
    resolver_.SetAaaa(Name("victim.example.com"), c.aaaa);
    EXPECT_FALSE(Send(c.url).ok()) << c.url;
    EXPECT_THAT(http_.requests(), IsEmpty()) << c.url << " was sent to";
    http_.ClearRequests();
  }
  printf("%zu urls, none reached\n", cases.size());
}

TEST_F(WebhookTest, ASecondAnswerOfTheDnsDecidesNothing) {
  // Public when it is checked; whoever asks again is led inside.
  int asked = 0;
  resolver_.Before([&](const FakeResolver::Query& query) {
    if (query.name == Name("rebind.example.com") && query.type == RrType::kA) {
      resolver_.SetA(query.name, {asked++ == 0 ? "93.184.216.34" : "127.0.0.1"});
    }
  });
  ASSERT_THAT(Send("https://rebind.example.com/"), IsOk());
  ASSERT_THAT(http_.requests(), SizeIs(1));
  EXPECT_EQ(http_.requests()[0].connect_to, "93.184.216.34:443");
  EXPECT_EQ(asked, 1) << "resolved once";
}

TEST_F(WebhookTest, WhatTheOperatorAllowsIsReached) {
  guard_.allow = {*IpNetwork::Parse("10.2.0.0/16")};
  resolver_.SetA(Name("victim.example.com"), {"10.2.0.1"});
  EXPECT_THAT(Send("https://victim.example.com/"), IsOk());
  EXPECT_THAT(Send("https://10.2.3.4/"), IsOk());
  EXPECT_FALSE(Send("https://10.3.3.4/").ok());
  EXPECT_THAT(http_.requests(), SizeIs(2));
}

TEST_F(WebhookTest, SilenceOfTheDnsIsTriedAgain) {
  resolver_.Fail(Name("hooks.example.com"), RrType::kAaaa, absl::UnavailableError("SERVFAIL"));
  EXPECT_EQ(Send("https://hooks.example.com/").code(), StatusCode::kUnavailable);
  EXPECT_THAT(http_.requests(), IsEmpty()) << "what is not known may be an address inside";
}

// Over real sockets and TLS, to a server that keeps what it got.
TEST(WebhookOverTls, IsTakenByARealServer) {
  TempDir directory;
  CertificateWish wish{.subject = "ca", .names = {}};
  wish.not_before = absl::Now() - absl::Hours(1);
  wish.not_after = absl::Now() + absl::Hours(1);
  wish.authority = true;
  const Identity authority = Identity::SelfSigned(wish);
  wish.authority = false;
  wish.subject = "hooks.example.com";
  wish.names = {"hooks.example.com"};
  const Identity server = authority.Sign(wish);
  const std::string ca_file = directory.path() + "/ca.pem";
  ASSERT_TRUE(WriteFileAtomically(ca_file, authority.CertificatePem(), 0600).ok());

  const uint16_t port = testing_support::FreePort();
  std::mutex mutex;
  std::string got;
  const SmtpServer listener("127.0.0.1", port, [&](ServerSide& client) {
    if (!client.StartTls({server})) return;
    std::string head;
    for (std::string line = client.ReadLine(); !line.empty(); line = client.ReadLine()) {
      head += line + "\n";
    }
    client.Send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    const std::lock_guard lock(mutex);
    got = head;
  });
  FakeResolver resolver;
  resolver.SetA(Name("hooks.example.com"), {"127.0.0.1"});
  CurlTransport http({.schemes = CurlTransportOptions::Schemes::kHttpsOnly, .ca_file = ca_file});
  SystemClock clock;
  FakeSecretSource secrets(std::map<std::string, std::string, std::less<>>{{"hook-key", "key"}});
  AlertChannelRecord channel;
  channel.kind = AlertChannelKind::kWebhook;
  channel.url = fmt::format("https://hooks.example.com:{}/x", port);
  channel.secret_name = "hook-key";
  {
    ChannelNotifier strict(http, resolver, secrets, clock, {});
    EXPECT_THAT(strict.Send(channel, Delivery(), {}),
                StatusIs(StatusCode::kPermissionDenied,
                         AllOf(HasSubstr("127.0.0.1: loopback"),
                               HasSubstr("alerts.allow_networks in policyd.toml"))));
    EXPECT_EQ(listener.connections(), 0);
  }
  NotifyConfig config;
  config.guard.allow = {*IpNetwork::Parse("127.0.0.0/8")};
  ChannelNotifier notifier(http, resolver, secrets, clock, config);
  EXPECT_THAT(notifier.Send(channel, Delivery(), {}), IsOk());
  const std::lock_guard lock(mutex);
  EXPECT_THAT(got, HasSubstr("POST /x HTTP/"));
  EXPECT_THAT(got, HasSubstr("Dmarcate-Signature: v1="));
  channel.secret_name = "missing";
  EXPECT_THAT(notifier.Send(channel, Delivery(), {}), StatusIs(StatusCode::kFailedPrecondition));
}

// A digest made with a weak secret is enough to guess it, and who adds a channel chooses who gets
// the digest.
TEST_F(WebhookTest, ASecretThatIsBoundToAProviderSignsNothing) {
  TempDir directory;
  for (const char* name : {"dns-key", "hook-key", "any-key"}) {
    const std::string path = directory.path() + "/" + name;
    ASSERT_THAT(WriteFileAtomically(path, "key\n", 0400), IsOk());
  }
  SecretEntries entries;
  entries["dns-key"].uses = {"powerdns"};
  entries["hook-key"].uses = {"webhook:hooks.example.com"};
  ConfiguredSecretSource secrets(directory.path(), "", entries);
  ChannelNotifier notifier(http_, resolver_, secrets, clock_, {});
  AlertChannelRecord channel;
  channel.kind = AlertChannelKind::kWebhook;
  channel.url = "https://hooks.example.com/x";
  for (const char* name : {"hook-key", "any-key"}) {
    channel.secret_name = name;
    EXPECT_THAT(notifier.Send(channel, Delivery(), {}), IsOk()) << name;
  }
  http_.ClearRequests();
  channel.secret_name = "dns-key";
  const absl::Status refused = notifier.Send(channel, Delivery(), {});
  EXPECT_THAT(refused, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(refused.ToString(), HasSubstr("webhook:hooks.example.com"));
  channel.secret_name = "hook-key";
  channel.url = "https://other.example.com/x";
  resolver_.SetA(Name("other.example.com"), {"93.184.216.35"});
  EXPECT_THAT(notifier.Send(channel, Delivery(), {}), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(http_.requests(), IsEmpty());
}

}  // namespace
}  // namespace dmarcate
