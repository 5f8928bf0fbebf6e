// cli/status_text.h
// Where a domain stands, on one screen.

#ifndef DMARCATE_CLI_STATUS_TEXT_H_
#define DMARCATE_CLI_STATUS_TEXT_H_

#include <string>

#include "cli/output.h"
#include "dmarcate/v1/status.pb.h"

namespace dmarcate::cli {

// At most some 25 lines; the last one is what to type next.
std::string StatusText(const v1::DomainStatus& status);
// One line, for csv and the like.
Table StatusTable(const v1::DomainStatus& status);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_STATUS_TEXT_H_
