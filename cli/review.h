// dmarcate sources review: one pending source after the other, evidence first.

#ifndef DMARCATE_CLI_REVIEW_H_
#define DMARCATE_CLI_REVIEW_H_

#include <functional>
#include <string>

#include "cli/app.h"
#include "cli/messages.h"
#include "dmarcate/v1/source.pb.h"

namespace dmarcate::cli {

struct ReviewOptions {
  std::string domain, note;
  DateRangeOptions range;
  bool dry_run = false;
};
// `explain` and `addresses` are what `sources explain` and `sources ips` print.
int Review(App* app, const ReviewOptions& options,
           const std::function<std::string(const v1::ExplainSourceResponse&)>& explain,
           const std::function<std::string(const v1::ListSourceAddressesResponse&)>& addresses);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_REVIEW_H_
