// lib/mailauth/host_name.h
// DomainName takes any label that the DNS can hold; a mail domain is less than that.

#ifndef DMARCATE_LIB_MAILAUTH_HOST_NAME_H_
#define DMARCATE_LIB_MAILAUTH_HOST_NAME_H_

#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// Every label is letters, digits and inner hyphens (RFC 1123 section 2.1). Not a host name:
// "_dmarc.example.com", "*.example.com", "a/b.example", the root.
bool IsHostName(const DomainName& name);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_HOST_NAME_H_
