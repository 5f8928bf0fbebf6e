// policyd/provider/api/txt_codec.h
// TXT data as the APIs of DNS hosts spell it (reference/providers.md section 1). Pure. Whatever one
// of these encodes, it decodes to the same text; only the quoted forms keep where a text is cut,
// and octets that are no text.

#ifndef DMARCATE_POLICYD_PROVIDER_API_TXT_CODEC_H_
#define DMARCATE_POLICYD_PROVIDER_API_TXT_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"

namespace dmarcate {

enum class TxtForm : uint8_t {
  kQuoted,       // "..." "...", \" \\ and \DDD decimal: RFC 1035 section 5.1. Read bare, too
  kQuotedOctal,  // the same with \ooo octal: Route 53
  kRaw,          // the text itself: DigitalOcean, Linode, Porkbun, NS1
  kQuotedOrRaw,  // written as kQuoted, read as kQuoted if it begins and ends with a quote, else raw
  kOnePair,      // one pair of quotes around the text itself: Vultr
};

//   kInvalidArgument  the form cannot say it: octets that are no UTF-8 or control characters in a
//                     raw form, a quote in kOnePair, and at the ends of kRaw
absl::StatusOr<std::string> EncodeTxt(TxtForm form, const TxtRecord& record);
//   kInvalidArgument  not in that form; the message says where
absl::StatusOr<TxtRecord> DecodeTxt(TxtForm form, std::string_view text);

// An array of raw strings of at most 255 octets each: Azure. Cut again where a cut of the record
// would split a character of UTF-8: where a text is cut has no meaning.
//   kInvalidArgument  as EncodeTxt, kRaw (quotes may be anywhere)
absl::StatusOr<std::vector<std::string>> EncodeTxtStrings(const TxtRecord& record);
//   kInvalidArgument  no strings, or one over 255 octets
absl::StatusOr<TxtRecord> DecodeTxtStrings(const std::vector<std::string>& strings);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_API_TXT_CODEC_H_
