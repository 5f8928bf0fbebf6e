// A name that parses is its own canonical form and keeps the limits of the DNS.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailauth/domain_name.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto name = dmarcate::DomainName::Parse({reinterpret_cast<const char*>(data), size});
  if (!name.ok()) return 0;
  if (name->text().size() > 253) std::abort();
  for (const std::string_view label : name->labels()) {
    if (label.empty() || label.size() > 63) std::abort();
  }
  const auto again = dmarcate::DomainName::Parse(name->ToFqdn());
  if (!again.ok() || *again != *name) std::abort();
  if (!name->IsAtOrBelow(name->Parent())) std::abort();
  return 0;
}
