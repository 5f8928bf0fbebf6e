// cli/import.h
// `dmarcate reports import`: files, folders and archives of reports to ingestd.

#ifndef DMARCATE_CLI_IMPORT_H_
#define DMARCATE_CLI_IMPORT_H_

#include <string>
#include <vector>

#include "cli/app.h"

namespace dmarcate::cli {

// Walks `paths` ("-" is standard input), sends what it finds, shows progress on stderr and the sums
// on stdout. Exit code 9 if part of it was not sent or could not be read as a report; the first of
// them are told.
int ImportReports(App* app, const std::vector<std::string>& paths);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_IMPORT_H_
