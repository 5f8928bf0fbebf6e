// cli/messages.h
// Dates, states and counts of the API as the text that tables show.

#ifndef DMARCATE_CLI_MESSAGES_H_
#define DMARCATE_CLI_MESSAGES_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <google/protobuf/timestamp.pb.h>

#include "cli/output.h"
#include "dmarcate/v1/common.pb.h"

namespace CLI {
class App;
}

namespace dmarcate::cli {

// "2026-11-24", or "-" if absent.
std::string Text(const v1::Date& date);
// RFC 3339, or "-" if absent.
std::string Text(const google::protobuf::Timestamp& time);
// "STATE_PENDING" to "pending", given the enum's prefix.
std::string EnumText(std::string_view value_name, std::string_view prefix);

// --from, --to and --days of the commands that look at a span.
struct DateRangeOptions {
  std::string from, to;
  int days = 0;
  void Add(CLI::App* command);
  // kInvalidArgument on a text that is no day.
  absl::Status Fill(v1::DateRange* range) const;
};

// MESSAGES PASS% DKIM% SPF% and, wide, the rest.
std::vector<Column> CountColumns();
void AppendCounts(const v1::MessageCounts& counts, std::vector<Cell>* cells);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_MESSAGES_H_
