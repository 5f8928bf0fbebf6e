// tests/simulation/scenario.h
// Scenario files: what happens to a domain and what the rollout must do, in lines that a mail
// administrator can read and write (docs/rollout-scenarios.md). One statement a line, carried out
// in order in a simulated world; the judge watches each of them.

#ifndef DMARCATE_TESTS_SIMULATION_SCENARIO_H_
#define DMARCATE_TESTS_SIMULATION_SCENARIO_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dmarcate::simulation {

struct Statement {
  int line = 0;
  std::string text;                // as written, without the comment
  std::vector<std::string> words;  // a quoted text is one word, without its quotes
};

struct Scenario {
  std::string row;  // of the failure table, as `row` says it
  std::vector<Statement> statements;
};

// Splits into statements and checks that each is one that RunScenario knows.
//   kInvalidArgument  "NAME:12: unknown statement 'expekt stage'"
absl::StatusOr<Scenario> ParseScenario(std::string_view name, std::string_view text);

struct ScenarioResult {
  int expectations = 0;  // that held
  int32_t days = 0;
};
//   kInvalidArgument      a statement that makes no sense, with its line
//   kFailedPrecondition   an expectation that does not hold, with its line, what is, and why; or a
//                         never-event
absl::StatusOr<ScenarioResult> RunScenario(std::string_view name, const Scenario& scenario);

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_SCENARIO_H_
