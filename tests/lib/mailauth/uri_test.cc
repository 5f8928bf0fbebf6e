#include "lib/mailauth/uri.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

TEST(ParseUri, ReadsSchemeMailboxAndHost) {
  const struct {
    std::string text, scheme, mailbox, host;
  } cases[] = {
      {"mailto:R@X.test", "mailto", "R@X.test", "x.test"},
      {"MAILTO:a%23b@x.test?subject=@y", "mailto", "a#b@x.test", "x.test"},
      {"mailto:r@x.test#part", "mailto", "r@x.test", "x.test"},
      {"mailto:r@x.test#a@y.test", "mailto", "r@x.test", "x.test"},
      {"mailto:r#@x.test", "mailto", "", ""},
      {"mailto:r@%5B192.0.2.1%5D", "mailto", "r@[192.0.2.1]", "[192.0.2.1]"},
      {"https://X.test/r", "https", "", "x.test"},
      {"https://x.test:8443/r:1?a@b#c:d", "https", "", "x.test"},
      {"https://u:p@x.test:65535", "https", "", "x.test"},
      {"https://x.test:", "https", "", "x.test"},
      {"https://x.test:1", "https", "", "x.test"},
      {"https://[2001:DB8::1]/r", "https", "", "[2001:db8::1]"},
      {"https://[::1]:443", "https", "", "[::1]"},
      {"https://u@[::ffff:192.0.2.1]?r", "https", "", "[::ffff:192.0.2.1]"},
      {"https:///r", "https", "", ""},
      {"https:x", "https", "", ""},
  };
  for (const auto& test : cases) {
    const auto uri = ParseUri(test.text);
    ASSERT_TRUE(uri.ok()) << test.text << uri.status();
    EXPECT_EQ(uri->text, test.text);
    EXPECT_EQ(uri->scheme, test.scheme) << test.text;
    EXPECT_EQ(uri->mailbox, test.mailbox) << test.text;
    EXPECT_EQ(uri->host, test.host) << test.text;
  }
}

TEST(ParseUri, RefusesWhatIsNone) {
  const struct {
    std::string text, why;
  } cases[] = {
      {"", "no scheme"},
      {"x.test/r", "no scheme"},
      {":x", "no scheme"},
      {"1a:x", "no scheme"},
      {"mailto:", "nothing follows"},
      {"mailto:a b@x.test", "percent-encoded"},
      {"mailto:%4@x.test", "two hex digits"},
      {"mailto:a@x.test#b#c", "more than one '#'"},
      {"https://x.test/#a#", "more than one '#'"},
      {"mailto:a@[192.0.2.1]", "must be percent-encoded"},
      {"https://x.test/[1]", "must be percent-encoded"},
      {"https://x.test?a[]=1", "must be percent-encoded"},
      {"https:[::1]", "must be percent-encoded"},
      {"https://[::1]@x.test/", "must be percent-encoded"},
      {"https://x[::1]/", "must be percent-encoded"},
      {"https://[2001:db8::1/r", "no IPv6 address"},
      {"https://[]/", "no IPv6 address"},
      {"https://[192.0.2.1]/", "no IPv6 address"},
      {"https://[fe80::1%25eth0]/", "no IPv6 address"},
      {"https://[[::1]]/", "no IPv6 address"},
      {"https://[::1]]/", "no port"},
      {"https://[::1]443/", "no port"},
      {"https://x.test:0/", "no port"},
      {"https://x.test:65536/", "no port"},
      {"https://x.test:+1/", "no port"},
      {"https://x.test:443x/", "no port"},
      {"https://2001:db8::1/", "no port"},
  };
  for (const auto& test : cases) {
    const auto uri = ParseUri(test.text);
    EXPECT_EQ(uri.status().code(), absl::StatusCode::kInvalidArgument) << test.text;
    EXPECT_THAT(std::string(MessageOf(uri.status())), testing::HasSubstr(test.why)) << test.text;
  }
}

}  // namespace
}  // namespace dmarcate
