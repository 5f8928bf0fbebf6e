// What is read of a snapshot renders to one that reads as the same, whatever a later policyd put
// between its lines; one that is cut off anywhere is refused.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/snapshot/snapshot.h"

namespace {

void Check(std::string_view text) {
  const auto snapshot = dmarcate::ParseSnapshot(text);
  if (!snapshot.ok()) return;
  const std::string rendered = dmarcate::RenderSnapshot(*snapshot);
  const auto again = dmarcate::ParseSnapshot(rendered);
  if (!again.ok() || *again != *snapshot) std::abort();
  if (rendered.size() > text.size()) std::abort();  // lines that are not known are left out
  if (dmarcate::ParseSnapshot(text.substr(0, text.size() - 1)).ok()) std::abort();
  if (dmarcate::ParseSnapshot(text.substr(0, text.size() / 2)).ok()) std::abort();
}

}  // namespace

// The bytes as they are, and as the lines of a snapshot that is whole: the count at its end would
// keep out nearly all that a mutator makes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Check(text);
  const auto lines = std::ranges::count(text, '\n');
  Check("dmarcate snapshot 1\n" + text + "end " + std::to_string(lines) + "\n");
  return 0;
}
