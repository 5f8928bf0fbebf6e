// policyd/provider/read_only.h
// DNS accounts of a policyd that may look and must not write: a demo, a dry run, a backup that was
// restored somewhere (never-event R14). Everything is planned and shown as ever; what would write
// is refused before the host is asked, a change that another policyd had begun as well.

#ifndef DMARCATE_POLICYD_PROVIDER_READ_ONLY_H_
#define DMARCATE_POLICYD_PROVIDER_READ_ONLY_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/store/policy_store.h"
#include "policyd/provider/factory.h"
#include "policyd/provider/provider.h"

namespace dmarcate {

// Thread-safe. `providers` outlives it.
class ReadOnlyProviders final : public ProviderFactory {
 public:
  explicit ReadOnlyProviders(ProviderFactory& providers) : providers_(providers) {}
  // What it opens reads as the real one does. Of Apply: kPermissionDenied, but for what stands
  // there already. Test tells it as a warning.
  absl::StatusOr<std::shared_ptr<DnsProvider>> Open(const DnsProviderRecord& record) override;
  absl::Status Validate(const DnsProviderRecord& record) const override {
    return providers_.Validate(record);
  }

 private:
  ProviderFactory& providers_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_READ_ONLY_H_
