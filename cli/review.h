// dmarcate sources review: one pending source after the other, evidence first.

#ifndef DMARCATE_CLI_REVIEW_H_
#define DMARCATE_CLI_REVIEW_H_

#include <string>

#include "cli/app.h"
#include "cli/messages.h"

namespace dmarcate::cli {

struct ReviewOptions {
  std::string domain, note;
  DateRangeOptions range;
  bool dry_run = false;
};
int Review(App* app, const ReviewOptions& options);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_REVIEW_H_
