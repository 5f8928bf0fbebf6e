// lib/report/record_sink.h
// Where the records of a report go that is too large to be held: packed while they come, they take
// a tenth of what the model does.

#ifndef DMARCATE_LIB_REPORT_RECORD_SINK_H_
#define DMARCATE_LIB_REPORT_RECORD_SINK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "lib/report/model.h"

namespace dmarcate {

// Of one report. Not thread-safe.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  // The next ones, in the order of the document. What all of them take now, in bytes.
  virtual int64_t Take(std::vector<AggregateRecord> records) = 0;
};

// For a report about `policy_domain`. What it makes it knows again: a report carries its sink to
// whoever stores it.
using MakeRecordSink = std::function<std::shared_ptr<RecordSink>(std::string_view policy_domain)>;

// All that sinks may keep of the reports of one input. A report of 500,000 records that share their
// texts takes about as much, and a commit has it in memory several times.
inline constexpr int64_t kMaxSinkBytes = 8 << 20;

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_RECORD_SINK_H_
