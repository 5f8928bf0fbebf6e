// dmarcate catalogue: the mail services that are known, and those of one's own.

#ifndef DMARCATE_CLI_CATALOGUE_H_
#define DMARCATE_CLI_CATALOGUE_H_

namespace CLI {
class App;
}

namespace dmarcate::cli {

class App;

void AddCatalogue(CLI::App* root, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_CATALOGUE_H_
