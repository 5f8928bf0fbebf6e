#include "lib/mailauth/alignment.h"

namespace dmarcate {
namespace {

constexpr size_t kShortcutLabels =
    7;  // RFC 9989 section 4.10: from 8 labels on, the middle is skipped

// The rightmost `count` labels of `name`.
DomainName Last(DomainName name, size_t count) {
  while (name.label_count() > count) name = name.Parent();
  return name;
}

}  // namespace

std::vector<DomainName> TreeWalk(const DomainName& start) {
  std::vector<DomainName> names;
  if (start.IsRoot()) return names;
  names.push_back(start);
  for (DomainName name = Last(start.Parent(), kShortcutLabels); !name.IsRoot();
       name = name.Parent()) {
    names.push_back(name);
  }
  return names;
}

DomainName OrganizationalDomain(const DomainName& start, const std::vector<WalkRecord>& found) {
  DomainName shortest = start;
  for (const WalkRecord& record : found) {
    if (record.psd == 'n') return record.domain;
    if (record.psd == 'y' && record.domain != start) {
      return Last(start, record.domain.label_count() + 1);
    }
    shortest = record.domain;
    if (record.psd == 'y') break;  // a Public Suffix Domain that sends mail as itself
  }
  return shortest;
}

bool IsAligned(DmarcAlignmentMode mode, const DomainName& author_domain,
               const DomainName& author_organizational_domain, const DomainName& identifier,
               const DomainName& identifier_organizational_domain) {
  if (author_domain == identifier) return true;
  return mode == DmarcAlignmentMode::kRelaxed &&
         author_organizational_domain == identifier_organizational_domain;
}

bool IsAligned(DmarcAlignmentMode mode, const DomainName& author_domain,
               const DomainName& identifier, const PublicSuffixList& list) {
  if (author_domain == identifier) return true;
  return mode == DmarcAlignmentMode::kRelaxed &&
         list.OrganizationalDomain(author_domain) == list.OrganizationalDomain(identifier);
}

}  // namespace dmarcate
