// cli/mta_sts_rollout.h
// dmarcate mta-sts start, list, show, explain, advance, update, pause, resume and abort.

#ifndef DMARCATE_CLI_MTA_STS_ROLLOUT_H_
#define DMARCATE_CLI_MTA_STS_ROLLOUT_H_

namespace CLI {
class App;
}

namespace dmarcate::cli {

class App;

// Into the group `mta-sts`.
void AddMtaStsRollout(CLI::App* group, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_MTA_STS_ROLLOUT_H_
