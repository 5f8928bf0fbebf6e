#include "lib/inspect/public_suffix_file.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/public_suffix_list.h"

namespace dmarcate {
namespace {

constexpr size_t kLimitBytes = 8 << 20;
constexpr char kKey[] = "public_suffix_file";

}  // namespace

absl::StatusOr<std::unique_ptr<PublicSuffixList>> LoadPublicSuffixFile(const std::string& path) {
  if (path.empty()) return BuiltinPublicSuffixList();
  const auto data = ReadFile(path, kLimitBytes);
  if (!data.ok()) return Annotate(data.status(), kKey);
  auto list = ParsePublicSuffixList(*data);
  if (!list.ok()) return Annotate(Annotate(list.status(), path), kKey);
  return list;
}

}  // namespace dmarcate
