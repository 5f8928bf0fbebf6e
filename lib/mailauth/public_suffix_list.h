// lib/mailauth/public_suffix_list.h
// The public suffix list by libpsl. The data is an argument: main reads the file (Debian's package
// publicsuffix keeps it fresh) and nothing here touches a disk.

#ifndef DMARCATE_LIB_MAILAUTH_PUBLIC_SUFFIX_LIST_H_
#define DMARCATE_LIB_MAILAUTH_PUBLIC_SUFFIX_LIST_H_

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/mailauth/alignment.h"

namespace dmarcate {

inline constexpr std::string_view kPublicSuffixFile =
    "/usr/share/publicsuffix/public_suffix_list.dat";

// RFC 7489 does not say whether the list's PRIVATE section (github.io) counts; receivers differ.
enum class PrivateSuffixes : uint8_t { kCount, kIgnore };

// `data`: public_suffix_list.dat.   kInvalidArgument  it holds no rule
absl::StatusOr<std::unique_ptr<PublicSuffixList>> ParsePublicSuffixList(
    std::string_view data, PrivateSuffixes private_suffixes = PrivateSuffixes::kCount);
// The list that was compiled into libpsl: older, but always there.
std::unique_ptr<PublicSuffixList> BuiltinPublicSuffixList(
    PrivateSuffixes private_suffixes = PrivateSuffixes::kCount);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_PUBLIC_SUFFIX_LIST_H_
