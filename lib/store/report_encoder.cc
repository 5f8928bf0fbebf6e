#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "lib/base/text.h"
#include "lib/store/key_codec.h"
#include "lib/store/record_packer.h"
#include "lib/store/report_codec.h"
#include "lib/store/report_parts.h"
#include "lib/store/standing_codec.h"
#include "lib/store/wire.h"

namespace dmarcate {
namespace {

// About what they come to; a string grows beyond.
constexpr size_t kHeadBytes = 512, kRecordBytes = 8;

// ---- The head ----

template <typename E>
uint8_t Pack(const std::optional<E>& value) {
  return value ? static_cast<uint8_t>(static_cast<uint8_t>(*value) + 1) : 0;
}

void EncodePolicy(std::string_view key_domain, const PublishedPolicy& policy, WireWriter& out) {
  out.Byte(Halves(Pack(policy.p), Pack(policy.sp)));
  out.Byte(Halves(Pack(policy.np), Pack(policy.adkim)));
  out.Byte(Halves(Pack(policy.aspf), Pack(policy.discovery_method)));
  const bool in_key = policy.domain == key_domain;
  out.Byte(Halves(Pack(policy.testing),
                  static_cast<uint8_t>((policy.pct ? kHasPct : 0) | (policy.fo ? kHasFo : 0) |
                                       (in_key ? kDomainIsInKey : 0))));
  if (policy.pct) out.Zigzag(*policy.pct);
  if (policy.fo) out.String(*policy.fo);
  if (!in_key) out.String(policy.domain);
  out.String(policy.p_raw);
}

void EncodeHead(const StoredReport& stored, WireWriter& out) {
  const AggregateReport& report = stored.report;
  const ReportMetadata& metadata = report.metadata;
  out.Byte(Halves(stored.current ? 1 : 0, static_cast<uint8_t>(stored.outcome)));
  out.Byte(Halves(static_cast<uint8_t>(stored.trust), static_cast<uint8_t>(stored.channel)));
  WriteReason(stored, out);
  out.Byte(static_cast<uint8_t>(report.dialect));
  const bool packed = stored.packed.has_value();
  out.Varint(packed ? static_cast<uint64_t>(stored.record_count) : report.records.size());
  out.Varint(packed ? stored.message_count : report.messages());
  out.Varint(packed ? static_cast<uint64_t>(stored.repair_count) : stored.repairs.size());
  out.Zigzag(metadata.begin);
  // Unsigned arithmetic wraps around, so any two numbers are given back.
  out.Zigzag(static_cast<int64_t>(static_cast<uint64_t>(metadata.end) -
                                  static_cast<uint64_t>(metadata.begin)));
  out.Zigzag(static_cast<int64_t>(static_cast<uint64_t>(absl::ToUnixSeconds(stored.received_time)) -
                                  static_cast<uint64_t>(metadata.end)));
  EncodePolicy(stored.key.domain, report.policy, out);
  out.String(stored.reporter_key);
  out.String(metadata.org_name);
  out.String(metadata.email);
  out.String(metadata.extra_contact_info);
  out.String(report.version);
  out.String(report.xml_namespace);
  out.String(metadata.generator);
  out.Varint(metadata.errors.size());
  for (const std::string& error : metadata.errors) out.String(error);
  // Last what never repeats, so that the compressor finds the rest in one piece.
  out.String(metadata.report_id);
  out.String(stored.document_sha256);
}

// The body up to the records.
void EncodeMarks(const StoredReport& stored, WireWriter& out) {
  for (const Repair& repair : stored.repairs) {
    out.Byte(repair.material ? 1 : 0);
    out.String(repair.code);
    out.String(repair.path);
    out.String(repair.raw);
    out.String(repair.chosen);
  }
  out.Varint(stored.report.extensions.size());
  for (const std::string& extension : stored.report.extensions) out.String(extension);
}

std::string PackRecords(const StoredReport& stored) {
  RecordPacker packer(stored.key.domain, Texts::kStay);
  packer.Add(stored.report.records);
  return packer.Finish();
}

}  // namespace

void PackReport(StoredReport* report) {
  if (report->packed) return;
  AggregateReport& parts = report->report;
  const auto* sink = dynamic_cast<const PackingSink*>(report->sink.get());
  if (parts.gone && sink == nullptr) return;  // CheckProcessed() refuses it
  const RecordSums sums = parts.sums();
  report->record_count = sums.records;
  report->message_count = sums.messages;
  report->repair_count = static_cast<int64_t>(report->repairs.size());
  PackedParts packed;
  packed.expanded_bytes = ExpandedBytes(*report);
  WireWriter out(&packed.bytes);
  EncodeMarks(*report, out);
  if (parts.gone) {
    packed.totals = sink->totals();
    packed.expanded_bytes += sink->expanded_bytes();
    out.Bytes(sink->Finish());
  } else {
    AddToTotals(parts, &packed.totals);
    out.Bytes(PackRecords(*report));
  }
  report->packed = std::move(packed);
  report->sink.reset();
  parts.records = {};
  parts.extensions = {};
  report->repairs = {};
}

std::string EncodeReport(const StoredReport& report) {
  std::string payload;
  payload.reserve(kHeadBytes + (report.packed ? report.packed->bytes.size()
                                              : report.report.records.size() * kRecordBytes));
  WireWriter out(&payload);
  EncodeHead(report, out);
  if (report.packed) {
    out.Bytes(report.packed->bytes);
  } else {
    EncodeMarks(report, out);
    out.Bytes(PackRecords(report));
  }
  return SealReport(ReportDbKey(report.key), report, payload);
}

}  // namespace dmarcate
