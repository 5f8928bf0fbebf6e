#include "policyd/provider/factory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/file.h"
#include "lib/http/fake_transport.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::IsOk;
using testing_support::StatusIs;

DnsProviderRecord PowerDns() {
  DnsProviderRecord record;
  record.id = "pdns";
  record.type = "powerdns";
  record.settings = {{"api_url", "http://127.0.0.1:8081"}};
  record.secret_name = "key";
  return record;
}
DnsProviderRecord Rfc2136() {
  DnsProviderRecord record;
  record.id = "bind";
  record.type = "rfc2136";
  record.settings = {{"server", "192.0.2.53:53"}, {"key_name", "dmarcate."}};
  record.zones = {"example.com"};
  record.secret_name = "key";
  return record;
}

TEST(ValidateProviderTest, NamesTheSettingThatIsWrong) {
  EXPECT_THAT(ValidateProvider(PowerDns()), IsOk());
  EXPECT_THAT(ValidateProvider(Rfc2136()), IsOk());
  const struct {
    std::string key, value, want;
  } cases[] = {{"server", "ns1.example.com", "server"},
               {"server", "", "server"},
               {"key_name", "", "key_name"},
               {"key_name", "a b", "key_name"},
               {"algorithm", "hmac-md5", "algorithm"}};
  for (const auto& c : cases) {
    DnsProviderRecord record = Rfc2136();
    record.settings[c.key] = c.value;
    EXPECT_THAT(ValidateProvider(record),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.want)))
        << c.key << "=" << c.value;
  }
  DnsProviderRecord record = Rfc2136();
  record.zones = {};
  EXPECT_THAT(ValidateProvider(record),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("zones")));
  record.zones = {"a..b"};
  EXPECT_THAT(ValidateProvider(record),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("zones")));
  record = PowerDns();
  record.settings["api_url"] = "http://dns.example.net";
  EXPECT_THAT(ValidateProvider(record),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("api_url")));
  record.type = "route66";
  EXPECT_THAT(ValidateProvider(record),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("type")));
  record = PowerDns();
  record.secret_name = "../key";
  EXPECT_THAT(ValidateProvider(record), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(RealProviderFactoryTest, OpensWithTheNamedSecret) {
  FakeHttpTransport http;
  FakeSecretSource secrets(
      {{"key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}, {"bad", "this is not base64!"}});
  RealProviderFactory factory(http, secrets);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto powerdns, factory.Open(PowerDns()));
  EXPECT_EQ(powerdns->provider_class(), ProviderClass::kC);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto rfc2136, factory.Open(Rfc2136()));
  EXPECT_EQ(rfc2136->provider_class(), ProviderClass::kA);
  EXPECT_EQ(ProviderClassOf(PowerDns()).value(), ProviderClass::kC);
  EXPECT_THAT(ProviderClassOf({.type = "x"}), StatusIs(absl::StatusCode::kInvalidArgument));
  DnsProviderRecord record = Rfc2136();
  record.secret_name = "bad";
  EXPECT_THAT(factory.Open(record),
              StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr("this is not"))));
  record.secret_name = "none";
  EXPECT_THAT(factory.Open(record), StatusIs(absl::StatusCode::kNotFound));
}

TEST(RealProviderFactoryTest, OneAccountIsOpenedOnceForAll) {
  FakeHttpTransport http;
  testing_support::TempDir directory;
  const auto write = [&](std::string_view text) {
    ASSERT_TRUE(WriteFileAtomically(directory.File("key"), text, 0400).ok());
  };
  write("one");
  DirectorySecretSource secrets(directory.path());
  RealProviderFactory factory(http, secrets);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto first, factory.Open(PowerDns()));
  DnsProviderRecord record = PowerDns();
  record.id = "another account of the same";
  EXPECT_EQ(factory.Open(record).value(), first);
  record.settings["server_id"] = "other";
  EXPECT_NE(factory.Open(record).value(), first);
  // A secret that is replaced counts at once, and one that is gone, too.
  write("two");
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto second, factory.Open(PowerDns()));
  EXPECT_NE(second, first);
  EXPECT_EQ(factory.Open(PowerDns()).value(), second);
  ASSERT_EQ(unlink(directory.File("key").c_str()), 0);
  EXPECT_THAT(factory.Open(PowerDns()), StatusIs(absl::StatusCode::kNotFound));
}

TEST(RealProviderFactoryTest, WhatIsForgottenIsKeptByNobodyElse) {
  FakeHttpTransport http;
  FakeSecretSource secrets(FakeSecretSource::Secrets{{"key", "one"}});
  RealProviderFactory factory(http, secrets);
  DMARCATE_ASSERT_OK_AND_ASSIGN(auto used, factory.Open(PowerDns()));
  const std::weak_ptr<DnsProvider> kept = used;
  factory.Forget(PowerDns());
  EXPECT_FALSE(kept.expired());  // a change that runs goes on with it
  used.reset();
  EXPECT_TRUE(kept.expired());
  EXPECT_THAT(factory.Open(PowerDns()), IsOk());
  factory.Forget(PowerDns());
  factory.Forget(PowerDns());  // nothing is left of it
}

TEST(RealProviderFactoryTest, ASecretGoesToNoServerThatTheAccountChooses) {
  FakeHttpTransport http;
  FakeSecretSource secrets(FakeSecretSource::Secrets{{"key", "x"}});
  RealProviderFactory factory(http, secrets);
  DnsProviderRecord record = PowerDns();
  record.settings["api_url"] = "https://evil.example";
  EXPECT_THAT(ValidateProvider(record), IsOk());
  EXPECT_THAT(factory.Validate(record), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(factory.Open(record), StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST(RealProviderFactoryTest, ExecNamesAProgramOfTheConfiguration) {
  FakeHttpTransport http;
  FakeSecretSource secrets(FakeSecretSource::Secrets{{"key", "x"}});
  RealProviderFactory factory(http, secrets, {.programs = {{"mine", {{"/bin/true"}}}}});
  DnsProviderRecord record{.type = "exec", .settings = {{"program", "mine"}, {"class", "B"}}};
  EXPECT_THAT(factory.Open(record), IsOk());  // without a secret
  EXPECT_EQ(ProviderClassOf(record).value(), ProviderClass::kB);
  EXPECT_EQ(factory.Open(record).value()->provider_class(), ProviderClass::kB);
  record.settings["class"] = "E";
  EXPECT_THAT(factory.Validate(record),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("class")));
  record.settings = {{"program", "/bin/sh"}};
  EXPECT_THAT(factory.Validate(record),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("which has mine")));
  record.settings = {{"program", "mine"}, {"command", "/bin/sh"}};
  EXPECT_THAT(factory.Validate(record),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("command")));
}

class DirectorySecretSourceTest : public testing::Test {
 protected:
  void Write(const std::string& name, std::string_view text, mode_t mode) {
    const std::string path = directory_.path() + "/" + name;
    ASSERT_TRUE(WriteFileAtomically(path, text, mode).ok());
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
  }
  testing_support::TempDir directory_;
  DirectorySecretSource source_{directory_.path()};
};

TEST_F(DirectorySecretSourceTest, ReadsWithoutTheFinalNewline) {
  Write("key", "abc\n", 0400);
  EXPECT_EQ(source_.Read("key")->Reveal(), "abc");
  Write("key", "a\nb\r\n", 0440);
  EXPECT_EQ(source_.Read("key")->Reveal(), "a\nb");
}

TEST_F(DirectorySecretSourceTest, RefusesWhatOthersCanReachAndWhatIsNoFile) {
  for (const mode_t mode : {0644, 0604, 0420, 0402, 0401, 0777}) {
    Write("key", "abc", mode);
    EXPECT_THAT(source_.Read("key"), StatusIs(absl::StatusCode::kFailedPrecondition))
        << std::oct << mode;
  }
  Write("empty", "\n", 0400);
  EXPECT_THAT(source_.Read("empty"), StatusIs(absl::StatusCode::kFailedPrecondition));
  Write("max", std::string(4096, 'x') + "\n", 0400);
  EXPECT_THAT(source_.Read("max"), IsOk());
  Write("over", std::string(4097, 'x'), 0400);
  EXPECT_THAT(source_.Read("over"), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_EQ(symlink("max", (directory_.path() + "/link").c_str()), 0);
  EXPECT_THAT(source_.Read("link"), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_EQ(mkfifo((directory_.path() + "/fifo").c_str(), 0400), 0);
  EXPECT_THAT(source_.Read("fifo"), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_EQ(mkdir((directory_.path() + "/dir").c_str(), 0700), 0);
  EXPECT_THAT(source_.Read("dir"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(source_.Read("none"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DirectorySecretSourceTest, APathIsNoName) {
  for (const std::string bad :
       {"", ".", "..", "../key", "a/b", "/etc/passwd", ".hidden", "a b", "a\n", "é"}) {
    EXPECT_THAT(source_.Read(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_THAT(source_.Read(std::string_view("a\0b", 3)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(source_.Read(std::string(65, 'a')), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(source_.Read(std::string(64, 'a')), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace dmarcate
