#include "policyd/service/place.h"

#include <charconv>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"

namespace dmarcate {

std::string Place::ToString() const { return fmt::format("{} {}", messages, key); }

absl::StatusOr<std::optional<Place>> ReadPlace(const PageTokens& pages, std::string_view scope,
                                               std::string_view token) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string text, pages.Read(scope, token));
  if (text.empty()) return std::optional<Place>();
  Place place;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, place.messages);
  if (error != std::errc() || stop == end) {
    return ReasonError(Reason::kPageTokenInvalid, "page_token: none of ours");
  }
  place.key.assign(stop + 1, end);
  return std::optional<Place>(std::move(place));
}

}  // namespace dmarcate
