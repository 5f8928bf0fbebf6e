// Where secrets come from, what they are for, and that they leave no text.

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/provider/api/scrub.h"
#include "policyd/provider/configured_secrets.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::IsOk;
using testing_support::StatusIs;

class ConfiguredSecretSourceTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text, mode_t mode = 0400) {
    ASSERT_EQ(chmod(directory_.Write(name, text).c_str(), mode), 0);
  }
  ConfiguredSecretSource Source(SecretEntries entries, bool credentials = true) {
    return {directory_.File("secrets"), credentials ? directory_.File("credentials") : "",
            std::move(entries)};
  }
  testing_support::TempDir directory_;
};

TEST_F(ConfiguredSecretSourceTest, AFileACredentialAndACommand) {
  Write("secrets/plain", "file\n");
  Write("secrets/bound", "bound\n");
  Write("credentials/dns", "credential\n");
  auto source = Source({{"bound", {.uses = {"cloudflare"}}},
                        {"systemd", {.credential = "dns"}},
                        {"vault", {.command = {"/bin/echo", "printed"}}}});
  EXPECT_EQ(source.Read("plain")->Reveal(), "file");
  EXPECT_EQ(source.Read("bound")->Reveal(), "bound");
  EXPECT_EQ(source.Read("systemd")->Reveal(), "credential");
  EXPECT_EQ(source.Read("vault")->Reveal(), "printed");
  EXPECT_THAT(source.Read("none"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(source.Read("../secrets/plain"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ConfiguredSecretSourceTest, ACredentialFollowsTheRulesOfFiles) {
  Write("credentials/open", "x", 0644);
  auto source = Source({{"open", {.credential = "open"}}, {"gone", {.credential = "gone"}}});
  EXPECT_THAT(source.Read("open"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(source.Read("gone"), StatusIs(absl::StatusCode::kNotFound));
  auto without = Source({{"open", {.credential = "open"}}}, false);
  EXPECT_THAT(without.Read("open"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("LoadCredential=open")));
}

TEST_F(ConfiguredSecretSourceTest, ACommandThatFailsTellsNothingOfWhatItSaid) {
  const auto by = [this](const std::string& script) {
    return Source({{"s", {.command = {"/bin/sh", "-c", script}}}}).Read("s").status();
  };
  const absl::Status failed = by("echo s3cret; echo s3cret >&2; exit 2");
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("exit status 2")));
  EXPECT_THAT(std::string(failed.message()), Not(HasSubstr("s3cret")));
  EXPECT_THAT(by("exit 0"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(by("head -c 5000 /dev/zero"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(by("head -c 4096 /dev/zero | tr '\\0' x; echo"), IsOk());
  EXPECT_THAT(Source({{"s", {.command = {"/nowhere/pass"}}}}).Read("s"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(CheckSecretUseTest, WhatLeavesTheMachineMustBeBound) {
  const SecretUse cloudflare{"cloudflare", "", false};
  const SecretUse here{"powerdns", "http://127.0.0.1:8081", false};
  const SecretUse there{"powerdns", "https://ns.example:8081", true};
  const SecretUse program{"exec", "knot", false};
  EXPECT_THAT(CheckSecretUse("s", {}, cloudflare), IsOk());
  EXPECT_THAT(CheckSecretUse("s", {}, here), IsOk());
  EXPECT_THAT(CheckSecretUse("s", {}, program), IsOk());
  EXPECT_THAT(CheckSecretUse("s", {}, there),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("use = [\"powerdns:https://ns.example:8081\"]")));
  const std::vector<std::string> by_type = {"powerdns"};
  EXPECT_THAT(CheckSecretUse("s", by_type, here), IsOk());
  EXPECT_THAT(CheckSecretUse("s", by_type, there), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(CheckSecretUse("s", by_type, cloudflare),
              StatusIs(absl::StatusCode::kPermissionDenied));
  const std::vector<std::string> bound = {"powerdns:https://ns.example:8081", "exec:knot"};
  EXPECT_THAT(CheckSecretUse("s", bound, there), IsOk());
  EXPECT_THAT(CheckSecretUse("s", bound, program), IsOk());
  EXPECT_THAT(CheckSecretUse("s", bound, here), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(
      CheckSecretUse("s", bound, {"powerdns", "https://ns.example:8081.evil.example", true}),
      StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(CheckSecretUse("s", bound, {"exec", "other", false}),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST(ScrubTest, TakesASecretOutInEveryDress) {
  const std::vector<std::string> secrets = {"pa/ss\"w+rd"};
  EXPECT_EQ(Scrub("key pa/ss\"w+rd is bad", secrets), "key (secret) is bad");
  EXPECT_EQ(Scrub("url?key=pa%2Fss%22w%2Brd&x", secrets), "url?key=(secret)&x");
  EXPECT_EQ(Scrub("{\"key\": \"pa/ss\\\"w+rd\"}", secrets), "{\"key\": \"(secret)\"}");
  EXPECT_EQ(Scrub("hex 70612f737322772b7264", secrets), "hex (secret)");
  EXPECT_THAT(Scrub("basic cGEvc3MidytyZA==", secrets), HasSubstr("(secret)"));
  EXPECT_EQ(Scrub("nothing here", secrets), "nothing here");
  EXPECT_EQ(Scrub("abc is too short", {"abc", ""}), "abc is too short");
}

TEST(ScrubTest, TakesThePartsOfAFileOut) {
  const std::vector<std::string> secrets = {
      "# comment\napikey = pk1_1234\nsecretapikey=sk1_5678\n"};
  EXPECT_EQ(Scrub("sent pk1_1234 and sk1_5678", secrets), "sent (secret) and (secret)");
}

TEST(ScrubTest, ATextThatWasCutMayEndInTheBeginningOfOne) {
  EXPECT_EQ(ScrubCut("the key is s3cret-ne", {"s3cret-never"}), "the key is (secret)");
  EXPECT_EQ(Scrub("the key is s3cret-ne", {"s3cret-never"}), "the key is s3cret-ne");
  EXPECT_EQ(ScrubCut("the end", {"endless"}), "the end");  // three octets
}

TEST(ScrubTest, AStatusKeepsItsCode) {
  EXPECT_EQ(ScrubStatus(absl::UnknownError("x s3cret y"), {"s3cret"}),
            absl::UnknownError("x (secret) y"));
  EXPECT_THAT(ScrubStatus(absl::OkStatus(), {"s3cret"}), IsOk());
}

}  // namespace
}  // namespace dmarcate
