#include "lib/view/posture_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/dns/fake_resolver.h"
#include "lib/inspect/posture.h"

namespace dmarcate {
namespace {

TEST(LintFindingMessage, HasThePositionIfThereIsOne) {
  LintFinding finding;
  finding.code = lint_code::kSpfPtr;
  finding.severity = Severity::kWarning;
  finding.path = "spf/ptr";
  v1::LintFinding whole;
  ToMessage(finding, &whole);
  EXPECT_EQ(whole.code(), "SPF_PTR");
  EXPECT_EQ(whole.severity(), v1::SEVERITY_WARNING);
  EXPECT_FALSE(whole.has_position());

  finding.position = 0;
  v1::LintFinding first;
  ToMessage(finding, &first);
  ASSERT_TRUE(first.has_position()) << "octet 0 is a place, too";
  EXPECT_EQ(first.position(), 0);
}

struct DkimCase {
  std::string name, record;  // at the selector; empty: no name there
  v1::DkimKeyState want;
  std::string type;
  int bits = 0;
  bool testing = false, strict = false;
};
const std::string kEd25519 = "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";  // RFC 8463
const DkimCase kDkimCases[] = {
    {"Usable", "v=DKIM1; k=ed25519; " + kEd25519, v1::DKIM_KEY_STATE_USABLE, "ed25519", 256},
    {"Flags", "v=DKIM1; k=ed25519; t=y:s; " + kEd25519, v1::DKIM_KEY_STATE_USABLE, "ed25519", 256,
     true, true},
    {"Revoked", "v=DKIM1; p=", v1::DKIM_KEY_STATE_REVOKED, "rsa"},
    {"Absent", "", v1::DKIM_KEY_STATE_ABSENT, ""},
    {"AnotherText", "hello", v1::DKIM_KEY_STATE_ABSENT, ""},
    {"DoesNotParse", "v=DKIM1; p=***", v1::DKIM_KEY_STATE_UNUSABLE, ""},
    {"NotForMail", "v=DKIM1; k=ed25519; s=tlsrpt; " + kEd25519, v1::DKIM_KEY_STATE_UNUSABLE,
     "ed25519", 256},
};
class DkimKeyTest : public testing::Test {
 protected:
  v1::DkimKeyView View() {
    PostureOptions options;
    options.server_views = ServerViews::kSkip;
    v1::LiveRecord record;
    ToMessage(InspectDkim(DomainName::Parse("example.com").value(), "s1", dns_, nobody_, options),
              &record);
    return record.dkim_key();
  }
  const DomainName owner_ = DomainName::Parse("s1._domainkey.example.com").value();
  FakeResolver dns_;
  FakeAuthoritativeResolver nobody_;
};
class DkimKeyMessage : public DkimKeyTest, public testing::WithParamInterface<DkimCase> {};
TEST_P(DkimKeyMessage, SaysWhatVerifiersMakeOfIt) {
  if (!GetParam().record.empty()) dns_.SetTxt(owner_, {GetParam().record});
  const v1::DkimKeyView view = View();
  EXPECT_EQ(view.selector(), "s1");
  EXPECT_EQ(view.state(), GetParam().want);
  EXPECT_EQ(view.key_type(), GetParam().type);
  EXPECT_EQ(view.bits(), GetParam().bits);
  EXPECT_EQ(view.testing(), GetParam().testing);
  EXPECT_EQ(view.strict_identity(), GetParam().strict);
  EXPECT_FALSE(view.has_signatures());
}
INSTANTIATE_TEST_SUITE_P(All, DkimKeyMessage, testing::ValuesIn(kDkimCases),
                         [](const auto& instance) { return instance.param.name; });

TEST_F(DkimKeyTest, SeveralIsUnusableAndNoAnswerUnknown) {
  dns_.SetTxt(owner_, {"v=DKIM1; k=ed25519; " + kEd25519, "v=DKIM1; p="});
  EXPECT_EQ(View().state(), v1::DKIM_KEY_STATE_UNUSABLE);
  dns_.FailAll(absl::UnavailableError("SERVFAIL"));
  EXPECT_EQ(View().state(), v1::DKIM_KEY_STATE_UNKNOWN);
}

}  // namespace
}  // namespace dmarcate
