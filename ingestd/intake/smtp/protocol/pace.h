// ingestd/intake/smtp/protocol/pace.h
// By when something has to happen in a session. Pure: the time is an argument, counted from any
// start.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_PACE_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_PACE_H_

#include <cstdint>

#include "absl/time/time.h"

namespace dmarcate {

struct SmtpTimeLimits {
  // From a reply to the whole next command; RFC 5321 section 4.5.3.2.7 asks for five minutes. While
  // most connections are taken, busy_command.
  absl::Duration command = absl::Minutes(5);
  absl::Duration busy_command = absl::Seconds(10);
  absl::Duration handshake = absl::Seconds(30);  // of TLS, as a whole
  // A message has this time, and more for every octet that has come, at the slowest rate.
  absl::Duration data = absl::Minutes(1);
  int64_t data_bytes_per_second = 8 << 10;
  absl::Duration reply = absl::Minutes(1);  // until the client takes what we say
  absl::Duration room = absl::Seconds(10);  // until we have memory for a message
  // A client waits so long until it hears of its first error, twice as long with each further one
  // of the connection, and never longer than longest_pause. Zero: it never waits.
  absl::Duration first_pause = absl::Seconds(1);
  absl::Duration longest_pause = absl::Seconds(20);
};

enum class SmtpPhase {
  kCommand,    // the client's next command
  kData,       // the rest of its message
  kHandshake,  // TLS
  kReply,      // the client takes our reply
  kRoom,       // our memory
  kCommit,     // our store; not limited here
  kPause,      // the client hears of an error later
};

class SmtpPace {
 public:
  // `limits` outlives this.
  SmtpPace(const SmtpTimeLimits& limits, absl::Duration now) : limits_(limits), since_(now) {}
  // Begins to wait for the next thing. Of a message each time only counts on: see Received().
  void Enter(SmtpPhase phase, absl::Duration now);
  void BeginMessage(absl::Duration now);
  // Begins to wait, kPause, after an error that is the `errors`th of the connection (1 or more).
  void Pause(int errors, absl::Duration now);
  void Received(int64_t bytes) { message_bytes_ += bytes; }
  SmtpPhase phase() const { return phase_; }
  // infinite: whenever. `busy`: most connections are taken; then a pause is over, so that those
  // who wait in one do not take the place of others.
  absl::Duration Deadline(bool busy) const;

 private:
  const SmtpTimeLimits& limits_;
  SmtpPhase phase_ = SmtpPhase::kCommand;
  absl::Duration since_;
  absl::Duration pause_ = absl::ZeroDuration();
  absl::Duration message_since_ = absl::ZeroDuration();
  int64_t message_bytes_ = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_PACE_H_
