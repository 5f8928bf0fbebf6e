// Output stays within the limit, a cut stream gives a prefix of the whole one, and what was
// compressed undamaged comes back.

#include "lib/archive/gunzip.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

constexpr dmarcate::ArchiveLimits kLimits = {.compressed_part_bytes = 1 << 20,
                                             .inflated_bytes = 1 << 20,
                                             .ratio = 300,
                                             .ratio_free_bytes = 1 << 18};
constexpr int64_t kBuffer = 64 << 10;  // what one step of inflating may be past a limit

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  dmarcate::ArchiveBudget budget(kLimits);
  const auto whole = dmarcate::Gunzip(bytes, budget);
  if (budget.inflated() > kLimits.inflated_bytes + kBuffer) std::abort();
  if (absl::IsResourceExhausted(whole.status()) == budget.reason().empty()) std::abort();
  if (!whole.ok()) return 0;
  if (static_cast<int64_t>(whole->data.size()) != budget.inflated()) std::abort();
  if (whole->damage == dmarcate::Damage::kNone && whole->members == 0) std::abort();

  dmarcate::ArchiveBudget second(kLimits);
  const auto cut = dmarcate::Gunzip(bytes.substr(0, size / 2), second);
  if (cut.ok() && !std::string_view(whole->data).starts_with(cut->data)) std::abort();
  return 0;
}
