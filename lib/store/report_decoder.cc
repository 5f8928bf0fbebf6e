#include <array>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/ip_address.h"
#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_codec.h"
#include "lib/store/report_parts.h"
#include "lib/store/standing_codec.h"
#include "lib/store/wire.h"

namespace dmarcate {
namespace {

// Taken from before anything is expanded.
class ExpansionBudget {
 public:
  explicit ExpansionBudget(uint64_t bytes = kMaxExpandedBytes) : left_(bytes) {}
  // False, and nothing is left, if it does not hold `count` times `bytes`.
  bool Take(uint64_t bytes, uint64_t count = 1) {
    const bool fits = bytes == 0 || count <= left_ / bytes;
    left_ = fits ? left_ - bytes * count : 0;
    return fits;
  }
  uint64_t left() const { return left_; }

 private:
  uint64_t left_;
};

// ---- The head ----

template <typename E>
std::optional<E> Unpack(WireReader& in, uint8_t packed, E last) {
  if (packed == 0) return std::nullopt;
  return in.Enum<E>(static_cast<uint8_t>(packed - 1), last);
}

void DecodePolicy(WireReader& in, std::string_view key_domain, PublishedPolicy* policy) {
  uint8_t byte = in.Byte();
  policy->p = Unpack(in, Low(byte), Policy::kReject);
  policy->sp = Unpack(in, High(byte), Policy::kReject);
  byte = in.Byte();
  policy->np = Unpack(in, Low(byte), Policy::kReject);
  policy->adkim = Unpack(in, High(byte), AlignmentMode::kStrict);
  byte = in.Byte();
  policy->aspf = Unpack(in, Low(byte), AlignmentMode::kStrict);
  policy->discovery_method = Unpack(in, High(byte), DiscoveryMethod::kTreeWalk);
  byte = in.Byte();
  policy->testing.reset();
  if (Low(byte) != 0) policy->testing = Low(byte) == 2;
  policy->pct.reset();
  policy->fo.reset();
  if ((High(byte) & kHasPct) != 0) policy->pct = static_cast<int32_t>(in.Zigzag());
  if ((High(byte) & kHasFo) != 0) policy->fo = in.String();
  policy->domain = (High(byte) & kDomainIsInKey) != 0 ? key_domain : in.String();
  policy->p_raw = in.String();
}

// As absl::ToUnixSeconds() gives them: the extremes are the infinities.
absl::Time FromSeconds(int64_t seconds) {
  if (seconds == std::numeric_limits<int64_t>::min()) return absl::InfinitePast();
  if (seconds == std::numeric_limits<int64_t>::max()) return absl::InfiniteFuture();
  return absl::FromUnixSeconds(seconds);
}

void DecodeTexts(WireReader& in, ExpansionBudget& budget, std::vector<std::string>* texts) {
  const size_t count = in.Length(1);
  if (!budget.Take(sizeof(std::string), count)) in.Fail();
  texts->resize(in.ok() ? count : 0);
  for (std::string& text : *texts) text = in.String();  // as long as their bytes in the value
}

struct Counts {
  uint64_t records = 0, repairs = 0;
};

Counts DecodeHead(uint8_t version, WireReader& in, ExpansionBudget& budget, StoredReport* stored) {
  AggregateReport& report = stored->report;
  ReportMetadata& metadata = report.metadata;
  uint8_t byte = in.Byte();
  stored->current = Low(byte) == 1;
  stored->outcome = in.Enum(High(byte), Outcome::kDuplicate);
  byte = in.Byte();
  stored->trust = in.Enum(Low(byte), TrustClass::kQuarantined);
  stored->channel = in.Enum(High(byte), kLastChannel);
  ReadReason(version, in, stored);
  report.dialect = in.Enum(in.Byte(), Dialect::kRfc9990);
  Counts counts;
  counts.records = in.Varint();
  stored->message_count = in.Varint();
  counts.repairs = in.Varint();
  stored->record_count = static_cast<int64_t>(counts.records);
  stored->repair_count = static_cast<int64_t>(counts.repairs);
  metadata.begin = in.Zigzag();
  metadata.end = static_cast<int64_t>(static_cast<uint64_t>(metadata.begin) +
                                      static_cast<uint64_t>(in.Zigzag()));
  stored->received_time = FromSeconds(static_cast<int64_t>(static_cast<uint64_t>(metadata.end) +
                                                           static_cast<uint64_t>(in.Zigzag())));
  DecodePolicy(in, stored->key.domain, &report.policy);
  stored->reporter_key = in.String();
  metadata.org_name = in.String();
  metadata.email = in.String();
  metadata.extra_contact_info = in.String();
  report.version = in.String();
  report.xml_namespace = in.String();
  metadata.generator = in.String();
  DecodeTexts(in, budget, &metadata.errors);
  metadata.report_id = in.String();
  stored->document_sha256 = in.String();
  return counts;
}

// ---- The body ----

class ShapeReader {
 public:
  // `budget` is for all shapes together.
  ShapeReader(std::span<const std::string_view> texts, WireReader& in, ExpansionBudget& budget)
      : texts_(texts), in_(in), budget_(budget) {}

  // All but address and count. Fails `in` when it would take more than the budget has left.
  void Read(AggregateRecord* record) {
    Take(sizeof(*record));
    const uint8_t results = in_.Byte();
    record->disposition = in_.Enum(results & 7, Disposition::kPass);
    record->dkim_aligned = in_.Enum(results >> 3 & 3, AlignedResult::kFail);
    record->spf_aligned = in_.Enum(results >> 5, AlignedResult::kFail);
    Text(&record->header_from);
    OptionalText(&record->envelope_from);
    OptionalText(&record->envelope_to);
    record->reasons.resize(Length(2, sizeof(OverrideReason)));
    for (OverrideReason& reason : record->reasons) {
      reason.type = in_.Enum(in_.Byte(), ReasonType::kPolicyTestMode);
      Text(&reason.comment);
    }
    record->dkim.resize(Length(4, sizeof(DkimAuth)));
    for (DkimAuth& dkim : record->dkim) {
      dkim.result = in_.Enum(in_.Byte(), AuthResult::kSoftfail);
      Text(&dkim.domain);
      OptionalText(&dkim.selector);
      Text(&dkim.human_result);
    }
    record->spf.resize(Length(3, sizeof(SpfAuth)));
    for (SpfAuth& spf : record->spf) {
      const uint8_t byte = in_.Byte();
      spf.result = in_.Enum(Low(byte), AuthResult::kSoftfail);
      spf.scope = in_.Enum(High(byte), SpfScope::kHelo);
      OptionalText(&spf.domain);
      Text(&spf.human_result);
    }
  }

 private:
  void Take(uint64_t bytes, uint64_t count = 1) {
    if (!budget_.Take(bytes, count)) in_.Fail();
  }
  // A number of things that take `least` bytes in the value and `each` in memory.
  size_t Length(size_t least, uint64_t each) {
    const size_t n = in_.Length(least);
    Take(each, n);
    return in_.ok() ? n : 0;
  }
  std::string_view At(uint64_t reference) {
    if (reference == 0) return {};
    if (reference > texts_.size()) {
      in_.Fail();
      return {};
    }
    const std::string_view text = texts_[reference - 1];
    Take(text.size());
    return in_.ok() ? text : std::string_view();
  }
  void Text(std::string* out) { *out = At(in_.Varint()); }
  void OptionalText(std::optional<std::string>* out) {
    const uint64_t reference = in_.Varint();
    if (reference == 0) {
      out->reset();
    } else if (*out) {
      **out = At(reference - 1);  // keeps the memory
    } else {
      out->emplace(At(reference - 1));
    }
  }

  std::span<const std::string_view> texts_;
  WireReader& in_;
  ExpansionBudget& budget_;
};

void DecodeAddress(Family family, WireReader& in, std::optional<IpAddress>* address) {
  if (family == Family::kNone) {
    address->reset();
    return;
  }
  std::array<uint8_t, 16> bytes{};
  if (family == Family::kV4) bytes[10] = bytes[11] = 0xff;
  const size_t begin = family == Family::kV4 ? 12 : 0;
  const std::string_view view = in.Bytes(16 - begin);
  for (size_t i = 0; i < view.size(); ++i) bytes[begin + i] = static_cast<uint8_t>(view[i]);
  *address = IpAddress::FromBytes(bytes);
}

void DecodeAddresses(WireReader& in, std::vector<AggregateRecord>* records) {
  const auto kind = in.Enum(in.Byte(), Addresses::kMixed);
  if (kind != Addresses::kMixed) {
    const Family family = kind == Addresses::kV4 ? Family::kV4 : Family::kV6;
    for (AggregateRecord& record : *records) DecodeAddress(family, in, &record.source_ip);
    return;
  }
  const std::string_view families = in.Bytes(records->size());
  for (size_t i = 0; i < families.size(); ++i) {
    const auto family = in.Enum(static_cast<uint8_t>(families[i]), Family::kV6);
    DecodeAddress(family, in, &(*records)[i].source_ip);
  }
}

void DecodeRecords(WireReader& in, std::string_view domain, uint64_t count, ExpansionBudget& budget,
                   std::vector<AggregateRecord>* records) {
  if (count == 0) {
    records->clear();
    return;
  }
  std::vector<std::string_view> texts(in.Length(1) + 1);
  texts[0] = domain;
  for (std::string_view& text : std::span(texts).subspan(1)) text = in.String();
  const size_t shape_count = in.Length(6);
  ExpansionBudget shape_budget;  // each is part of a record, so all fit into the same
  if (!ExpansionBudget().Take(sizeof(AggregateRecord), shape_count)) in.Fail();
  std::vector<AggregateRecord> shapes(in.ok() ? shape_count : 0);
  std::vector<uint64_t> shape_bytes;
  shape_bytes.reserve(shapes.size());
  ShapeReader reader(texts, in, shape_budget);
  for (AggregateRecord& shape : shapes) {
    const uint64_t before = shape_budget.left();
    reader.Read(&shape);
    shape_bytes.push_back(before - shape_budget.left());
  }
  // Each record has at least its count.
  if (shapes.empty() || count > in.remaining() || count > budget.left() / sizeof(AggregateRecord)) {
    in.Fail();
    return;
  }
  records->resize(count);
  uint64_t next = 0;
  for (AggregateRecord& record : *records) {
    uint64_t index = 0;
    if (shapes.size() > 1) {
      const uint64_t code = in.Varint();
      index = code == 0 ? next++ : code - 1;
    }
    if (index >= shapes.size() || !budget.Take(shape_bytes[index])) {
      in.Fail();
      return;
    }
    record = shapes[index];
  }
  for (AggregateRecord& record : *records) record.count = in.Varint();
  DecodeAddresses(in, records);
}

void DecodeBody(WireReader& in, const Counts& counts, ExpansionBudget& budget,
                StoredReport* stored) {
  if (counts.repairs > in.remaining() || !budget.Take(sizeof(Repair), counts.repairs)) {
    in.Fail();
    return;
  }
  stored->repairs.resize(counts.repairs);
  for (Repair& repair : stored->repairs) {
    repair.material = in.Byte() == 1;
    repair.code = in.String();
    repair.path = in.String();
    repair.raw = in.String();
    repair.chosen = in.String();
  }
  DecodeTexts(in, budget, &stored->report.extensions);
  DecodeRecords(in, stored->key.domain, counts.records, budget, &stored->report.records);
}

}  // namespace

absl::Status DecodeReport(std::string_view db_key, std::string_view value, ReportParts parts,
                          StoredReport* report) {
  auto key = ParseReportDbKey(db_key);
  if (!key) return MakeError(absl::StatusCode::kDataLoss, "reports store: a key does not decode");
  report->key = *std::move(key);
  const auto where = [report] {
    return fmt::format("report {} of {}", report->key.ToId(), report->key.domain);
  };
  const auto payload = UnsealReport(db_key, value);
  if (!payload.ok()) return Annotate(payload.status(), where());
  WireReader in(payload->bytes);
  ExpansionBudget budget;
  const Counts counts = DecodeHead(payload->version, in, budget, report);
  if (parts == ReportParts::kAll) {
    DecodeBody(in, counts, budget, report);
  } else {
    // Heads are listed by the thousand, and strangers write these.
    report->report.metadata.errors = std::vector<std::string>();
    report->repairs.clear();
    report->report.extensions.clear();
    report->report.records.clear();
  }
  if (in.ok() && (parts == ReportParts::kHead || in.AtEnd())) return absl::OkStatus();
  return MakeError(absl::StatusCode::kDataLoss,
                   where() + ": the value does not decode, or to more than may be");
}

}  // namespace dmarcate
