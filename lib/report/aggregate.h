// lib/report/aggregate.h
// Reads an aggregate report document: RFC 7489 and RFC 9990, with the repairs of report-quirks
// sections 5 to 11. One bad value never loses a record, one bad record never loses the report.

#ifndef DMARCATE_LIB_REPORT_AGGREGATE_H_
#define DMARCATE_LIB_REPORT_AGGREGATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/report/model.h"
#include "lib/report/model_budget.h"
#include "lib/report/record_sink.h"

namespace dmarcate {

struct AggregateLimits {
  int xml_depth = 32;
  int64_t records = 500'000;  // of all documents of one input together
  int rows = 100;             // of one record (S15); more are left out, with a repair
  // Of the model, as ModelBytes() counts it, of all documents of one input together. A report's
  // model takes at most about as much as its text where the text is ordinary, so this is room for
  // whatever UnpackLimits::inflated_bytes honestly holds. Growing vectors may double it.
  int64_t model_bytes = 128 << 20;
  // Beyond this the model may take no more than one and a half times what the texts do.
  int64_t model_free_bytes = 4 << 20;
  // Of a document in another charset, before and after it becomes UTF-8 (charset.h): both are in
  // memory then. The largest report of the corpora has 3.6 MB, and it is UTF-8.
  size_t converted_bytes = 16 << 20;
  size_t stored_text_bytes = 4096;  // a longer text is cut, with a repair
  int repairs = 200;                // more are counted, not kept
};

// What surrounds the document and may fill gaps, never override it (report-quirks section 4).
struct ReportHints {
  std::string file_name;    // of the attachment, as sent
  std::string subject;      // of the mail
  std::string from_domain;  // of the mail, lower case
  // Places reports without a usable date_range: R14, R17. 1970 (the default) means unknown: then an
  // implausible interval stays as sent, with its repair.
  absl::Time received_time;
};

// What a person needs to see to understand a refusal.
struct DocumentExcerpt {
  std::optional<int64_t> position;  // where reading stopped, in bytes of the document as UTF-8
  int64_t offset = 0;               // of the first byte of `bytes`
  std::string bytes;                // around the position, or the document's beginning
};
inline constexpr size_t kExcerptBytes = 512;
DocumentExcerpt MakeExcerpt(std::string_view document, std::optional<int64_t> position);

// Never an error by Status: bad input is data. `report` is set for the kAccepted* outcomes.
struct ParsedAggregate {
  Outcome outcome = Outcome::kQuarantined;
  std::optional<AggregateReport> report;
  std::shared_ptr<RecordSink> sink;  // that has the records, if report->gone
  std::vector<Repair> repairs;
  int64_t repairs_dropped = 0;
  // A stable code and a sentence with the position and the limit.
  //   kQuarantined  empty_payload, not_a_feedback_document, doctype_entities, xml_not_well_formed,
  //                 metadata_missing, policy_domain_missing, charset_broken
  //   kOverLimit    too_many_records, xml_too_deep, frame_too_large, model_too_large,
  //                 document_too_large
  //   kNotAReport   not_xml
  std::string reason;
  std::string detail;
  DocumentExcerpt excerpt;  // for the outcomes that are no report
};

// `document` is the decompressed bytes, possibly holding several <feedback> roots (S17): one result
// each, at least one result always. May modify the buffer (in-situ parsing). Thread-safe.
std::vector<ParsedAggregate> ParseAggregate(std::string document, const ReportHints& hints,
                                            const AggregateLimits& limits);
// The same for one document of several in an input: what its reports take comes out of `budget`.
std::vector<ParsedAggregate> ParseAggregate(std::string document, const ReportHints& hints,
                                            const AggregateLimits& limits, ModelBudget& budget);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_AGGREGATE_H_
