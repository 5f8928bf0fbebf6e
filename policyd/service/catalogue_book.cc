#include "policyd/service/catalogue_book.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"

namespace dmarcate {

std::shared_ptr<const Catalogue> UnownedCatalogue(const Catalogue& catalogue) {
  return {std::shared_ptr<const void>(), &catalogue};
}

CatalogueView CatalogueBook::Get() const {
  const std::lock_guard lock(mutex_);
  handed_out_ = true;
  return now_;
}

absl::StatusOr<std::shared_ptr<const Catalogue>> CatalogueBook::Make(
    const std::vector<MailService>& own) const {
  std::vector<MailService> all;
  for (const MailService& service : base_.services()) {
    if (std::ranges::find(own, service.id, &MailService::id) == own.end()) all.push_back(service);
  }
  all.insert(all.end(), own.begin(), own.end());
  return Catalogue::Make(std::move(all));
}

absl::Status CatalogueBook::Check(const std::vector<MailService>& own) const {
  return Make(own).status();
}

absl::Status CatalogueBook::Replace(const std::vector<MailService>& own, absl::Duration now) {
  DMARCATE_ASSIGN_OR_RETURN(std::shared_ptr<const Catalogue> made, Make(own));
  const std::lock_guard lock(mutex_);
  // Of a script that adds hundreds, one after the other, only those stay that somebody has seen.
  if (handed_out_) former_.push_back({std::move(now_.catalogue), now});
  handed_out_ = false;
  now_ = {std::move(made), now_.version + 1};
  std::erase_if(former_,
                [&](const Former& former) { return now - former.replaced > kKeepCatalogue; });
  return absl::OkStatus();
}

size_t CatalogueBook::kept() const {
  const std::lock_guard lock(mutex_);
  return former_.size();
}

}  // namespace dmarcate
