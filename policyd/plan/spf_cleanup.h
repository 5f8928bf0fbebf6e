// policyd/plan/spf_cleanup.h
// Child records that nothing leads to any more, and when they may be taken away: receivers that
// have an older record of the domain in their caches still ask for them. Pure.

#ifndef DMARCATE_POLICYD_PLAN_SPF_CLEANUP_H_
#define DMARCATE_POLICYD_PLAN_SPF_CLEANUP_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"
#include "policyd/plan/spf_children.h"

namespace dmarcate {

// Beyond the TTL: there are caches that keep what they have for a while longer.
inline constexpr absl::Duration kSpfChildRest = absl::Hours(1);
// How many changes of a domain are looked at for its older records; newest first.
inline constexpr size_t kSpfCleanupHistory = 1000;

// From when on no cache has another SPF record of `domain` than `live`, the one that its servers
// show with this TTL. `changes`: of the domain, newest first. Nothing if that is not known: the
// live record is not what the last change left, a change is under way, or its outcome is not known.
std::optional<absl::Time> SpfForgottenAt(const DomainName& domain, std::string_view live,
                                         uint32_t ttl_seconds,
                                         const std::vector<ChangeRecord>& changes);

// Those of `children` that no record of `texts` leads to.
std::vector<SpfChild> SpfChildrenNotLedTo(const std::vector<SpfChild>& children,
                                          const std::vector<std::string_view>& texts);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_SPF_CLEANUP_H_
