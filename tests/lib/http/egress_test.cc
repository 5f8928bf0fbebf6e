// Which addresses a stranger's name may lead to, and that nothing is sent anywhere else.
#include "lib/http/egress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/http/fake_transport.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing_support::IsOk;
using testing_support::StatusIs;

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

// The first and the last address of every block of the registries that is refused, and the
// neighbours of it where they are public.
struct Block {
  std::string name;
  std::vector<std::string> inside;
  std::vector<std::string> outside;
};
const Block kBlocks[] = {
    {"ThisNetwork", {"0.0.0.0", "0.255.255.255"}, {"1.0.0.0"}},
    {"Private10", {"10.0.0.0", "10.255.255.255"}, {"9.255.255.255", "11.0.0.0"}},
    {"Shared", {"100.64.0.0", "100.127.255.255"}, {"100.63.255.255", "100.128.0.0"}},
    {"SharedMetadata", {"100.100.100.200"}, {}},
    {"Loopback", {"127.0.0.0", "127.0.0.1", "127.255.255.255"}, {"126.255.255.255", "128.0.0.0"}},
    {"LinkLocal", {"169.254.0.0", "169.254.255.255"}, {"169.253.255.255", "169.255.0.0"}},
    {"Metadata", {"169.254.169.254", "169.254.170.2"}, {}},
    {"AzureMetadata", {"168.63.129.16"}, {"168.63.129.15", "168.63.129.17"}},
    {"Private172", {"172.16.0.0", "172.31.255.255"}, {"172.15.255.255", "172.32.0.0"}},
    {"Protocols", {"192.0.0.0", "192.0.0.192", "192.0.0.255"}, {"191.255.255.255", "192.0.1.0"}},
    {"Documentation1", {"192.0.2.0", "192.0.2.255"}, {"192.0.1.255", "192.0.3.0"}},
    {"As112", {"192.31.196.0", "192.31.196.255"}, {"192.31.195.255", "192.31.197.0"}},
    {"Amt", {"192.52.193.0", "192.52.193.255"}, {"192.52.192.255", "192.52.194.0"}},
    {"Relays6to4", {"192.88.99.0", "192.88.99.255"}, {"192.88.98.255", "192.88.100.0"}},
    {"Private192", {"192.168.0.0", "192.168.255.255"}, {"192.167.255.255", "192.169.0.0"}},
    {"As112Direct", {"192.175.48.0", "192.175.48.255"}, {"192.175.47.255", "192.175.49.0"}},
    {"Benchmark", {"198.18.0.0", "198.19.255.255"}, {"198.17.255.255", "198.20.0.0"}},
    {"Documentation2", {"198.51.100.0", "198.51.100.255"}, {"198.51.99.255", "198.51.101.0"}},
    {"Documentation3", {"203.0.113.0", "203.0.113.255"}, {"203.0.112.255", "203.0.114.0"}},
    {"Multicast", {"224.0.0.0", "239.255.255.255"}, {"223.255.255.255"}},
    {"Reserved", {"240.0.0.0", "255.255.255.254"}, {}},
    {"Broadcast", {"255.255.255.255"}, {}},
    {"Unspecified6", {"::"}, {}},
    {"Loopback6", {"::1"}, {}},
    {"Compatible", {"::2", "::7f00:1", "::ffff:ffff"}, {}},
    {"Mapped",
     {"::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"},
     {"::ffff:8.8.8.8"}},
    {"Translated", {"::ffff:0:8.8.8.8"}, {}},
    {"Nat64",
     {"64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254"},
     {"64:ff9b::8.8.8.8"}},
    {"Nat64OfASite",
     {"64:ff9b:1::", "64:ff9b:1::8.8.8.8", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"},
     {}},
    {"Nat64Neighbours", {"64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9b::1:808:808"}, {}},
    {"Discard", {"100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::"}, {}},
    {"Protocols6",
     {"2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"},
     {"2001:200::", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}},
    {"Teredo", {"2001:0:4136:e378:8000:63bf:3fff:fdd2"}, {}},
    {"Benchmark6", {"2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"}, {}},
    {"Orchid", {"2001:10::", "2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"}, {}},
    {"DroneIds", {"2001:30::"}, {}},
    {"Documentation6",
     {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},
     {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"}},
    {"Documentation6Large",
     {"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"},
     {"3fff:1000::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}},
    {"SixToFour",
     {"2002::", "2002:a00:1::1", "2002:808:808::1"},
     {"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"}},
    {"As112Six", {"2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"}, {"2620:4f:8001::"}},
    {"SegmentRouting", {"5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, {}},
    {"NotGivenOut",
     {"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::", "8000::", "f000::"},
     {"2a00:1450::1", "2c00::1", "2600::1"}},
    {"UniqueLocal",
     {"fc00::", "fd00:ec2::254", "fd20:ce::254", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
     {}},
    {"LinkLocal6", {"fe80::", "fe80::1", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, {}},
    {"SiteLocal", {"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, {}},
    {"Multicast6", {"ff00::", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, {}},
};
class EgressBlocks : public testing::TestWithParam<Block> {};
TEST_P(EgressBlocks, AreRefusedToTheirEdges) {
  for (const std::string& address : GetParam().inside) {
    EXPECT_FALSE(IsPublicAddress(Ip(address))) << address;
    EXPECT_THAT(EgressGuard{}.Check(Ip(address)),
                StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr(": ")));
  }
  for (const std::string& address : GetParam().outside) {
    EXPECT_EQ(SpecialPurpose(Ip(address)), "") << address;
    EXPECT_THAT(EgressGuard{}.Check(Ip(address)), IsOk());
  }
}
INSTANTIATE_TEST_SUITE_P(All, EgressBlocks, testing::ValuesIn(kBlocks),
                         [](const auto& instance) { return instance.param.name; });

TEST(EgressGuard, TheOperatorsNetworksAreAllowed) {
  const EgressGuard guard{{IpNetwork::Parse("10.1.0.0/16").value()}};
  EXPECT_THAT(guard.Check(Ip("10.1.2.3")), IsOk());
  EXPECT_THAT(guard.Check(Ip("10.2.0.0")),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("10.2.0.0: private use")));
  EXPECT_THAT(guard.Check(Ip("192.0.3.1")), IsOk());
}

class SendGuardedTest : public testing::Test {
 protected:
  absl::StatusOr<HttpResponse> Send(const std::vector<IpAddress>& addresses,
                                    HttpRequest request = {.url = "https://a.test/x"}) {
    return SendGuarded(http_, std::move(request), addresses, 443, guard_);
  }
  FakeHttpTransport http_{[](const HttpRequest&) { return HttpResponse{.status = 200}; }};
  EgressGuard guard_;
};

TEST_F(SendGuardedTest, PinsTheAddress) {
  EXPECT_THAT(Send({Ip("8.8.8.8")}), IsOk());
  EXPECT_THAT(Send({Ip("2600::1")}), IsOk());
  ASSERT_THAT(http_.requests(), SizeIs(2));
  EXPECT_EQ(http_.requests()[0].connect_to, "8.8.8.8:443");
  EXPECT_EQ(http_.requests()[0].url, "https://a.test/x");
  EXPECT_EQ(http_.requests()[1].connect_to, "[2600::1]:443");
}

TEST_F(SendGuardedTest, OneForbiddenAddressForbidsAll) {
  EXPECT_THAT(Send({Ip("8.8.8.8"), Ip("127.0.0.1")}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("127.0.0.1: loopback")));
  EXPECT_THAT(http_.requests(), IsEmpty());
}

TEST_F(SendGuardedTest, OnlyHttpsAndOnlyOnePin) {
  EXPECT_THAT(Send({Ip("8.8.8.8")}, {.url = "http://a.test/"}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Send({Ip("8.8.8.8")}, {.url = "https://a.test/", .connect_to = "10.0.0.1:443"}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Send({}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(http_.requests(), IsEmpty());
}

TEST_F(SendGuardedTest, TheSecondAddressIsTriedIfTheFirstIsNotReached) {
  http_.SetHandler([](const HttpRequest& request) -> absl::StatusOr<HttpResponse> {
    if (request.connect_to == "8.8.8.8:443") return absl::UnavailableError("refused");
    return HttpResponse{.status = 200};
  });
  EXPECT_THAT(Send({Ip("8.8.8.8"), Ip("8.8.4.4")}), IsOk());
  ASSERT_THAT(http_.requests(), SizeIs(2));
  EXPECT_EQ(http_.requests()[1].deadline, HttpRequest().deadline / 2) << "they share it";
  http_.ClearRequests();
  http_.SetHandler([](const HttpRequest&) { return absl::UnavailableError("refused"); });
  EXPECT_THAT(Send({Ip("8.8.8.8"), Ip("8.8.4.4"), Ip("1.1.1.1")}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(http_.requests(), SizeIs(2)) << "two are enough";
  http_.ClearRequests();
  http_.SetHandler([](const HttpRequest&) { return absl::UnknownError("reset"); });
  EXPECT_THAT(Send({Ip("8.8.8.8"), Ip("8.8.4.4")}), StatusIs(absl::StatusCode::kUnknown));
  EXPECT_THAT(http_.requests(), SizeIs(1)) << "somebody answered";
}

}  // namespace
}  // namespace dmarcate
