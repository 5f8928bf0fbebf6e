#include "lib/store/record_packer.h"

#include <algorithm>
#include <utility>

#include "lib/store/report_codec.h"

namespace dmarcate {
namespace {

Family FamilyOf(const AggregateRecord& record) {
  if (!record.source_ip) return Family::kNone;
  return record.source_ip->is_v4() ? Family::kV4 : Family::kV6;
}

}  // namespace

RecordPacker::RecordPacker(std::string_view domain, Texts texts) : texts_(texts) {
  table_.push_back(domain);
  indexes_.emplace(domain, 0);
}

uint64_t RecordPacker::IndexOf(std::string_view text) {
  if (const auto found = indexes_.find(text); found != indexes_.end()) return found->second;
  if (texts_ == Texts::kGo) {
    text = copies_.emplace_back(text);
    copied_bytes_ += static_cast<int64_t>(sizeof(std::string) + text.size());
  }
  const uint64_t index = table_.size();
  table_.push_back(text);
  indexes_.emplace(text, index);
  return index;
}

// References to texts: 0 is the empty text, n the n-th of the table. An optional one: 0 absent, 1
// the empty text, n + 1 the n-th.
void RecordPacker::WriteText(std::string_view text, WireWriter& out) {
  out.Varint(text.empty() ? 0 : IndexOf(text) + 1);
}

void RecordPacker::WriteOptional(const std::optional<std::string>& text, WireWriter& out) {
  out.Varint(!text ? 0 : text->empty() ? 1 : IndexOf(*text) + 2);
}

void RecordPacker::WriteShape(const AggregateRecord& record) {
  shape_.clear();
  WireWriter out(&shape_);
  out.Byte(static_cast<uint8_t>(static_cast<uint8_t>(record.disposition) |
                                static_cast<uint8_t>(record.dkim_aligned) << 3 |
                                static_cast<uint8_t>(record.spf_aligned) << 5));
  WriteText(record.header_from, out);
  WriteOptional(record.envelope_from, out);
  WriteOptional(record.envelope_to, out);
  out.Varint(record.reasons.size());
  for (const OverrideReason& reason : record.reasons) {
    out.Byte(static_cast<uint8_t>(reason.type));
    WriteText(reason.comment, out);
  }
  out.Varint(record.dkim.size());
  for (const DkimAuth& dkim : record.dkim) {
    out.Byte(static_cast<uint8_t>(dkim.result));
    WriteText(dkim.domain, out);
    WriteOptional(dkim.selector, out);
    WriteText(dkim.human_result, out);
  }
  out.Varint(record.spf.size());
  for (const SpfAuth& spf : record.spf) {
    out.Byte(Halves(static_cast<uint8_t>(spf.result), static_cast<uint8_t>(spf.scope)));
    WriteOptional(spf.domain, out);
    WriteText(spf.human_result, out);
  }
}

void RecordPacker::Add(std::span<const AggregateRecord> records) {
  shape_column_.reserve(std::max(shape_column_.capacity(), shape_column_.size() + records.size()));
  WireWriter counts(&counts_), addresses(&addresses_);
  for (const AggregateRecord& record : records) {
    WriteShape(record);
    const auto next = static_cast<uint32_t>(shape_indexes_.size() + 1);
    const auto [it, added] = shape_indexes_.try_emplace(shape_, next);
    if (added) shapes_ += shape_;
    shape_column_.push_back(added ? 0 : it->second);  // new ones come in order
    counts.Varint(record.count);
    const Family family = FamilyOf(record);
    families_.push_back(static_cast<char>(family));
    one_family_ = one_family_ && family != Family::kNone && families_.front() == families_.back();
    if (!record.source_ip) continue;
    const auto& bytes = record.source_ip->bytes();
    const std::string_view view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    addresses.Bytes(family == Family::kV4 ? view.substr(12) : view);
  }
}

int64_t RecordPacker::bytes() const {
  // A hash map has about twice as many places as entries.
  const size_t tables = table_.capacity() * sizeof(std::string_view) +
                        indexes_.capacity() * (sizeof(std::string_view) + sizeof(uint64_t) + 1) +
                        shape_indexes_.capacity() * (sizeof(std::string) + sizeof(uint64_t) + 1);
  return copied_bytes_ +
         static_cast<int64_t>(tables + 2 * shapes_.capacity() +  // there, and as keys
                              shape_column_.capacity() * sizeof(uint32_t) + counts_.capacity() +
                              families_.capacity() + addresses_.capacity());
}

std::string RecordPacker::Finish() const {
  std::string bytes;
  if (shape_column_.empty()) return bytes;
  bytes.reserve(shapes_.size() + counts_.size() + families_.size() + addresses_.size() +
                static_cast<size_t>(copied_bytes_) + 2 * shape_column_.size());
  WireWriter out(&bytes);
  out.Varint(table_.size() - 1);
  for (const std::string_view text : std::span(table_).subspan(1)) out.String(text);
  out.Varint(shape_indexes_.size());
  out.Bytes(shapes_);
  if (shape_indexes_.size() > 1) {
    for (const uint32_t index : shape_column_) out.Varint(index);
  }
  out.Bytes(counts_);
  if (one_family_) {
    out.Byte(static_cast<uint8_t>(
        families_.front() == static_cast<char>(Family::kV4) ? Addresses::kV4 : Addresses::kV6));
  } else {
    out.Byte(static_cast<uint8_t>(Addresses::kMixed));
    out.Bytes(families_);
  }
  out.Bytes(addresses_);
  return bytes;
}

PackingSink::PackingSink(std::string_view domain)
    : domain_(domain), packer_(domain_, Texts::kGo), totals_{.reports = 1} {}

int64_t PackingSink::Take(std::vector<AggregateRecord> records) {
  packer_.Add(records);
  for (const AggregateRecord& record : records) {
    AddToTotals(record, &totals_);
    expanded_bytes_ += ExpandedBytes(record);
  }
  return packer_.bytes();
}

}  // namespace dmarcate
