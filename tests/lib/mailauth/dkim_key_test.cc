#include "lib/mailauth/dkim_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "tests/lib/mailauth/corpus.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The key of RFC 8463 appendix A.2 and the RSA key of RFC 6376 appendix C.
constexpr char kEd25519[] = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
constexpr char kRsa1024[] =
    "v=DKIM1; "
    "p=MIGJAoGBALVI635dLK4cJJAH3Lx6upo3X/Lm1tQz3mezcWTA3BUBnyIsdnRf57aD5BtNmhPrYYDlWlzw3UgnKi"
    "sIxktkk5+iMQMlFtAS10JB8L3YadXNJY+JBcbeSi5TgJe4WFzNgW95FWDAuSTRXSWZfA/8xjflbTLDx0euFZOM7C4T0Gwf"
    "AgMBAAE=";

TEST(ParseDkimKey, MeasuresKeys) {
  const auto ed = ParseDkimKey(kEd25519);
  ASSERT_TRUE(ed.ok()) << ed.status();
  EXPECT_EQ(ed->type, DkimKeyType::kEd25519);
  EXPECT_EQ(ed->strength(), DkimStrength::kGood);
  EXPECT_TRUE(ed->UsableForMail());
  const auto rsa = ParseDkimKey(kRsa1024);
  ASSERT_TRUE(rsa.ok()) << rsa.status();
  EXPECT_EQ(rsa->bits, 1024);
  EXPECT_EQ(rsa->form, DkimKeyForm::kRsaPublicKey);
  EXPECT_EQ(rsa->strength(), DkimStrength::kWeak);
  EXPECT_TRUE(rsa->exponent_is_65537);
}

TEST(ParseDkimKey, ReadsTags) {
  const auto key = ParseDkimKey(
      " v = DKIM1 ; h\t=\tsha1 : sha256 ; k=ed25519; s=email:tlsrpt; t=y : s;\r\n n= a note; "
      "p=11qYAYKx CrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= ; x=1; ");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_THAT(key->hashes, ElementsAre("sha1", "sha256"));
  EXPECT_THAT(key->services, ElementsAre("email", "tlsrpt"));
  EXPECT_TRUE(key->testing);
  EXPECT_TRUE(key->strict_identity);
  EXPECT_EQ(key->notes, "a note");
  EXPECT_TRUE(key->UsableForMail());
}

TEST(ParseDkimKey, KeepsWhatItDoesNotKnow) {
  const std::string text = std::string(kEd25519) + ";\r\n new_1 = any\tthing ;g=*; ";
  const auto record = ParseDkimKeyRecord(text);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->key, ParseDkimKey(text).value());
  EXPECT_EQ(record->Render(), text);
  EXPECT_EQ(ParseDkimKeyRecord(record->Render()).value(), *record);
  ASSERT_EQ(record->tags.size(), 5u);
  EXPECT_EQ(record->tags[3].name, "new_1");
  EXPECT_EQ(record->tags[3].value, "any\tthing");
  EXPECT_EQ(text.substr(static_cast<size_t>(record->tags[4].position)), "g=*; ");
}

struct Case {
  std::string name;
  std::string text;
  absl::StatusCode code;
  std::string message;
};
const Case kBad[] = {
    {"Empty", "", absl::StatusCode::kNotFound, "no tag"},
    {"SomethingElse", "google-site-verification", absl::StatusCode::kNotFound, "tag list"},
    {"SpfFromAWildcard", "v=spf1 -all", absl::StatusCode::kNotFound, "version"},
    {"OtherVersion", "v=DKIM2; p=", absl::StatusCode::kNotFound, "version"},
    {"NoP", "v=DKIM1; k=rsa", absl::StatusCode::kInvalidArgument, "p is missing"},
    {"VersionLast", "p=; v=DKIM1", absl::StatusCode::kInvalidArgument, "first"},
    {"Twice", "v=DKIM1; p=; p=", absl::StatusCode::kInvalidArgument, "twice"},
    {"NoBase64", "v=DKIM1; p=!!!", absl::StatusCode::kInvalidArgument, "base64"},
    {"NoKey", "v=DKIM1; p=AAAA", absl::StatusCode::kInvalidArgument, "no RSA key"},
    {"Ed25519WithoutK", "v=DKIM1; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
     absl::StatusCode::kInvalidArgument, "k=ed25519"},
    {"ShortEd25519",
     "v=DKIM1; k=ed25519; p=HbawiMnQXTCopHTkR0jlKQ==", absl::StatusCode::kInvalidArgument, "32"},
    {"TrailingOctets", std::string(kRsa1024).substr(0, std::string(kRsa1024).size() - 1) + "AAAA=",
     absl::StatusCode::kInvalidArgument, ""},
    {"UnknownType", "k=dsa; p=AAAA", absl::StatusCode::kInvalidArgument, "key type"},
    {"NonAscii", "v=DKIM1; n=\xc3\xbc; p=", absl::StatusCode::kInvalidArgument, "printable"},
    {"TooLong", "v=DKIM1; p=" + std::string(70000, 'A'), absl::StatusCode::kInvalidArgument,
     "longer"},
};
class BadDkimTest : public testing::TestWithParam<Case> {};
TEST_P(BadDkimTest, SaysWhy) {
  const auto key = ParseDkimKey(GetParam().text);
  EXPECT_EQ(key.status().code(), GetParam().code) << key.status();
  EXPECT_EQ(ParseDkimKeyRecord(GetParam().text).status(), key.status());
  EXPECT_THAT(std::string(MessageOf(key.status())), HasSubstr(GetParam().message));
}
INSTANTIATE_TEST_SUITE_P(All, BadDkimTest, testing::ValuesIn(kBad),
                         [](const auto& tested) { return tested.param.name; });

TEST(LintDkimKey, Finds) {
  const auto codes = [](std::string_view text) {
    std::vector<std::string> out;
    for (const LintFinding& finding : LintDkimKey(ParseDkimKey(text).value(), "dkim/s1")) {
      EXPECT_EQ(finding.path, "dkim/s1");
      out.push_back(finding.code);
    }
    return out;
  };
  EXPECT_THAT(codes(kEd25519), ElementsAre());
  EXPECT_THAT(codes(kRsa1024), ElementsAre("DKIM_KEY_SHORT"));
  EXPECT_THAT(codes("v=DKIM1; p="), ElementsAre("DKIM_KEY_REVOKED_IN_USE"));
  EXPECT_THAT(codes(std::string(kEd25519) + "; t=y"), ElementsAre("DKIM_TEST_MODE"));
  EXPECT_THAT(codes(std::string(kEd25519) + "; h=sha1"), ElementsAre("DKIM_SYNTAX"));
}

TEST(DkimCorpus, AgreesWithOtherVerifiers) {
  const auto lines = ReadCorpusLines("dns-records/dkim-keys.jsonl");
  if (lines.empty()) GTEST_SKIP() << "no corpus";
  for (const auto& line : lines) {
    const std::string where = line["id"];
    const std::string want = line["expect"];
    const auto key = ParseDkimKey(line["record"].get<std::string>());
    if (want.starts_with("not-dkim")) {
      EXPECT_EQ(key.status().code(), absl::StatusCode::kNotFound) << where;
    } else if (want.starts_with("invalid")) {
      EXPECT_EQ(key.status().code(), absl::StatusCode::kInvalidArgument) << where;
    } else {
      // "peer: invalid" is a blank behind the last semicolon, which we accept as most do.
      ASSERT_TRUE(key.ok()) << where << key.status();
      EXPECT_EQ(key->revoked, want == "revoked" || want.starts_with("peer")) << where;
    }
    if (!key.ok()) continue;
    EXPECT_EQ(ParseDkimKeyRecord(line["record"].get<std::string>())->Render(), line["record"])
        << where;
    if (line.contains("rsa_bits")) {
      EXPECT_EQ(key->bits, line["rsa_bits"]) << where;
    }
    if (line.contains("form")) {
      EXPECT_EQ(key->form == DkimKeyForm::kRsaPublicKey, line["form"] == "RSAPublicKey") << where;
    }
    if (line.contains("policy")) {
      const std::string policy = line["policy"];
      const DkimStrength strength = policy == "ok"                    ? DkimStrength::kGood
                                    : policy.starts_with("weak")      ? DkimStrength::kWeak
                                    : policy.starts_with("too-short") ? DkimStrength::kUnusable
                                                                      : DkimStrength::kTooLarge;
      EXPECT_EQ(key->strength(), strength) << where;
    }
    if (line.contains("tags")) {
      const auto& tags = line["tags"];
      EXPECT_EQ(nlohmann::json(key->hashes), tags["h"]) << where;
      EXPECT_EQ(nlohmann::json(key->services), tags["s"]) << where;
      EXPECT_EQ(nlohmann::json(key->flags), tags["t"]) << where;
      EXPECT_EQ(key->notes, tags["n"]) << where;
    }
  }
}

}  // namespace
}  // namespace dmarcate
