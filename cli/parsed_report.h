// cli/parsed_report.h
// A report that was found in a file, as the API would say it, and as rows of csv.

#ifndef DMARCATE_CLI_PARSED_REPORT_H_
#define DMARCATE_CLI_PARSED_REPORT_H_

#include <optional>
#include <string>

#include "cli/output.h"
#include "dmarcate/v1/report.pb.h"
#include "lib/unpack/unpack.h"

namespace dmarcate::cli {

// Of one that is an aggregate report.
v1::AggregateReport ToApi(const UnpackedReport& report);

// All reports of one run of `parse` as csv. Each kind has a table of its own, with its header; an
// empty line stands between two.
class ParsedTables {
 public:
  // `where`: the file, and the member in it. False: it is no report.
  bool Add(const std::string& where, const UnpackedReport& report);
  // To stdout.
  void Write() const;

 private:
  void AddTls(const std::string& where, const TlsReport& report);
  void AddFailure(const std::string& where, const FailureReport& report);

  std::optional<Table> records_, tls_, failures_;
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_PARSED_REPORT_H_
