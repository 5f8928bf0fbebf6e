// policyd/reconcile/mta_sts_served.h
// The policy files that rollouts of MTA-STS own, as policyd's HTTP port gives them.

#ifndef DMARCATE_POLICYD_RECONCILE_MTA_STS_SERVED_H_
#define DMARCATE_POLICYD_RECONCILE_MTA_STS_SERVED_H_

#include <optional>
#include <string>

#include "lib/base/clock.h"
#include "lib/mailauth/domain_name.h"
#include "lib/store/rollout_store.h"
#include "policyd/reconcile/mta_sts_book.h"

namespace dmarcate {

// Thread-safe. Reads the store with each question, so that what was decided is served from then on,
// by whichever process.
class MtaStsServed {
 public:
  // `store`: that of MTA-STS rollouts. Both outlive it.
  MtaStsServed(RolloutStore& store, const Clock& clock) : book_(store, clock) {}

  // The file that is on its way, else that of the stage, of the domain's last rollout, be it that
  // it has ended: what is announced stays served. Nothing where there is none, or it cannot be
  // read.
  std::optional<std::string> Find(const DomainName& domain);

 private:
  MtaStsBook book_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_MTA_STS_SERVED_H_
