// policyd/mta_sts/never_events.h
// The last look before a file is served or a record is written: what must never happen, judged from
// the raw evidence and not from the gates, so that a mistake in a gate is not one here. Pure.
//
//   S1  an id whose file is not what is served at its address
//   S2  enforce without testing before it, or beyond the target
//   S3  enforce while an MX host is not named, not looked at or has a fault
//   S4  enforce on too few days, reporters or sessions, or with more failures than any setting
//   allows S5  a step that nobody has said yes to, of a ladder that only advises, or that is paused
//   S6  the record removed before it said mode none, or while caches can hold an older policy
//   S7  by itself down on anything but a certificate that is out of date, or twice in 24 hours
//   S8  a record written over one that is not ours

#ifndef DMARCATE_POLICYD_MTA_STS_NEVER_EVENTS_H_
#define DMARCATE_POLICYD_MTA_STS_NEVER_EVENTS_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "policyd/mta_sts/next_step.h"

namespace dmarcate {

//   kFailedPrecondition  names the never-event: "S2: enforce without testing before it"
absl::Status CheckNeverEvents(const StsState& state, const StsEvidence& evidence,
                              const StsStep& step, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_NEVER_EVENTS_H_
