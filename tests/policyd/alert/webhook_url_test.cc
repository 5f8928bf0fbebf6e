#include "policyd/alert/webhook_url.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ParseWebhookUrl, ReadsHostAndPort) {
  struct Case {
    const char* url;
    const char* host;
    uint16_t port;
    bool literal;
  };
  const Case cases[] = {
      {"https://hooks.example.com", "hooks.example.com", 443, false},
      {"https://Hooks.Example.COM/a/b?c=d&e=%20", "hooks.example.com", 443, false},
      {"https://hooks.example.com:8443/", "hooks.example.com", 8443, false},
      {"https://hooks.example.com?x", "hooks.example.com", 443, false},
      {"https://xn--bcher-kva.example/x", "xn--bcher-kva.example", 443, false},
      {"https://198.51.100.7/x", "198.51.100.7", 443, true},
      {"https://[2001:db8::1]:8443/x", "2001:db8::1", 8443, true},
  };
  for (const Case& c : cases) {
    const auto url = ParseWebhookUrl(c.url);
    ASSERT_TRUE(url.ok()) << c.url << ": " << url.status();
    EXPECT_EQ(url->host, c.host);
    EXPECT_EQ(url->port, c.port);
    EXPECT_EQ(url->literal.has_value(), c.literal);
    EXPECT_EQ(url->url, c.url);
  }
}

TEST(ParseWebhookUrl, TheMessageQuotesNothingOfIt) {
  const auto url = ParseWebhookUrl("https://user@hooks.example.com/s3cr3t");
  EXPECT_FALSE(url.ok());
  EXPECT_THAT(url.status().ToString(), Not(HasSubstr("s3cr3t")));
}

}  // namespace
}  // namespace dmarcate
