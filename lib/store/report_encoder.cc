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
#include "lib/store/report_codec.h"
#include "lib/store/report_parts.h"
#include "lib/store/standing_codec.h"
#include "lib/store/wire.h"

namespace dmarcate {
namespace {

// About what they come to; a string grows beyond.
constexpr size_t kHeadBytes = 512, kBodyBytes = 256, kRecordBytes = 8;

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

// ---- The body ----

// Each different text once, in the order of first use; the first is the policy domain, which is in
// the key. Views into the report.
class Table {
 public:
  explicit Table(std::string_view domain) { IndexOf(domain); }
  uint64_t IndexOf(std::string_view text) {
    const auto [it, added] = indexes_.try_emplace(text, texts_.size());
    if (added) texts_.push_back(text);
    return it->second;
  }
  const std::vector<std::string_view>& texts() const { return texts_; }

 private:
  std::vector<std::string_view> texts_;
  absl::flat_hash_map<std::string_view, uint64_t, StringHash, std::equal_to<>> indexes_;
};

// References to texts: 0 is the empty text, n the n-th of the table. An optional one: 0 absent, 1
// the empty text, n + 1 the n-th.
class ShapeWriter {
 public:
  ShapeWriter(Table& texts, std::string* out) : texts_(texts), out_(out) {}

  void Write(const AggregateRecord& record) {
    out_.Byte(static_cast<uint8_t>(static_cast<uint8_t>(record.disposition) |
                                   static_cast<uint8_t>(record.dkim_aligned) << 3 |
                                   static_cast<uint8_t>(record.spf_aligned) << 5));
    Text(record.header_from);
    OptionalText(record.envelope_from);
    OptionalText(record.envelope_to);
    out_.Varint(record.reasons.size());
    for (const OverrideReason& reason : record.reasons) {
      out_.Byte(static_cast<uint8_t>(reason.type));
      Text(reason.comment);
    }
    out_.Varint(record.dkim.size());
    for (const DkimAuth& dkim : record.dkim) {
      out_.Byte(static_cast<uint8_t>(dkim.result));
      Text(dkim.domain);
      OptionalText(dkim.selector);
      Text(dkim.human_result);
    }
    out_.Varint(record.spf.size());
    for (const SpfAuth& spf : record.spf) {
      out_.Byte(Halves(static_cast<uint8_t>(spf.result), static_cast<uint8_t>(spf.scope)));
      OptionalText(spf.domain);
      Text(spf.human_result);
    }
  }

 private:
  void Text(std::string_view text) { out_.Varint(text.empty() ? 0 : texts_.IndexOf(text) + 1); }
  void OptionalText(const std::optional<std::string>& text) {
    out_.Varint(!text ? 0 : text->empty() ? 1 : texts_.IndexOf(*text) + 2);
  }

  Table& texts_;
  WireWriter out_;
};

Family FamilyOf(const AggregateRecord& record) {
  if (!record.source_ip) return Family::kNone;
  return record.source_ip->is_v4() ? Family::kV4 : Family::kV6;
}

void EncodeAddresses(const std::vector<AggregateRecord>& records, WireWriter& out) {
  const Family first = FamilyOf(records.front());
  bool mixed = first == Family::kNone;
  for (const AggregateRecord& record : records) mixed = mixed || FamilyOf(record) != first;
  out.Byte(static_cast<uint8_t>(mixed                  ? Addresses::kMixed
                                : first == Family::kV4 ? Addresses::kV4
                                                       : Addresses::kV6));
  if (mixed) {
    for (const AggregateRecord& record : records) out.Byte(static_cast<uint8_t>(FamilyOf(record)));
  }
  for (const AggregateRecord& record : records) {
    if (!record.source_ip) continue;
    const auto& bytes = record.source_ip->bytes();
    const std::string_view view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    out.Bytes(record.source_ip->is_v4() ? view.substr(12) : view);
  }
}

void EncodeBody(const StoredReport& stored, WireWriter& out) {
  for (const Repair& repair : stored.repairs) {
    out.Byte(repair.material ? 1 : 0);
    out.String(repair.code);
    out.String(repair.path);
    out.String(repair.raw);
    out.String(repair.chosen);
  }
  out.Varint(stored.report.extensions.size());
  for (const std::string& extension : stored.report.extensions) out.String(extension);

  const std::vector<AggregateRecord>& records = stored.report.records;
  if (records.empty()) return;
  // Shapes are written one behind the other, a repeated one taken back.
  Table texts(stored.key.domain);
  std::string shapes;
  absl::flat_hash_map<std::string, uint64_t> indexes;
  std::vector<uint64_t> column;
  column.reserve(records.size());
  std::string shape;
  for (const AggregateRecord& record : records) {
    shape.clear();
    ShapeWriter(texts, &shape).Write(record);
    const auto [it, added] = indexes.try_emplace(shape, indexes.size() + 1);
    if (added) shapes += shape;
    column.push_back(added ? 0 : it->second);  // new ones come in order
  }
  out.Varint(texts.texts().size() - 1);
  for (const std::string_view text : std::span(texts.texts()).subspan(1)) out.String(text);
  out.Varint(indexes.size());
  out.Bytes(shapes);
  if (indexes.size() > 1) {
    for (const uint64_t index : column) out.Varint(index);
  }
  for (const AggregateRecord& record : records) out.Varint(record.count);
  EncodeAddresses(records, out);
}

}  // namespace

void PackReport(StoredReport* report) {
  if (report->packed) return;
  AggregateReport& parts = report->report;
  report->record_count = static_cast<int64_t>(parts.records.size());
  report->message_count = parts.messages();
  report->repair_count = static_cast<int64_t>(report->repairs.size());
  PackedParts packed;
  packed.expanded_bytes = ExpandedBytes(*report);
  AddToTotals(parts, &packed.totals);
  packed.bytes.reserve(kBodyBytes + parts.records.size() * kRecordBytes);
  WireWriter out(&packed.bytes);
  EncodeBody(*report, out);
  report->packed = std::move(packed);
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
    EncodeBody(report, out);
  }
  return SealReport(ReportDbKey(report.key), report, payload);
}

}  // namespace dmarcate
