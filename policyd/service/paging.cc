#include "policyd/service/paging.h"

#include <algorithm>
#include <charconv>
#include <memory>

#include "fmt/format.h"
#include "google/protobuf/message.h"
#include <openssl/crypto.h>

#include "lib/base/digest.h"
#include "lib/rpc/errors.h"
#include "policyd/service/message_bytes.h"

namespace dmarcate {
namespace {

constexpr size_t kSignatureBytes = 16;
constexpr size_t kMaxTokenBytes = 4096;

absl::Status Invalid(std::string_view why) {
  return ReasonError(Reason::kPageTokenInvalid, fmt::format("page_token: {}", why),
                     {{"field", "page_token"}});
}

}  // namespace

absl::StatusOr<size_t> PageSize(int32_t asked) {
  if (asked < 0) {
    return ReasonError(Reason::kPageSizeNegative, fmt::format("page_size: {} is negative", asked),
                       {{"field", "page_size"}});
  }
  return static_cast<size_t>(asked == 0 ? kDefaultPageSize : std::min(asked, kMaxPageSize));
}

std::string PageScope(std::string_view method, std::string_view caller,
                      const google::protobuf::Message& request) {
  const std::unique_ptr<google::protobuf::Message> rest(request.New());
  rest->CopyFrom(request);
  for (const char* field : {"page_size", "page_token", "record_page_token"}) {
    ClearField(*rest, field);
  }
  return fmt::format("{}\n{}\n{}", method, caller, Sha256Hex(DeterministicBytes(*rest)));
}

std::string PageTokens::Sign(std::string_view scope, std::string_view body) const {
  // The lengths keep scope and body apart, whatever they hold.
  const std::string text = fmt::format("{} {} {}{}", scope.size(), body.size(), scope, body);
  return HmacSha256(key_, text).substr(0, kSignatureBytes);
}

std::string PageTokens::Make(std::string_view scope, std::string_view position) const {
  const std::string body =
      fmt::format("{}:{}", absl::ToUnixSeconds(clock_.Now() + kPageTokenLifetime), position);
  return Base64Encode(Sign(scope, body) + body);
}

absl::StatusOr<std::string> PageTokens::Read(std::string_view scope, std::string_view token) const {
  if (token.empty()) return std::string();
  if (token.size() > kMaxTokenBytes) return Invalid("too long");
  const absl::StatusOr<std::string> bytes = Base64Decode(token);
  if (!bytes.ok() || bytes->size() <= kSignatureBytes) return Invalid("none of ours");
  const std::string_view signature = std::string_view(*bytes).substr(0, kSignatureBytes);
  const std::string_view body = std::string_view(*bytes).substr(kSignatureBytes);
  const std::string wanted = Sign(scope, body);
  if (CRYPTO_memcmp(signature.data(), wanted.data(), kSignatureBytes) != 0) {
    return Invalid(
        "it belongs to another list, another caller or an earlier start of policyd; ask "
        "for the first page again");
  }
  int64_t expiry = 0;
  const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), expiry);
  if (error != std::errc() || end == body.data() + body.size() || *end != ':') {
    return Invalid("none of ours");
  }
  if (absl::FromUnixSeconds(expiry) < clock_.Now()) {
    return Invalid("it has expired; ask for the first page again");
  }
  return std::string(body.substr(static_cast<size_t>(end - body.data()) + 1));
}

}  // namespace dmarcate
