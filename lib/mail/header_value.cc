#include "lib/mail/header_value.h"

#include "lib/mail/gmime_value.h"
#include "lib/mail/plain_value.h"
#include "lib/mail/single_address.h"

namespace dmarcate {

ContentType ParseContentType(const std::string& value) {
  if (auto plain = PlainContentType(value)) return *std::move(plain);
  return GmimeParseContentType(value);
}

std::string ParseDispositionFileName(const std::string& value) {
  if (auto plain = PlainDispositionFileName(value)) return *std::move(plain);
  return GmimeParseDispositionFileName(value);
}

std::string DecodeHeaderText(const std::string& value) {
  if (auto plain = PlainHeaderText(value)) return *std::move(plain);
  return GmimeDecodeHeaderText(value);
}

std::string FirstAddressDomain(const std::string& value) {
  if (auto plain = PlainAddressDomain(value)) return *std::move(plain);
  return GmimeFirstAddressDomain(value);
}

std::optional<std::string> SingleAddress(const std::string& value) {
  const std::optional<std::string> strict = StrictSingleAddress(value);
  if (!strict) return std::nullopt;
  // GMime makes the best of anything, as other readers do: here it has to find the same. Read by
  // itself the address comes with its domain as A-labels.
  std::optional<std::string> address = GmimeSingleAddress(value);
  if (!address || address != GmimeSingleAddress(*strict)) return std::nullopt;
  if (!address->starts_with(strict->substr(0, strict->find('@') + 1))) return std::nullopt;
  return address;
}

std::optional<absl::Time> ParseMailDate(const std::string& value) {
  return GmimeParseMailDate(value);
}

}  // namespace dmarcate
