// lib/report/report_name.h
// What a file name or a mail subject says about a report (report-quirks section 4). It may fill
// gaps, it never overrides the document.

#ifndef DMARCATE_LIB_REPORT_REPORT_NAME_H_
#define DMARCATE_LIB_REPORT_REPORT_NAME_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dmarcate {

// "receiver!policy-domain!begin!end[!unique-id].xml[.gz]", RFC 9990 section 3.5.2.
struct ReportFileName {
  std::string receiver;  // may be empty (N2)
  std::string domain;    // a host name, lower case
  int64_t begin = 0;     // seconds since 1970 UTC; 0 if the name has none (N5)
  int64_t end = 0;
};
// nullopt if the name is not in that form (N3, N4): nothing is inferred from it then.
std::optional<ReportFileName> ReadReportFileName(std::string_view file_name);

// "Report Domain: d Submitter: s Report-ID: <id>", in any case, with or without blanks and
// brackets.
struct ReportSubject {
  std::string domain;  // lower case; each is empty if missing
  std::string submitter;
  std::string report_id;
};
ReportSubject ReadReportSubject(std::string_view subject);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_REPORT_NAME_H_
