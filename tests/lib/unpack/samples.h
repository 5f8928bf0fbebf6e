// tests/lib/unpack/samples.h
// Small reports and mails to wrap, and results on one line.

#ifndef DMARCATE_TESTS_LIB_UNPACK_SAMPLES_H_
#define DMARCATE_TESTS_LIB_UNPACK_SAMPLES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/unpack/unpack.h"

namespace dmarcate {

// An aggregate report without a flaw: one record, three messages.
std::string SampleXml(std::string_view report_id = "r-1");
// 95 MiB of honest records, almost all that an archive may hold; domain example.com.
struct LargestReport {
  std::string xml;
  int64_t records = 0, messages = 0;
};
LargestReport MakeLargestReport();
// A TLS report without a flaw.
std::string SampleTlsJson();
// The fields of a failure report without a flaw.
std::string SampleFeedback();

// A mail from reports@reporter.example with one leaf: `fields` are its Content-* fields, without a
// line end at their end.
std::string LeafMail(std::string_view fields, std::string_view body);
// The same with a multipart/mixed of `parts`, each its fields, a blank line and its body.
std::string MixedMail(const std::vector<std::string>& parts);
// A part holding `data` in base64.
std::string Base64Part(std::string_view content_type, std::string_view file_name,
                       std::string_view data);
// base64 in lines of 76 letters.
std::string Base64Lines(std::string_view data);

std::string_view NameOf(Outcome outcome);
std::string_view NameOf(ReportKind kind);
// "aggregate accepted [mail/gzip/xml] r-1 {gzip_trailing_data}",
// "unknown quarantined empty_archive [zip]"
std::string ToLine(const UnpackedReport& report);
// Unpack() with a received time, one line a report.
std::vector<std::string> UnpackLines(std::string input, std::string_view file_name = "",
                                     const UnpackLimits& limits = {}, bool handed_in = false,
                                     MakeRecordSink make_sink = nullptr);

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_UNPACK_SAMPLES_H_
