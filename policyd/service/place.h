// policyd/service/place.h
// A place in a list by message count, largest first, then by key: that of the last entry shown. It
// stays meaningful when counts move between two pages, which an offset does not.

#ifndef DMARCATE_POLICYD_SERVICE_PLACE_H_
#define DMARCATE_POLICYD_SERVICE_PLACE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "policyd/service/paging.h"

namespace dmarcate {

struct Place {
  int64_t messages = 0;
  std::string key;

  std::string ToString() const;
  // Whether an entry comes after this place.
  bool IsBefore(int64_t other_messages, std::string_view other_key) const {
    return messages != other_messages ? messages > other_messages : key < other_key;
  }
};

// The place in a page token; nothing: the first page. Errors as PageTokens::Read.
absl::StatusOr<std::optional<Place>> ReadPlace(const PageTokens& pages, std::string_view scope,
                                               std::string_view token);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_PLACE_H_
