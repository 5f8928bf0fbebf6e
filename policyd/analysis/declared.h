// policyd/analysis/declared.h
// The sources that a domain's own DNS names, whether or not a report has come: by its SPF tree, by
// DKIM keys at selectors that one service alone uses, and by its MX records. Pure: the look-ups
// were made before.
//
// The DNS is the domain's own word, so what it names may be approved without evidence of mail;
// nothing new gets into the DNS by that.

#ifndef DMARCATE_POLICYD_ANALYSIS_DECLARED_H_
#define DMARCATE_POLICYD_ANALYSIS_DECLARED_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/ip_address.h"
#include "lib/inspect/spf_tree.h"
#include "policyd/analysis/advice.h"
#include "policyd/analysis/catalogue.h"

namespace dmarcate {

inline constexpr size_t kMaxSpfMentions = 200;   // of one domain
inline constexpr size_t kMaxDeclaredValues = 5;  // of one kind, of one source

// A term of an SPF tree that lets mail through.
struct SpfMention {
  std::string term;                  // as written
  std::vector<std::string> targets;  // of the includes and redirects above it, then its own
  bool leads = false;                // it is one of those itself
  std::optional<IpNetwork> network = std::nullopt;  // of ip4 and ip6
  size_t above() const { return targets.size() - (leads ? 1 : 0); }
  friend bool operator==(const SpfMention&, const SpfMention&) = default;
};
// In the order of the tree. An include that leads to no record lets nothing through, and is none.
std::vector<SpfMention> MentionsIn(const SpfTree& tree);

// What was found in the DNS of one domain.
struct DeclaredFacts {
  std::vector<SpfMention> spf;
  std::vector<std::string> selectors;  // at which there is a key
  std::vector<std::string> mx_hosts;   // lower case
  friend bool operator==(const DeclaredFacts&, const DeclaredFacts&) = default;
};

enum class DeclarationKind : uint8_t { kSpfTerm, kDkimKey, kMx };
struct Declaration {
  DeclarationKind kind = DeclarationKind::kSpfTerm;
  std::string value;  // "include:sendgrid.net", "s1._domainkey.example.com", "mx1.vendor.example"
  friend bool operator==(const Declaration&, const Declaration&) = default;
};
struct DeclaredSource {
  std::string id;
  std::vector<Declaration> declarations;  // never empty; at most kMaxDeclaredValues of a kind
};
// By id. An include is the service's whose it is; what that one includes is its own affair, and is
// not looked at. Includes of nobody are looked into. What then lets addresses through without
// being a service's is the domain's own ("own-example.com"). Who passes on what is received is no
// sender.
std::vector<DeclaredSource> DeclaredBy(const DeclaredFacts& facts, std::string_view domain,
                                       const Catalogue& catalogue);

// The selectors at which a key tells a service: those without digits left open. Sorted.
std::vector<std::string> SelectorsThatTell(const Catalogue& catalogue);

// As Advise(), for a source without mail in the range. The strongest declaration decides.
Advice AdviseDeclared(const std::vector<Declaration>& declarations, const SourceStatistics& source,
                      std::string_view domain);

// The declarations as evidence, strongest first.
std::vector<EvidenceItem> DeclaredEvidence(const std::vector<Declaration>& declarations,
                                           const SourceStatistics& source);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_DECLARED_H_
