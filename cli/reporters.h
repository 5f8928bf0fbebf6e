// cli/reporters.h
// dmarcate reports reporters: who reports, and how they keep to the format.

#ifndef DMARCATE_CLI_REPORTERS_H_
#define DMARCATE_CLI_REPORTERS_H_

namespace CLI {
class App;
}

namespace dmarcate::cli {

class App;

// Adds itself to `reports`.
void AddReporters(CLI::App* reports, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_REPORTERS_H_
