// What the methods of CatalogueService do: services of the operator's own, in the store and in the
// catalogue that policyd goes by.

#ifndef DMARCATE_POLICYD_SERVICE_CATALOGUE_DESK_H_
#define DMARCATE_POLICYD_SERVICE_CATALOGUE_DESK_H_

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/clock.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/own_service_store.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/service/catalogue_book.h"

namespace dmarcate {

// A service that was added over the API, and why it does not count; empty: it does.
struct OwnService {
  OwnServiceRecord record;
  MailService service;
  std::string ignored_reason;
};

struct PutOwnRequest {
  MailService service;
  std::optional<std::string> etag;  // nothing: it is a new one
  std::string who;
  bool validate_only = false;
};

// Thread-safe. All outlive it.
class CatalogueDesk {
 public:
  CatalogueDesk(OwnServiceStore& store, CatalogueBook& book, const PublicSuffixList& suffixes,
                const Clock& clock)
      : store_(store), book_(book), suffixes_(suffixes), clock_(clock) {}

  // Puts what is stored into the book. A service that contradicts the others, as after a release
  // that describes it, too, or whose text cannot be read, is logged and does not count.
  absl::Status Load();

  // By id. What was read when the book was last written.
  std::vector<OwnService> List() const;
  std::optional<OwnService> Find(std::string_view id) const;

  // RESOURCE_NOT_FOUND: no service of this id was added over the API.
  absl::Status NotAdded(std::string_view id) const;

  //   kInvalidArgument FIELD_INVALID, ETAG_REQUIRED  kAlreadyExists RESOURCE_EXISTS
  //   kNotFound RESOURCE_NOT_FOUND                   kAborted ETAG_MISMATCH
  absl::StatusOr<OwnService> Put(const PutOwnRequest& request);
  absl::Status Delete(std::string_view id, std::string_view etag, std::string_view who,
                      bool validate_only);

 private:
  using Services = std::map<std::string, OwnService, std::less<>>;

  // Those of `own` that count, `but` left out and `with` put in.
  static std::vector<MailService> Counting(const Services& own, std::string_view but,
                                           const MailService* with);
  absl::Status Reload();  // under mutex_

  OwnServiceStore& store_;
  CatalogueBook& book_;
  const PublicSuffixList& suffixes_;
  const Clock& clock_;

  mutable std::mutex mutex_;  // from reading to having replaced
  Services own_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_CATALOGUE_DESK_H_
