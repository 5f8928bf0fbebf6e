// The catalogue that policyd goes by now: the shipped one with the operator's file, and what was
// added over the API.

#ifndef DMARCATE_POLICYD_SERVICE_CATALOGUE_BOOK_H_
#define DMARCATE_POLICYD_SERVICE_CATALOGUE_BOOK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "policyd/analysis/catalogue.h"

namespace dmarcate {

// Answers point into a catalogue. Who keeps them for long keeps a CatalogueView with them; a call
// need not: a catalogue that was ever handed out stays for so long after it was replaced, longer
// than any call may take.
inline constexpr absl::Duration kKeepCatalogue = absl::Minutes(30);

struct CatalogueView {
  std::shared_ptr<const Catalogue> catalogue;  // never null
  uint64_t version = 0;                        // equal versions, equal catalogues
};

// `catalogue` outlives all views of it.
std::shared_ptr<const Catalogue> UnownedCatalogue(const Catalogue& catalogue);

// Thread-safe.
class CatalogueBook {
 public:
  // `base` outlives it.
  explicit CatalogueBook(const Catalogue& base) : base_(base), now_{UnownedCatalogue(base)} {}
  CatalogueBook(const CatalogueBook&) = delete;
  CatalogueBook& operator=(const CatalogueBook&) = delete;

  CatalogueView Get() const;
  const Catalogue& base() const { return base_; }

  // `own` beside the base, each in the place of the one with its id. `now`: Clock::Monotonic().
  //   kInvalidArgument  two services claim the same; nothing has changed
  absl::Status Replace(const std::vector<MailService>& own, absl::Duration now);
  // Whether Replace() would do it.
  absl::Status Check(const std::vector<MailService>& own) const;
  // How many are kept beside that of now; for tests.
  size_t kept() const;

 private:
  struct Former {
    std::shared_ptr<const Catalogue> catalogue;
    absl::Duration replaced = absl::ZeroDuration();
  };

  absl::StatusOr<std::shared_ptr<const Catalogue>> Make(const std::vector<MailService>& own) const;

  const Catalogue& base_;
  mutable std::mutex mutex_;  // guards what follows
  CatalogueView now_;
  mutable bool handed_out_ = false;  // that of now
  std::vector<Former> former_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_CATALOGUE_BOOK_H_
