#include "lib/archive/budget.h"

#include "fmt/format.h"

#include "lib/base/status_macros.h"

namespace dmarcate {

absl::Status ArchiveBudget::Refuse(std::string_view reason, std::string_view detail) {
  reason_ = reason;
  return MakeError(absl::StatusCode::kResourceExhausted, detail);
}

absl::Status ArchiveBudget::EnterArchive(int64_t size) {
  if (size > limits_.compressed_part_bytes) {
    return Refuse("compressed_too_large", fmt::format("archive of {} bytes, limit {}", size,
                                                      limits_.compressed_part_bytes));
  }
  return absl::OkStatus();
}

absl::Status ArchiveBudget::ChargeOutput(int64_t bytes, int64_t stream_in, int64_t stream_out) {
  inflated_ += bytes;
  if (inflated_ > limits_.inflated_bytes) {
    return Refuse("inflated_too_large",
                  fmt::format("inflates to over {} bytes, the limit for all archives of one input",
                              limits_.inflated_bytes));
  }
  // Divided, not multiplied: nothing to overflow.
  if (inflated_ > limits_.ratio_free_bytes && stream_out / limits_.ratio >= stream_in) {
    return Refuse(
        "ratio_too_high",
        fmt::format("{} compressed bytes gave {} bytes, limit {}:1 after the first {} bytes",
                    stream_in, stream_out, limits_.ratio, limits_.ratio_free_bytes));
  }
  return absl::OkStatus();
}

absl::Status ArchiveBudget::ChargeMember() {
  if (members_ >= limits_.members) {
    return Refuse("too_many_members", fmt::format("over {} archive members", limits_.members));
  }
  ++members_;
  return absl::OkStatus();
}

absl::Status BoundedBuffer::Add(std::string_view piece, int64_t stream_in, ArchiveBudget& budget) {
  const bool head_open = size_ < static_cast<int64_t>(kHeadBytes);
  size_ += static_cast<int64_t>(piece.size());
  DMARCATE_RETURN_IF_ERROR(
      budget.ChargeOutput(static_cast<int64_t>(piece.size()), stream_in, size_));
  if (overflowed()) {
    std::string().swap(data_);
  } else {
    data_.append(piece);
  }
  if (head_open && planner_ && data_.size() >= kHeadBytes) {
    plan_ = planner_(std::string_view(data_).substr(0, kHeadBytes), name_);
  }
  if (size_ > plan_.most_bytes) {
    return MakeError(
        absl::StatusCode::kOutOfRange,
        fmt::format("inflates to over {} bytes, the limit for what it is", plan_.most_bytes));
  }
  return absl::OkStatus();
}

}  // namespace dmarcate
