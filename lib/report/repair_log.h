// lib/report/repair_log.h
// Collects the deviations found while one report is read, and from them its outcome class.

#ifndef DMARCATE_LIB_REPORT_REPAIR_LOG_H_
#define DMARCATE_LIB_REPORT_REPAIR_LOG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/report/model.h"

namespace dmarcate {

// report-quirks section 1: a repair is material when it touched a domain, an address, a counter, an
// interval or a result. Pure normalisation (case, blanks, trailing dot) is no repair at all.
enum class Effect : uint8_t { kCosmetic, kMaterial };

// Not thread-safe.
class RepairLog {
 public:
  // Keeps the first `limit` repairs and counts the others; their effect on the outcome stays.
  explicit RepairLog(int limit) : limit_(limit) {}

  // Paths are relative to record[ordinal] from now on, counted from 1 in document order; 0: to the
  // root.
  void set_record(int64_t ordinal) { record_ = ordinal; }

  // `code` is stable snake_case; `path` names the element ("row/count"); it and `raw` are cut at
  // 256 bytes and made valid UTF-8; an empty `chosen` means that the value was dropped.
  void Add(std::string_view code, std::string_view path, std::string_view raw,
           std::string_view chosen, Effect effect);

  bool material() const { return material_; }
  int64_t dropped() const { return dropped_; }
  const std::vector<Repair>& repairs() const { return repairs_; }
  std::vector<Repair> Take() { return std::move(repairs_); }
  // The kAccepted* class of a report with these repairs.
  Outcome outcome() const;

 private:
  int limit_;
  int64_t record_ = 0;
  std::vector<Repair> repairs_;
  int64_t dropped_ = 0;
  bool material_ = false;
};

// The longest prefix of at most `bytes` bytes that ends between characters.
std::string_view CutUtf8(std::string_view text, size_t bytes);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_REPAIR_LOG_H_
