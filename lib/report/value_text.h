// lib/report/value_text.h
// Addresses and counters as reporters write them (report-quirks W1 to W8, P8).

#ifndef DMARCATE_LIB_REPORT_VALUE_TEXT_H_
#define DMARCATE_LIB_REPORT_VALUE_TEXT_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "lib/base/ip_address.h"

namespace dmarcate {

enum class AddressForm {
  kPlain,
  kEmpty,
  kNormalized,   // brackets or a zone stripped, or IPv4-mapped (W1)
  kTrimmed,      // a prefix length, a port or further addresses cut off (W3)
  kLeadingZero,  // "010.1.2.3", read as decimal (W4)
  kUnreadable,   // a host name, "unknown", "0.0.0.0" (W2)
};
struct AddressText {
  std::optional<IpAddress> address;  // nullopt for kEmpty and kUnreadable
  AddressForm form = AddressForm::kEmpty;
};
AddressText ReadAddressText(std::string_view text);

enum class CountForm {
  kPlain,
  kEmpty,
  kFolded,     // "1.0", "1,234": the integer part where it is beyond doubt (W5)
  kSaturated,  // beyond 64 bits (W8)
  kInvalid,    // negative or no number: 0 (W7)
};
struct CountText {
  uint64_t value = 0;
  CountForm form = CountForm::kEmpty;
};
CountText ReadCountText(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_VALUE_TEXT_H_
