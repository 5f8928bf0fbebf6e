#include "policyd/reconcile/mta_sts_served.h"

#include "lib/base/log.h"

namespace dmarcate {

std::optional<std::string> MtaStsServed::Find(const DomainName& domain) {
  const absl::StatusOr<std::optional<StsRollout>> last = book_.Last(domain.text());
  if (!last.ok()) {
    LogWarn("mta_sts_file_unreadable", {{"domain", domain.text()}, {"error", last.status()}});
    return std::nullopt;
  }
  if (!last->has_value()) return std::nullopt;
  const StsState& state = (*last)->state;
  if (state.move.has_value()) return state.move->file;
  if (state.file.empty()) return std::nullopt;
  return state.file;
}

}  // namespace dmarcate
