// cli/import.h
// `dmarcate reports import`: files and folders over one stream to ingestd, each acknowledged by
// itself.

#ifndef DMARCATE_CLI_IMPORT_H_
#define DMARCATE_CLI_IMPORT_H_

#include <string>
#include <vector>

#include "cli/app.h"

namespace dmarcate::cli {

// Walks `paths` ("-" is standard input as one item), sends what it finds, shows progress on stderr
// and the sums on stdout. Exit code 9 if part of it could not be read as a report, with each such
// item told.
int ImportReports(App* app, const std::vector<std::string>& paths);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_IMPORT_H_
