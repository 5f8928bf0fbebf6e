// lib/store/record_packer.h
// The records of a report as they lie in its value: texts, each once, shapes, each once, and three
// columns. Bytes in docs/store.md. They may come in pieces, so that a large report is never in
// memory as a whole.

#ifndef DMARCATE_LIB_STORE_RECORD_PACKER_H_
#define DMARCATE_LIB_STORE_RECORD_PACKER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "lib/report/model.h"
#include "lib/report/record_sink.h"
#include "lib/store/report_parts.h"
#include "lib/store/report_store.h"
#include "lib/store/wire.h"

namespace dmarcate {

// Of the records: whether their texts are still there when Finish() is called, or are to be copied.
enum class Texts : uint8_t { kStay, kGo };

// Not thread-safe.
class RecordPacker {
 public:
  // `domain` is the one in the report's key, which is no text of its own; it outlives this.
  RecordPacker(std::string_view domain, Texts texts);

  void Add(std::span<const AggregateRecord> records);
  // About what all this takes in memory.
  int64_t bytes() const;
  // The bytes of a report's value from its texts on. Once.
  std::string Finish() const;

 private:
  uint64_t IndexOf(std::string_view text);
  void WriteShape(const AggregateRecord& record);
  void WriteText(std::string_view text, WireWriter& out);
  void WriteOptional(const std::optional<std::string>& text, WireWriter& out);

  const Texts texts_;
  // In the order of first use; the first is the domain. Views into the records, or into copies_.
  std::vector<std::string_view> table_;
  std::deque<std::string> copies_;
  int64_t copied_bytes_ = 0;
  // Under a hash of the process: strangers choose the texts.
  absl::flat_hash_map<std::string_view, uint64_t> indexes_;
  // Shapes one behind the other, in the order of first use.
  std::string shapes_;
  absl::flat_hash_map<std::string, uint32_t> shape_indexes_;
  std::string shape_;  // scratch
  // The columns: for each record a shape or 0 for the next new one, a count, an address.
  std::vector<uint32_t> shape_column_;
  std::string counts_, families_, addresses_;
  bool one_family_ = true;
};

// Keeps records that cannot be held, and what a commit asks of them. Of one report.
class PackingSink final : public RecordSink {
 public:
  explicit PackingSink(std::string_view domain);
  int64_t Take(std::vector<AggregateRecord> records) override;

  const DayTotals& totals() const { return totals_; }          // of all of them
  uint64_t expanded_bytes() const { return expanded_bytes_; }  // as ExpandedBytes()
  std::string Finish() const { return packer_.Finish(); }

 private:
  const std::string domain_;
  RecordPacker packer_;
  DayTotals totals_;
  uint64_t expanded_bytes_ = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_RECORD_PACKER_H_
