// dmarcate rollout rules, dmarcate rollout freeze: what holds for every rollout of a domain, or of
// all.

#ifndef DMARCATE_CLI_ROLLOUT_RULES_H_
#define DMARCATE_CLI_ROLLOUT_RULES_H_

namespace CLI {
class App;
}

namespace dmarcate::cli {

class App;

// `group`: the command `rollout`.
void AddRolloutRules(CLI::App* group, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_ROLLOUT_RULES_H_
