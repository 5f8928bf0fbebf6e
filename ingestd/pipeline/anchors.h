// ingestd/pipeline/anchors.h
// The anchor list: whose reports may move a rollout (safety.md section 4.1). A reporter is named by
// the exact triple of From address, signing domain and organisation, because a domain alone also
// signs what its users write. The list is a file that operators edit (deploy/anchors.toml).

#ifndef DMARCATE_INGESTD_PIPELINE_ANCHORS_H_
#define DMARCATE_INGESTD_PIPELINE_ANCHORS_H_

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/alignment.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

struct Anchor {
  std::string name;                        // of the organisation, for people: "Google"
  std::string from;                        // address, the domain in lower case
  std::vector<std::string> signed_by;      // d= of its signatures, lower case
  std::vector<std::string> organizations;  // org_name, compared octet by octet
  std::vector<DomainName> domains;         // others under which it reports
  DomainName organizational_domain;        // of `from`
  bool signs_user_mail = false;            // for the reader of the list; the triple holds anyway
};

// Immutable, so thread-safe.
class AnchorList {
 public:
  AnchorList() = default;  // anchors nobody
  // TOML: [[anchor]] name, from, signed_by, organizations, domains, signs_user_mail, seen;
  // [[exception]] authenticated, claims, seen. `origin` is named in errors.
  //   kInvalidArgument  not TOML, an unknown key, or a value that is no address or domain; two
  //                     anchors with one From address; a signing domain not aligned with it
  static absl::StatusOr<AnchorList> Parse(std::string_view text, std::string_view origin,
                                          const PublicSuffixList& suffixes);

  // The anchor with exactly this triple, or null.
  const Anchor* Find(std::string_view from_address, std::string_view signing_domain,
                     std::string_view organization) const;
  // Whether who is authenticated as `authenticated` may report as `claimed`. Both are
  // Organizational Domains.
  bool MayClaim(const DomainName& authenticated, const DomainName& claimed) const;
  // Whose Organizational Domain this is, or whose name, whatever case and punctuation; or null.
  const Anchor* OwnerOfDomain(const DomainName& organizational_domain) const;
  const Anchor* OwnerOfName(std::string_view organization) const;

  const std::vector<Anchor>& anchors() const { return anchors_; }

 private:
  std::vector<Anchor> anchors_;
  std::map<std::string, size_t, std::less<>> by_domain_, by_name_;  // index into anchors_
  std::map<DomainName, std::set<DomainName>> exceptions_;           // by who is authenticated
};

// deploy/anchors.toml as it is shipped.
std::string_view ShippedAnchors();

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_PIPELINE_ANCHORS_H_
