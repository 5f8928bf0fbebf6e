// ingestd/pipeline/verification.h
// How the pipeline learns what the mail that carries a report proves: who checks, on how many
// threads, and how often again while DNS does not answer. What follows from it is trust.h.

#ifndef DMARCATE_INGESTD_PIPELINE_VERIFICATION_H_
#define DMARCATE_INGESTD_PIPELINE_VERIFICATION_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>

#include "absl/time/time.h"

#include "ingestd/pipeline/anchors.h"
#include "lib/base/clock.h"
#include "lib/dns/resolver.h"
#include "lib/mailauth/alignment.h"
#include "lib/mailauth/carrier.h"
#include "lib/store/report_store.h"
#include "lib/unpack/unpack.h"

namespace dmarcate {

// Verifies one mail that arrived at `arrived`; asks DNS and may take long. Thread-safe.
using CarrierChecker = std::function<CarrierAuth(
    std::string_view mail, const std::optional<Envelope>& envelope, absl::Time arrived)>;

// CheckCarrier() of lib/inspect. What is given outlives it.
CarrierChecker MakeCarrierChecker(Resolver& resolver, const PublicSuffixList& suffixes,
                                  const Clock& clock);

struct Verification {
  CarrierChecker checker;  // empty: no mail is verified, every report is IMPORTED
  AnchorList anchors;
  const Clock* clock = nullptr;                   // required with a checker; outlives the pipeline
  UnpackLimits limits;                            // of readings (lib/unpack/reading.h)
  int threads = 4;                                // so many mails are checked at a time
  absl::Duration first_retry = absl::Minutes(1);  // then after twice as long, and so on,
  absl::Duration longest_retry = absl::Hours(1);  // and at least so often
  // While so many mails wait for DNS or for a thread, mail that would wait too is not taken.
  size_t most_waiting = 100'000;
  // Told of each mail that came with an envelope and was verified, and of the class of the most
  // trusted aggregate report in it (kUnspecified: there is none). On a thread of the pipeline; may
  // be empty.
  std::function<void(const Envelope&, const CarrierAuth&, TrustClass)> verified;
  // Told to end: what DNS leaves open now says nothing about DNS. May be empty.
  std::function<bool()> stopping;
  // After its arrival, or after the start if that is later, a mail is judged by what is known.
  absl::Duration give_up = absl::Hours(24);
};

// Whether there is anything to verify: `content` is a mail that has a signature, or an envelope is
// known. Asks nobody.
bool NeedsCheck(std::string_view content, const std::optional<Envelope>& envelope);

// Without what a mailbox file or a forwarding script puts before the first field of a mail.
std::string_view WithoutMailboxLine(std::string_view mail);

// How long to wait after `failures` (1 or more) checks that DNS left open.
absl::Duration RetryDelay(const Verification& verification, int failures);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_PIPELINE_VERIFICATION_H_
