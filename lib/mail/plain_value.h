// lib/mail/plain_value.h
// The fast readers of header_value.h: they read the plain shapes that nearly all report mail has
// and hand over (nullopt) at the first octet that could mean more - a comment, an escape, an
// encoded word, an RFC 2231 attribute, a repeated one, anything beyond ASCII. What they do read,
// GMime reads alike: a test over the corpora and the fuzz target `plain_value` hold them to it.
// Internal to lib/mail and its tests.

#ifndef DMARCATE_LIB_MAIL_PLAIN_VALUE_H_
#define DMARCATE_LIB_MAIL_PLAIN_VALUE_H_

#include <optional>
#include <string>
#include <string_view>

#include "lib/mail/header_value.h"

namespace dmarcate {

// "type/subtype; attribute=token; attribute=\"text\""
std::optional<ContentType> PlainContentType(std::string_view value);
// "attachment; filename=..."
std::optional<std::string> PlainDispositionFileName(std::string_view value);
// Printable ASCII without encoded words.
std::optional<std::string> PlainHeaderText(std::string_view value);
// "local@domain", "Some Name <local@domain>", "\"Some, Name\" <local@domain>"
std::optional<std::string> PlainAddressDomain(std::string_view value);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_PLAIN_VALUE_H_
