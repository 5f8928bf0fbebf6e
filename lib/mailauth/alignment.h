// lib/mailauth/alignment.h
// Organizational Domains and Identifier Alignment, in both readings: by the tree walk of RFC 9989
// section 4.10 over records that were looked up before, and by the public suffix list as RFC 7489
// section 3.2 has it. Pure.

#ifndef DMARCATE_LIB_MAILAUTH_ALIGNMENT_H_
#define DMARCATE_LIB_MAILAUTH_ALIGNMENT_H_

#include <optional>
#include <vector>

#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// Knows where registration ends. Thread-safe.
class PublicSuffixList {
 public:
  virtual ~PublicSuffixList() = default;
  // The suffix plus one label: "example.co.uk". A public suffix is its own answer, since there is
  // nothing below it to give.
  virtual DomainName OrganizationalDomain(const DomainName& name) const = 0;
  virtual bool IsPublicSuffix(const DomainName& name) const = 0;
};

// The names to ask for `_dmarc`, in order: at most 8 (RFC 9989 section 4.10). Never the root.
std::vector<DomainName> TreeWalk(const DomainName& start);

// A record found on a walk.
struct WalkRecord {
  DomainName domain;
  char psd = 'u';  // y, n or u
};
// RFC 9989 section 4.10.2. `found`: longest name first, only names of TreeWalk(start); those after
// one with psd=y or psd=n are ignored, since the walk ends there.
DomainName OrganizationalDomain(const DomainName& start, const std::vector<WalkRecord>& found);

// RFC 9989 section 4.4 with the two Organizational Domains as input.
bool IsAligned(DmarcAlignmentMode mode, const DomainName& author_domain,
               const DomainName& author_organizational_domain, const DomainName& identifier,
               const DomainName& identifier_organizational_domain);
// The same by public suffix list (RFC 7489 section 3.1).
bool IsAligned(DmarcAlignmentMode mode, const DomainName& author_domain,
               const DomainName& identifier, const PublicSuffixList& list);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_ALIGNMENT_H_
