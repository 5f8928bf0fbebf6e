// Members and output stay within the limits, names are printable text of bounded length, and a
// member has data or a reason for having none.

#include "lib/archive/unzip.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/base/text.h"

namespace {

constexpr dmarcate::ArchiveLimits kLimits = {.compressed_part_bytes = 1 << 20,
                                             .inflated_bytes = 1 << 20,
                                             .ratio = 300,
                                             .ratio_free_bytes = 1 << 18};
constexpr int64_t kBuffer = 64 << 10;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  dmarcate::ArchiveBudget budget(kLimits);
  int seen = 0;
  const auto visited = dmarcate::Unzip(bytes, budget, [&](dmarcate::ZipMember member) {
    ++seen;
    if (!dmarcate::IsValidUtf8(member.name) || member.name.size() > 600) std::abort();
    if (!member.status.ok() && !member.data.empty()) std::abort();
  });
  if (seen > kLimits.members) std::abort();
  if (visited.ok() && *visited != seen) std::abort();
  if (budget.inflated() > kLimits.inflated_bytes + kBuffer) std::abort();
  if (absl::IsResourceExhausted(visited.status()) == budget.reason().empty()) std::abort();
  return 0;
}
