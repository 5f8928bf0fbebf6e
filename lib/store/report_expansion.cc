#include <cstdint>
#include <optional>
#include <string>

#include "lib/store/report_codec.h"

namespace dmarcate {
namespace {

uint64_t BytesOf(const std::string& text) { return text.size(); }
uint64_t BytesOf(const std::optional<std::string>& text) { return text ? text->size() : 0; }

}  // namespace

uint64_t ExpandedBytes(const AggregateRecord& record) {
  uint64_t bytes = sizeof(record) + BytesOf(record.header_from) + BytesOf(record.envelope_from) +
                   BytesOf(record.envelope_to);
  for (const OverrideReason& reason : record.reasons) {
    bytes += sizeof(reason) + BytesOf(reason.comment);
  }
  for (const DkimAuth& dkim : record.dkim) {
    bytes +=
        sizeof(dkim) + BytesOf(dkim.domain) + BytesOf(dkim.selector) + BytesOf(dkim.human_result);
  }
  for (const SpfAuth& spf : record.spf) {
    bytes += sizeof(spf) + BytesOf(spf.domain) + BytesOf(spf.human_result);
  }
  return bytes;
}

uint64_t ExpandedBytes(const StoredReport& report) {
  if (report.packed) return report.packed->expanded_bytes;
  uint64_t bytes = 0;
  for (const AggregateRecord& record : report.report.records) bytes += ExpandedBytes(record);
  for (const Repair& repair : report.repairs) {
    bytes += sizeof(repair) + BytesOf(repair.code) + BytesOf(repair.path) + BytesOf(repair.raw) +
             BytesOf(repair.chosen);
  }
  for (const auto* texts : {&report.report.metadata.errors, &report.report.extensions}) {
    for (const std::string& text : *texts) bytes += sizeof(std::string) + BytesOf(text);
  }
  return bytes;
}

}  // namespace dmarcate
