// lib/archive/budget.h
// What decompression may cost, counted over all layers and all members of one input and enforced
// while streaming: a hostile archive is stopped within one buffer past the limit, never looked at
// afterwards.
//
// Honest reports compress up to 166:1 (report-quirks Z14), so the ratio limit applies only once the
// input as a whole has produced `ratio_free_bytes`; below that only the absolute limit counts.

#ifndef DMARCATE_LIB_ARCHIVE_BUDGET_H_
#define DMARCATE_LIB_ARCHIVE_BUDGET_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace dmarcate {

struct ArchiveLimits {
  int64_t compressed_part_bytes = 10 << 20;  // of one gzip stream or one zip archive
  int64_t inflated_bytes = 100 << 20;        // of all layers together
  int64_t ratio = 300;                       // output to input of one stream, after...
  int64_t ratio_free_bytes = 4 << 20;        // ...so much output of all streams
  int members = 8;                           // of all zip archives together, junk not counted
};

// Shared by every Gunzip and Unzip call for one input. Once a limit is hit it stays hit: later
// calls are refused as well. Not thread-safe.
class ArchiveBudget {
 public:
  explicit ArchiveBudget(const ArchiveLimits& limits) : limits_(limits) {}

  // All return kResourceExhausted and set reason() when a limit forbids it.
  //
  // Before anything is read of an archive of `size` bytes.
  absl::Status EnterArchive(int64_t size);
  // Before `bytes` of new output are kept. `stream_in` and `stream_out` are the compressed bytes
  // this stream has consumed and the bytes it has produced, the new ones included.
  absl::Status ChargeOutput(int64_t bytes, int64_t stream_in, int64_t stream_out);
  absl::Status ChargeMember();
  // Members count anew from here on: the next message of a mailbox. Bytes do not.
  void ForgetMembers() { members_ = 0; }
  // For what this class does not count itself: a limit inside an archive's directory.
  absl::Status Refuse(std::string_view reason, std::string_view detail);

  // Output that may still be produced without any check of the ratio.
  int64_t free_bytes() const { return limits_.ratio_free_bytes - inflated_; }
  int64_t bytes_left() const { return limits_.inflated_bytes - inflated_; }
  int64_t inflated() const { return inflated_; }
  // The limit that was hit, as a stable code: "compressed_too_large", "inflated_too_large",
  // "ratio_too_high", "too_many_members", "zip_directory_too_large", "zip_overlap". Empty: none.
  const std::string& reason() const { return reason_; }

 private:
  const ArchiveLimits limits_;
  int64_t inflated_ = 0;
  int members_ = 0;
  std::string reason_;
};

inline constexpr int64_t kAnySize = std::numeric_limits<int64_t>::max();
inline constexpr size_t kHeadBytes = 64 * 1024;  // of a head, unless the document is shorter

// What to do with a document, as its first bytes tell.
struct DocumentPlan {
  // What is larger would be refused after it was inflated. kAnySize: only the budget counts.
  int64_t most_bytes = kAnySize;
  // Takes a document that is larger than BoundedBuffer::kKeptBytes and within every limit, piece by
  // piece from its beginning, so that it is never held; false: enough. Empty: it is held.
  std::function<bool(std::string_view piece)> large;
  // Asked after `large`: can it not do without the whole? Then the document is held after all, if
  // it is at most BoundedBuffer::kHeldBytes. Empty: it can.
  std::function<bool()> needs_whole;
};
// `name` is that of a member of an archive, as ZipMember::name.
using DocumentPlanner = std::function<DocumentPlan(std::string_view head, std::string_view name)>;

// Keeps the output of one stream as long as it is small. Of a large one it keeps the count only: a
// bomb that a limit stops at 100 MiB has then cost kKeptBytes, and what passes all limits is
// inflated a second time.
class BoundedBuffer {
 public:
  static constexpr int64_t kKeptBytes = 4 << 20;
  static constexpr int64_t kHeldBytes = 16 << 20;

  BoundedBuffer(const DocumentPlanner& planner, std::string_view name)
      : planner_(planner), name_(name) {}

  // Charges `budget` with `piece` and returns what it says; `stream_in` as there.
  //   kOutOfRange  the document is larger than the plan for it allows
  absl::Status Add(std::string_view piece, int64_t stream_in, ArchiveBudget& budget);
  bool overflowed() const { return size_ > kKeptBytes; }
  // After DocumentPlan::large had its pieces.
  bool must_be_held() const {
    return size_ <= kHeldBytes && plan_.needs_whole && plan_.needs_whole();
  }
  const DocumentPlan& plan() const { return plan_; }
  int64_t size() const { return size_; }
  // All of it, unless overflowed().
  std::string Take() { return std::move(data_); }

 private:
  const DocumentPlanner& planner_;
  const std::string_view name_;
  DocumentPlan plan_;  // once the head was seen
  std::string data_;
  int64_t size_ = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_ARCHIVE_BUDGET_H_
