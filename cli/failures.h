// cli/failures.h
// The commands about failure reports, below `dmarcate reports`.

#ifndef DMARCATE_CLI_FAILURES_H_
#define DMARCATE_CLI_FAILURES_H_

namespace CLI {
class App;
}

namespace dmarcate::cli {

class App;

void AddFailures(CLI::App* reports, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_FAILURES_H_
