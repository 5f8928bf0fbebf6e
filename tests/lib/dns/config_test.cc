#include "lib/dns/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::StatusIs;

struct AddressCase {
  std::string name;
  std::string text;
  std::string want;  // empty: refused
};
const AddressCase kAddresses[] = {
    {"V4WithPort", "192.0.2.53:5353", "192.0.2.53:5353"},
    {"V4Alone", "192.0.2.53", "192.0.2.53:53"},
    {"V6WithPort", "[2001:DB8::53]:5353", "[2001:db8::53]:5353"},
    {"V6InBrackets", "[2001:db8::53]", "[2001:db8::53]:53"},
    {"V6Bare", "2001:db8::53", "[2001:db8::53]:53"},
    {"NameIsRefused", "ns1.example.com:53", ""},
    {"EmptyIsRefused", "", ""},
    {"EmptyPortIsRefused", "192.0.2.53:", ""},
    {"PortZeroIsRefused", "192.0.2.53:0", ""},
    {"PortOver65535IsRefused", "192.0.2.53:65536", ""},
    {"PortWithSignIsRefused", "192.0.2.53:+53", ""},
    {"V4InBracketsIsRefused", "[192.0.2.53]:53", ""},
    {"OpenBracketIsRefused", "[2001:db8::53", ""},
    {"TailAfterBracketIsRefused", "[2001:db8::53]53", ""},
};
class ServerAddressTest : public testing::TestWithParam<AddressCase> {};
TEST_P(ServerAddressTest, Parses) {
  const auto got = ParseServerAddress(GetParam().text);
  EXPECT_EQ(got.ok() ? got->ToString() : "", GetParam().want) << got.status();
}
INSTANTIATE_TEST_SUITE_P(All, ServerAddressTest, testing::ValuesIn(kAddresses),
                         [](const auto& instance) { return instance.param.name; });

TEST(DnsConfig, ReadsTheTable) {
  auto file = TomlConfig::Parse(
      "[dns]\nresolvers = ['127.0.0.1:5305']\ntimeout = '500ms'\n"
      "[[dns.stub]]\nzone = 'Example.test.'\nservers = ['127.0.0.1:5301', '[::1]:5302']\n",
      "test");
  ASSERT_THAT(file, IsOk());
  const DnsConfig config = LoadDnsConfig(*file);
  ASSERT_THAT(file->Finish(), IsOk());
  EXPECT_THAT(config.resolvers, ElementsAre("127.0.0.1:5305"));
  EXPECT_EQ(config.timeout, absl::Milliseconds(500));
  EXPECT_EQ(config.deadline, absl::Seconds(10));
  ASSERT_EQ(config.stubs.size(), 1U);
  EXPECT_EQ(config.stubs[0].zone.text(), "example.test");
  EXPECT_THAT(config.stubs[0].servers, ElementsAre("127.0.0.1:5301", "[::1]:5302"));
}

struct BadTable {
  std::string name;
  std::string text;
  std::string want;
};
const BadTable kBadTables[] = {
    {"Resolver", "[dns]\nresolvers = ['dns.example.com']", "server address 'dns.example.com'"},
    {"Zone", "[[dns.stub]]\nzone = 'a..b'\nservers = ['127.0.0.1']", "empty label"},
    {"NoServers", "[[dns.stub]]\nzone = 'a.test'", "at least one server"},
    {"Typo", "[dns]\nresolver = ['127.0.0.1']", "resolvers"},
    {"Deadline", "[dns]\ntimeout = '5s'\ndeadline = '1s'", "shorter than dns.timeout"},
};
class DnsConfigErrors : public testing::TestWithParam<BadTable> {};
TEST_P(DnsConfigErrors, AreNamed) {
  auto file = TomlConfig::Parse(GetParam().text, "test");
  ASSERT_THAT(file, IsOk());
  LoadDnsConfig(*file);
  EXPECT_THAT(file->Finish(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().want)));
}
INSTANTIATE_TEST_SUITE_P(All, DnsConfigErrors, testing::ValuesIn(kBadTables),
                         [](const auto& instance) { return instance.param.name; });

TEST(ResolvConf, TakesThreeAddresses) {
  const auto got = ParseResolvConf(
      "# nameserver 192.0.2.9\nsearch example.test\nnameserver 192.0.2.1\n"
      "nameserver\t2001:db8::1 \nnameservers 192.0.2.8\nnameserver fe80::1%eth0\n"
      "nameserver 192.0.2.2\nnameserver 192.0.2.3\n");
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[1].ToString(), "[2001:db8::1]:53");
  EXPECT_EQ(got[2].ToString(), "192.0.2.2:53");
  EXPECT_EQ(ParseResolvConf("")[0].ToString(), "127.0.0.1:53");
}

}  // namespace
}  // namespace dmarcate
