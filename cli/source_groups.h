// dmarcate sources merge, split, ungroup, groupings: what a person does to the sources that the
// evidence makes.

#ifndef DMARCATE_CLI_SOURCE_GROUPS_H_
#define DMARCATE_CLI_SOURCE_GROUPS_H_

namespace CLI {
class App;
}

namespace dmarcate::cli {

class App;

// `group` is "sources".
void AddSourceGroups(CLI::App* group, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_SOURCE_GROUPS_H_
