#include "lib/report/value_text.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool AllDigits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, IsDigit);
}

bool IsUnspecified(const IpAddress& address) {
  return address == IpAddress() || address == IpAddress::FromV4(0);
}

// "010.1.2.3" without its leading zeros, or empty if it is no dotted quad.
std::string WithoutLeadingZeros(std::string_view text) {
  std::string out;
  for (std::string_view part : Split(text, '.')) {
    if (!AllDigits(part)) return "";
    while (part.size() > 1 && part[0] == '0') part.remove_prefix(1);
    if (!out.empty()) out += '.';
    out += part;
  }
  return out;
}

// `text` up to what does not belong to an address: a second address, a prefix length, a port.
std::string_view FirstAddress(std::string_view text) {
  text = TrimAscii(text.substr(0, text.find_first_of(",; \t\r\n/")));
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    return close == std::string_view::npos ? text.substr(1) : text.substr(1, close - 1);
  }
  // One colon is a port, several are IPv6.
  if (std::ranges::count(text, ':') == 1) text = text.substr(0, text.find(':'));
  return text;
}

}  // namespace

AddressText ReadAddressText(std::string_view text) {
  if (text.empty()) return {};
  AddressText result{.address = IpAddress::Parse(text), .form = AddressForm::kPlain};
  if (result.address.has_value()) {
    if (result.address->is_v4() && text.find(':') != std::string_view::npos) {
      result.form = AddressForm::kNormalized;
    }
  } else {
    const std::string_view first = FirstAddress(text);
    const std::string_view bare = first.substr(0, first.find('%'));
    const bool only_wrapped =
        first.size() == text.size() ||
        (text.front() == '[' && text.back() == ']' && first.size() + 2 == text.size());
    result.address = IpAddress::Parse(bare);
    result.form = only_wrapped ? AddressForm::kNormalized : AddressForm::kTrimmed;
    if (!result.address.has_value()) {
      result.address = IpAddress::Parse(WithoutLeadingZeros(bare));
      result.form = AddressForm::kLeadingZero;
    }
  }
  if (!result.address.has_value() || IsUnspecified(*result.address)) {
    return {.address = std::nullopt, .form = AddressForm::kUnreadable};
  }
  return result;
}

CountText ReadCountText(std::string_view text) {
  CountText count;
  if (text.empty()) return count;
  count.form = CountForm::kPlain;
  std::string digits(text);
  if (!AllDigits(text)) {
    count.form = CountForm::kFolded;
    if (digits.front() == '+') digits.erase(0, 1);
    // A fraction of messages is none: ".0" says nothing, anything else is in doubt.
    if (const size_t dot = digits.find('.'); dot != std::string::npos) {
      if (digits.find_first_not_of('0', dot + 1) != std::string::npos) {
        return {.value = 0, .form = CountForm::kInvalid};
      }
      digits.resize(dot);
    }
    // "1,234,567": groups of three after the first.
    const std::vector<std::string_view> groups = Split(digits, ',');
    std::string joined;
    for (size_t i = 0; i < groups.size(); ++i) {
      const bool fits =
          i == 0 ? groups.size() == 1 || groups[i].size() <= 3 : groups[i].size() == 3;
      if (!fits || !AllDigits(groups[i])) return {.value = 0, .form = CountForm::kInvalid};
      joined += groups[i];
    }
    digits = joined;
  }
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), count.value);
  if (error == std::errc::result_out_of_range) {
    return {.value = UINT64_MAX, .form = CountForm::kSaturated};
  }
  return count;
}

}  // namespace dmarcate
