// tests/lib/mail/generated_mail.h
// Report mail from the shared generator (../shared/tools/gen_reports.py), which is no part of the
// project.

#ifndef DMARCATE_TESTS_LIB_MAIL_GENERATED_MAIL_H_
#define DMARCATE_TESTS_LIB_MAIL_GENERATED_MAIL_H_

#include <string>
#include <vector>

#include "tests/testing/temp_dir.h"

namespace dmarcate {

// False where the generator or python3 is missing: the test skips itself.
bool HaveReportGenerator();

// Writes `reports` reports into `directory`: eml/*.eml, attachments/*, reports.mbox and truth.json.
// The same arguments give the same reports. Fails the test if the generator does.
void GenerateReports(const testing_support::TempDir& directory, int reports,
                     const std::vector<std::string>& more_arguments = {});

// The files below `root` that end in `suffix`, sorted; none if there is no `root`.
std::vector<std::string> FilesBelow(const std::string& root, const std::string& suffix);

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_MAIL_GENERATED_MAIL_H_
