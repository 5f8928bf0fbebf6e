#include "lib/unpack/large_report.h"

#include <utility>

#include "lib/unpack/sniff.h"

namespace dmarcate {
namespace {

constexpr size_t kTailBytes = 16 * 1024;  // more than EndsWithFeedbackTag() looks at

}  // namespace

LargeReport::LargeReport(ReportHints hints, const AggregateLimits& limits, ModelBudget& budget,
                         int64_t most_bytes, const MakeRecordSink& make_sink)
    : hints_(std::move(hints)), stream_(hints_, limits, budget, most_bytes, make_sink) {}

bool LargeReport::Take(std::string_view piece) {
  if (bytes_ == 0) has_feedback_tag_ = HasFeedbackTag(piece);
  bytes_ += static_cast<int64_t>(piece.size());
  digest_.Update(piece);
  tail_.append(piece);
  if (tail_.size() > 2 * kTailBytes) tail_.erase(0, tail_.size() - kTailBytes);
  complete_ = stream_.Add(piece);
  return complete_;
}

bool LargeReport::NeedsWhole() {
  parsed_ = stream_.Finish();
  const Outcome outcome = parsed_->outcome;
  if (outcome == Outcome::kAccepted || outcome == Outcome::kAcceptedCosmetic ||
      outcome == Outcome::kNotAReport) {
    return false;
  }
  GiveBack();
  parsed_.reset();  // room for the whole
  return true;
}

ParsedAggregate LargeReport::Finish() { return parsed_ ? *std::move(parsed_) : stream_.Finish(); }

std::string LargeReport::Digest() { return complete_ ? digest_.Finish() : ""; }

bool LargeReport::ends_with_feedback_tag() const { return EndsWithFeedbackTag(tail_); }

}  // namespace dmarcate
