// lib/mailauth/bimi_record.h
// BIMI Assertion Records, the TXT record at `<selector>._bimi.<domain>`, mostly `default._bimi`
// (draft-brand-indicators-for-message-identification-10 section 4.3): where the logo lies that mail
// programs may show. The syntax is that of DKIM keys. Parsed strictly, as the draft asks of
// receivers; kept byte for byte. Pure; nothing is fetched.

#ifndef DMARCATE_LIB_MAILAUTH_BIMI_RECORD_H_
#define DMARCATE_LIB_MAILAUTH_BIMI_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/lint.h"
#include "lib/mailauth/tag_list.h"
#include "lib/mailauth/uri.h"

namespace dmarcate {

enum class BimiAvatar : uint8_t { kBrand, kPersonal };

struct BimiRecord {
  std::optional<Uri> location;   // l=, https; absent if the value is empty
  std::optional<Uri> authority;  // a=, https: the evidence document; absent if empty or no tag
  // lps=: the local part of the sender's address is a selector that is asked first, if it begins
  // with one of the prefixes, or any does if there are none. Draft -12 lists prefixes; "true", for
  // any, and "false" are of draft -10. A value that is unknown counts as none.
  bool local_part_selectors = false;
  std::vector<std::string> local_part_prefixes;
  BimiAvatar avatar = BimiAvatar::kBrand;  // avp=; a value that is unknown counts as none
  std::vector<TagText> tags;               // all of them, the version first
  std::vector<std::string> segments;       // text between semicolons, exactly as written

  const TagText* Find(std::string_view name) const;  // null if there is none
  // The domain takes no part (section 4.3.1), which is not the same as no record. With selectors by
  // local part, only senders without a record of their own take none.
  bool declined() const {
    return !location.has_value() && !authority.has_value() && !local_part_selectors;
  }
  // The bytes that were parsed.
  std::string Render() const;

  friend bool operator==(const BimiRecord&, const BimiRecord&) = default;
};

//   kInvalidArgument  no tag list, another version, no l=, or an l= or a= that is neither empty nor
//                     one https URI with a domain name in it; with the position (syntax_error.h)
absl::StatusOr<BimiRecord> ParseBimi(std::string_view text);

// Findings that need no look-up.
std::vector<LintFinding> LintBimi(const BimiRecord& record, std::string_view path = "bimi");

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_BIMI_RECORD_H_
