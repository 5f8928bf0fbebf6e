// lib/mail/single_address.h
// The one mailbox of a From field, if there is but one way to read it. Internal to lib/mail and its
// tests; use header_value.h.

#ifndef DMARCATE_LIB_MAIL_SINGLE_ADDRESS_H_
#define DMARCATE_LIB_MAIL_SINGLE_ADDRESS_H_

#include <optional>
#include <string>
#include <string_view>

namespace dmarcate {

// The addr-spec of `value`, one unfolded value, as it stands there. It is a mailbox of RFC 5322
// section 3.4, and less than that, so that every reader finds the same: `addr-spec`, or
// `phrase <addr-spec>` with nothing but comments behind it. Not in it: a route, a group, a quoted
// local part, a domain literal, a backslash, angle brackets in quotations or comments, and in the
// phrase a special outside of quotations, but for the dot of initials and the address itself again.
// nullopt for everything else. Pure.
std::optional<std::string> StrictSingleAddress(std::string_view value);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_SINGLE_ADDRESS_H_
