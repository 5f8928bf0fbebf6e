// lib/inspect/public_suffix_file.h
// The public suffix list as the daemons' configuration names it (public_suffix_file).

#ifndef DMARCATE_LIB_INSPECT_PUBLIC_SUFFIX_FILE_H_
#define DMARCATE_LIB_INSPECT_PUBLIC_SUFFIX_FILE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "lib/mailauth/alignment.h"

namespace dmarcate {

// `path` empty: the list that was compiled into libpsl. Errors are those of the file and of
// ParsePublicSuffixList(), and name the key and the path.
absl::StatusOr<std::unique_ptr<PublicSuffixList>> LoadPublicSuffixFile(const std::string& path);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_PUBLIC_SUFFIX_FILE_H_
