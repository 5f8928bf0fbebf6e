#include "lib/view/posture_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace dmarcate
