// bench/mail_load.h
// A mail client that puts load on a server: a number of sessions on one thread, each waiting for
// every reply, as smtp-source does; and it knows how long every 250 took.

#ifndef DMARCATE_BENCH_MAIL_LOAD_H_
#define DMARCATE_BENCH_MAIL_LOAD_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace dmarcate::bench {

inline constexpr char kSenderAddress[] = "reports@reporter.test";
inline constexpr char kRecipientAddress[] = "dmarc@reports.test";

enum class Reuse { kConnectionAMail, kConnectionKept };

struct LoadResult {
  double seconds = 0;          // from the first connection to the last 250
  std::vector<double> waited;  // seconds from the end of a mail to its 250, ascending
  std::chrono::steady_clock::time_point last_250;
};

// Sends each of `mails` (lines end with CR LF, none begins with a dot) once, from kSenderAddress to
// kRecipientAddress, to the server at `port` of 127.0.0.1.
//   kFailedPrecondition  an answer other than the one that takes the mail
//   kUnavailable, kDeadlineExceeded  no answer
absl::StatusOr<LoadResult> SendAll(uint16_t port, int sessions, Reuse reuse,
                                   const std::vector<std::string>& mails);

}  // namespace dmarcate::bench

#endif  // DMARCATE_BENCH_MAIL_LOAD_H_
