// cli/reporter_text.h
// The ledger of reporters as tables and text.

#ifndef DMARCATE_CLI_REPORTER_TEXT_H_
#define DMARCATE_CLI_REPORTER_TEXT_H_

#include <string>

#include "cli/output.h"
#include "dmarcate/v1/common.pb.h"
#include "dmarcate/v1/reporter.pb.h"

namespace dmarcate::cli {

// One row a reporter.
Table ReporterTable(const google::protobuf::RepeatedPtrField<v1::Reporter>& reporters);
// Everything about one, for people; the findings with their meaning.
std::string ReporterText(const v1::Reporter& reporter);

// One row a reporter and day of the range, days without a report included.
Table CalendarTable(const google::protobuf::RepeatedPtrField<v1::Reporter>& reporters,
                    const v1::DateRange& range);
// The calendar for people: one mark a day, '.' for none, 1 to 9, '+' for more, in weeks from the
// first day on, at most nine beside each other.
std::string CalendarText(const google::protobuf::RepeatedPtrField<v1::Reporter>& reporters,
                         const v1::DateRange& range);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_REPORTER_TEXT_H_
