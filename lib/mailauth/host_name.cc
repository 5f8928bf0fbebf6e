#include "lib/mailauth/host_name.h"

#include <algorithm>
#include <string_view>

namespace dmarcate {

bool IsHostName(const DomainName& name) {
  return !name.IsRoot() && std::ranges::all_of(name.labels(), [](std::string_view label) {
    return label.front() != '-' && label.back() != '-' && std::ranges::all_of(label, [](char c) {
             return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
           });
  });
}

}  // namespace dmarcate
