// lib/mail/gmime_value.h
// The full readers of header_value.h: GMime, whatever the value holds. Internal to lib/mail and its
// tests.

#ifndef DMARCATE_LIB_MAIL_GMIME_VALUE_H_
#define DMARCATE_LIB_MAIL_GMIME_VALUE_H_

#include <optional>
#include <string>

#include "absl/time/time.h"

#include "lib/mail/header_value.h"

namespace dmarcate {

ContentType GmimeParseContentType(const std::string& value);
std::string GmimeParseDispositionFileName(const std::string& value);
std::string GmimeDecodeHeaderText(const std::string& value);
std::string GmimeFirstAddressDomain(const std::string& value);
std::optional<std::string> GmimeSingleAddress(const std::string& value);
std::optional<absl::Time> GmimeParseMailDate(const std::string& value);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_GMIME_VALUE_H_
