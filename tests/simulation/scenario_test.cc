// F2: each row of the failure table of a rollout is a scenario file, and each of them holds
// (docs/rollout-scenarios.md).

#include "tests/simulation/scenario.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate::simulation {
namespace {

using testing::HasSubstr;

constexpr char kDirectory[] = "tests/data/scenarios/rollout";

std::string Read(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<std::string> Files() {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kDirectory)) {
    if (entry.path().extension() == ".scenario") names.insert(entry.path().stem().string());
  }
  return {names.begin(), names.end()};
}

class ScenarioTest : public testing::TestWithParam<std::string> {};

TEST_P(ScenarioTest, Holds) {
  const std::string name = GetParam() + ".scenario";
  const auto scenario = ParseScenario(name, Read(std::filesystem::path(kDirectory) / name));
  ASSERT_TRUE(scenario.ok()) << scenario.status().message();
  const auto result = RunScenario(name, *scenario);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_GT(result->expectations, 1) << "it asks for nothing";
  std::printf("%s: %d expectations hold, %d days\n", name.c_str(), result->expectations,
              result->days);
}

INSTANTIATE_TEST_SUITE_P(All, ScenarioTest, testing::ValuesIn(Files()), [](const auto& c) {
  std::string name = c.param;
  for (char& letter : name) {
    if (letter == '-') letter = '_';
  }
  return name;
});

// The failure table of a rollout, reference/safety.md 6.3; docs/rollout-scenarios.md has it with
// what must happen.
const std::pair<const char*, const char*> kRows[] = {
    {"01-controller-restarts", "controller restarts, twice, at any point"},
    {"02-reports-late-and-twice", "reports late, re-sent, duplicated, out of order"},
    {"03-period-spans-a-policy-change", "report period spans a policy change"},
    {"04-anchor-silent", "anchor silent"},
    {"05-ingest-backlog", "ingest backlog"},
    {"06-approved-source-fails", "approved source starts failing (anchors)"},
    {"07-fails-by-strangers-only", "approved source failing only per non-anchors"},
    {"08-new-source", "new source appears at 20 % of volume"},
    {"09-human-edits-the-record", "human edits DMARC outside"},
    {"10-somebody-lowers-p", "someone lowered p outside"},
    {"11-push-needs-attention", "push NEEDS_ATTENTION"},
    {"12-spf-breaks-outside", "SPF breaks outside"},
    {"13-approval-during-evaluation", "approve/reject during evaluation"},
    {"14-clock-jumps", "clock jumps"},
    {"15-paused-suspended-disk-full", "tenant paused, license of nothing, disk full"},
    {"16-emergency-stop", "emergency stop"},
    {"17-two-controllers", "two controllers after fail-over"},
    {"18-ownership-lapses", "domain ownership proof lapses"},
};

TEST(ScenarioFilesTest, EachRowOfTheFailureTableHasOne) {
  for (const auto& [file, row] : kRows) {
    const std::string name = std::string(file) + ".scenario";
    const auto scenario = ParseScenario(name, Read(std::filesystem::path(kDirectory) / name));
    ASSERT_TRUE(scenario.ok()) << scenario.status().message();
    EXPECT_EQ(scenario->row, row) << name;
  }
}

struct BadCase {
  std::string name, text, want;
};
const BadCase kBadCases[] = {
    {"UnknownStatement", "start\nexpekt stage reject\n", "x:2: unknown statement 'expekt stage"},
    {"OpenQuote", "record \"v=DMARC1\n", "x:1: a quote is not closed"},
    {"Nothing", "# only words\n", "x: no statement"},
    {"NoNumber", "start\nafter some days\n", "x:2: after some days: day 0: 'some' is no number"},
    {"NoUnit", "start\nafter 3 weeks\n", "x:2: after 3 weeks: day 0: 'weeks' is not days"},
    {"UnknownService", "sender acme 5 a day\n", "x:1: sender acme 5 a day"},
    {"CannotBeExpected", "start\nexpect wonders\n", "x:2: expect wonders"},
    {"DoesNotHold", "start\nexpect stage reject\n",
     "x:2: expect stage reject: day 0: the stage is observe"},
};
class BadScenarioTest : public testing::TestWithParam<BadCase> {};
TEST_P(BadScenarioTest, SaysWhichLine) {
  const auto scenario = ParseScenario("x", GetParam().text);
  const absl::Status status =
      scenario.ok() ? RunScenario("x", *scenario).status() : scenario.status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().want));
}
INSTANTIATE_TEST_SUITE_P(All, BadScenarioTest, testing::ValuesIn(kBadCases),
                         [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace dmarcate::simulation
