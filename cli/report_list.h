// cli/report_list.h
// What the commands that list stored reports of a domain share. For .cc files of commands only: it
// brings in gRPC.

#ifndef DMARCATE_CLI_REPORT_LIST_H_
#define DMARCATE_CLI_REPORT_LIST_H_

#include <string>

#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"

namespace dmarcate::cli {

// DOMAIN, the page and the days.
struct ReportListOptions {
  std::string domain;
  PageOptions page;
  DateRangeOptions range;

  void Add(CLI::App* command) {
    command->add_option("DOMAIN", domain)->required();
    page.Add(command);
    range.Add(command);
  }
  // kInvalidArgument on a text that is no day.
  template <typename Request>
  absl::Status Fill(Request* request) const {
    request->set_parent(DomainResource(domain));
    page.Fill(request);
    return range.Fill(request->mutable_date_range());
  }
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_REPORT_LIST_H_
