// policyd/provider/api/json.h
// Reading a stranger's JSON: every look-up says whether it is there and of the type that is
// documented, nothing throws.

#ifndef DMARCATE_POLICYD_PROVIDER_API_JSON_H_
#define DMARCATE_POLICYD_PROVIDER_API_JSON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include <nlohmann/json.hpp>

namespace dmarcate {

using Json = nlohmann::json;

// Never throws; what does not parse is discarded, and no object.
Json ParseJson(std::string_view text);
// The member, or null (a value) where `object` is none or has none.
const Json& MemberOf(const Json& object, const char* key);
std::optional<std::string> StringAt(const Json& object, const char* key);
// A whole number from 0 to 2^53, also as decimal text (Porkbun writes numbers so).
std::optional<uint64_t> NumberAt(const Json& object, const char* key);
// A DNS TTL: a number of at most 2^31-1 (RFC 2181 section 8).
std::optional<uint32_t> TtlAt(const Json& object, const char* key);
std::optional<bool> BoolAt(const Json& object, const char* key);
// An id, which is text or a whole number; as text.
std::optional<std::string> IdAt(const Json& object, const char* key);
// Compact, in ASCII; octets that are no UTF-8 are replaced (codecs refuse them before).
std::string ToText(const Json& value);

// kDataLoss "the answer is not what the API documents: `what`".
absl::Status NotUnderstood(std::string_view what);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_API_JSON_H_
