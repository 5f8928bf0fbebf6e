// policyd/service/paging.h
// Pages of a List (AIP-158). A token is opaque to the client: a position, signed together with the
// method, the caller and every other field of the request, so that it continues exactly that list
// and no other, and only for three days. The key lives as long as the process.

#ifndef DMARCATE_POLICYD_SERVICE_PAGING_H_
#define DMARCATE_POLICYD_SERVICE_PAGING_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/base/random.h"

namespace google::protobuf {
class Message;
}

namespace dmarcate {

inline constexpr int32_t kDefaultPageSize = 50;
inline constexpr int32_t kMaxPageSize = 1000;
inline constexpr absl::Duration kPageTokenLifetime = absl::Hours(72);

// 0 means kDefaultPageSize, more than kMaxPageSize that. kInvalidArgument PAGE_SIZE_NEGATIVE.
absl::StatusOr<size_t> PageSize(int32_t asked);

// What a token belongs to: one caller's list with these arguments. `request` is looked at without
// its fields page_size and page_token (or record_page_token).
std::string PageScope(std::string_view method, std::string_view caller,
                      const google::protobuf::Message& request);

// Thread-safe.
class PageTokens {
 public:
  PageTokens(const Clock& clock, Random& random) : clock_(clock), key_(random.Bytes(32)) {}
  // `position` comes back from Read(); it may hold any bytes, is not secret, at most a few hundred.
  std::string Make(std::string_view scope, std::string_view position) const;
  // The position; empty for an empty token: the first page.
  //   kInvalidArgument PAGE_TOKEN_INVALID  changed, expired, or of another list, caller or process
  absl::StatusOr<std::string> Read(std::string_view scope, std::string_view token) const;

 private:
  std::string Sign(std::string_view scope, std::string_view body) const;
  const Clock& clock_;
  const std::string key_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_PAGING_H_
