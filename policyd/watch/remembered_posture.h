// policyd/watch/remembered_posture.h
// How a domain stands by what the watch saw last: the records judged as live ones are, and nobody
// asked. Pure.

#ifndef DMARCATE_POLICYD_WATCH_REMEMBERED_POSTURE_H_
#define DMARCATE_POLICYD_WATCH_REMEMBERED_POSTURE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "lib/inspect/posture.h"
#include "lib/mailauth/domain_name.h"
#include "lib/store/observation_store.h"
#include "policyd/watch/remembered.h"

namespace dmarcate {

// The last look at one name.
struct RememberedLook {
  // What it found was first seen then, and last.
  absl::Time since, looked;
};

struct RememberedPosture {
  SpfPosture spf;
  DmarcPosture dmarc;
  std::vector<DkimPosture> dkim;  // by selector
  // Of the domain's own records; absent: nobody has looked.
  std::optional<RememberedLook> spf_look, dmarc_look;
};

// What is kept of one name: its history, newest first.
struct RememberedName {
  ObservedName name;
  std::vector<Observation> history;
};

// Selectors are those of `names` that were looked at within kRememberedFor, at most
// `most_selectors`.
RememberedPosture JudgeRemembered(const DomainName& domain,
                                  const std::vector<RememberedName>& names, size_t most_selectors,
                                  absl::Time now);

// What receivers do with mail of the domain that fails, in words: "is refused; ...".
std::string DescribePolicy(const DmarcDiscovery& discovery);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_REMEMBERED_POSTURE_H_
