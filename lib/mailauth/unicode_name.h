// lib/mailauth/unicode_name.h
// A domain name as people write it. For showing only: names are compared and kept as A-labels.

#ifndef DMARCATE_LIB_MAILAUTH_UNICODE_NAME_H_
#define DMARCATE_LIB_MAILAUTH_UNICODE_NAME_H_

#include <string>

#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// With U-labels (RFC 5890 section 2.3.2.1); the text as it is where that is not possible.
std::string ToUnicode(const DomainName& name);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_UNICODE_NAME_H_
