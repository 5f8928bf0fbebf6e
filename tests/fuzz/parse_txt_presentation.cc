// What parses has strings a record can hold; it renders to text that parses to the same strings;
// and that text renders to itself.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/dns/resolver.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto cut = dmarcate::MakeTxtRecord(text);
  if (cut.Joined() != text) std::abort();
  const auto first = dmarcate::ParseTxtPresentation(text);
  if (!first.ok()) return 0;
  if (first->strings.empty()) std::abort();
  for (const std::string& string : first->strings) {
    if (string.size() > 255) std::abort();
  }
  const std::string rendered = first->ToPresentation();
  const auto second = dmarcate::ParseTxtPresentation(rendered);
  if (!second.ok() || *second != *first || second->ToPresentation() != rendered) std::abort();
  return 0;
}
