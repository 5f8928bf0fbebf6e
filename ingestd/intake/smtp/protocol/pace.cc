#include "ingestd/intake/smtp/protocol/pace.h"

#include <algorithm>

namespace dmarcate {

void SmtpPace::Enter(SmtpPhase phase, absl::Duration now) {
  // The client is not to blame for the time that we took.
  if (phase == SmtpPhase::kData && phase_ == SmtpPhase::kRoom) message_since_ += now - since_;
  phase_ = phase;
  since_ = now;
}

void SmtpPace::BeginMessage(absl::Duration now) {
  message_since_ = now;
  message_bytes_ = 0;
}

void SmtpPace::Pause(int errors, absl::Duration now) {
  constexpr int kMostDoublings = 20;
  Enter(SmtpPhase::kPause, now);
  pause_ = std::min(limits_.first_pause * (int64_t{1} << std::clamp(errors - 1, 0, kMostDoublings)),
                    limits_.longest_pause);
}

absl::Duration SmtpPace::Deadline(bool busy) const {
  switch (phase_) {
    case SmtpPhase::kCommand:
      return since_ + (busy ? std::min(limits_.command, limits_.busy_command) : limits_.command);
    case SmtpPhase::kData:
      return message_since_ + limits_.data +
             absl::Seconds(static_cast<double>(message_bytes_) /
                           static_cast<double>(limits_.data_bytes_per_second));
    case SmtpPhase::kHandshake:
      return since_ + limits_.handshake;
    case SmtpPhase::kReply:
      return since_ + limits_.reply;
    case SmtpPhase::kRoom:
      return since_ + limits_.room;
    case SmtpPhase::kPause:
      return busy ? since_ : since_ + pause_;
    case SmtpPhase::kCommit:
      break;
  }
  return absl::InfiniteDuration();
}

}  // namespace dmarcate
