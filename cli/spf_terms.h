// cli/spf_terms.h
// dmarcate changes terms: what each term of the SPF record carried, and which may go.

#ifndef DMARCATE_CLI_SPF_TERMS_H_
#define DMARCATE_CLI_SPF_TERMS_H_

namespace CLI {
class App;
}

namespace dmarcate::cli {

class App;

// Adds the command to `group`, which is `changes`.
void AddSpfTerms(CLI::App* group, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_SPF_TERMS_H_
