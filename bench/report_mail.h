// bench/report_mail.h
// Mails as reporters send them: signed, with an aggregate report as a gzip attachment, 4,400 octets
// in the mean, each with its own report id, organization and records.

#ifndef DMARCATE_BENCH_REPORT_MAIL_H_
#define DMARCATE_BENCH_REPORT_MAIL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace dmarcate::bench {

// The reports are about `kReportedDomains` domains in turn: ReportedDomain(id).
inline constexpr uint64_t kReportedDomains = 1000;
std::string ReportedDomain(uint64_t id);

// About the day before `now`. The same arguments give the same mail.
std::string MakeReportMail(uint64_t id, absl::Time now);
// What has to be in the zone "test" for these mails to pass DKIM, SPF (from 127.0.0.1) and
// DMARC, in master file format.
std::string ReporterRecords();

}  // namespace dmarcate::bench

#endif  // DMARCATE_BENCH_REPORT_MAIL_H_
