// lib/unpack/unpack.h
// Bytes of any kind (mail, mbox, gzip, zip, XML, JSON) to reports. Content decides the type, labels
// only break ties (report-quirks G10). Limits hold while streaming, across all layers of one input,
// so a hostile input ends in kOverLimit within a fixed memory bound. The one door for ingestd and
// for `dmarcate parse`.

#ifndef DMARCATE_LIB_UNPACK_UNPACK_H_
#define DMARCATE_LIB_UNPACK_UNPACK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/report/aggregate.h"
#include "lib/report/model.h"
#include "lib/report/record_sink.h"

namespace dmarcate {

enum class ReportKind : uint8_t { kUnknown, kAggregate, kFailure, kTls };

struct UnpackLimits {  // DESIGN section 5
  int64_t message_bytes = 25 << 20;
  int64_t compressed_part_bytes = 10 << 20;
  int64_t inflated_bytes = 100 << 20;  // all layers of one input together
  int64_t ratio = 300;                 // after the first ratio_free_bytes of output
  int64_t ratio_free_bytes = 4 << 20;
  int archive_members = 8;
  int archive_depth = 2;  // gzip and zip may nest so deep
  int mime_depth = 8;
  int mime_parts = 64;
  int enclosed_messages = 3;  // depth of message/rfc822
  int items = 1000;           // entries of one input; the rest are one kOverLimit entry
  AggregateLimits aggregate;
};

struct UnpackHints {
  std::string file_name;     // of the input itself, if known
  absl::Time received_time;  // required: dates over 48 hours after it are implausible
  // An operator chose the input: then each message of a mailbox has the limits on parts and members
  // for itself. In what strangers send they are for the input as a whole.
  bool handed_in = false;
  // For the records of reports that are too large to be held. Empty: they are held all the same.
  MakeRecordSink make_sink = nullptr;
};

// One report found, or one reason why there is none. The aggregate's outcome and repairs include
// those of the container ("gzip_trailing_data", "b64_lenient", "zip_crc").
struct UnpackedReport {
  ReportKind kind = ReportKind::kUnknown;
  Outcome outcome = Outcome::kQuarantined;
  std::optional<AggregateReport> aggregate;  // by `kind`, set for the kAccepted* outcomes
  std::shared_ptr<RecordSink> sink;          // that has the records, if aggregate->gone
  std::optional<TlsReport> tls;
  std::optional<FailureReport> failure;
  std::vector<Repair> repairs;
  // Stable code, for the outcomes that are no report. Beside those of the parsers (lib/report):
  //   kOverLimit    message_too_large, compressed_too_large, inflated_too_large, document_too_large
  //                 (in an archive, for what its first bytes say it is), ratio_too_high,
  //                 too_many_members, zip_directory_too_large, zip_overlap, archive_too_deep,
  //                 mime_too_deep, too_many_parts, too_many_enclosed_messages, header_too_large,
  //                 too_many_messages, too_many_items
  //   kQuarantined  empty_payload, empty_archive, compression_unsupported, container_unsupported,
  //                 gzip_truncated, gzip_corrupt, gzip_crc, zip_truncated, zip_corrupt, zip_crc
  //   kNotAReport   no_report_found, bounce
  //   kDuplicate    duplicate_in_input
  std::string reason;
  std::string detail;  // a sentence: what, where, the limit
  // 32 raw bytes, of the decompressed document; empty if none was reached. Of several reports in
  // one document (S17) the second and later have digests derived from it, so that each has its own.
  std::string document_sha256;
  int64_t document_bytes = 0;
  std::vector<std::string> container;  // layers, outermost first: "mail", "zip", "xml"
  std::string file_name;               // of the attachment or member, as sent; for display only
  DocumentExcerpt excerpt;             // of a document that is no report, where there was one
};

// What the carrying mail said about itself, unauthenticated. Empty where the input was no mail.
struct CarrierInfo {
  bool is_mail = false;
  std::string from_domain, subject, message_id;
  std::optional<absl::Time> date;
};

struct Unpacked {
  CarrierInfo carrier;
  std::vector<UnpackedReport> reports;  // at least one
};

// Thread-safe. Never throws, never returns nothing. Reports found twice in the same input (same
// document) come once and then as kDuplicate (M12); what was no accepted report the first time
// comes with the first's outcome and reason again.
Unpacked Unpack(std::string input, const UnpackHints& hints, const UnpackLimits& limits);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_UNPACK_UNPACK_H_
