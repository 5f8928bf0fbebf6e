#include "lib/mail/header_value.h"

#include "lib/mail/gmime_value.h"
#include "lib/mail/plain_value.h"

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

std::optional<absl::Time> ParseMailDate(const std::string& value) {
  return GmimeParseMailDate(value);
}

}  // namespace dmarcate
