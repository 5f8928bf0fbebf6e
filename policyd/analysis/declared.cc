#include "policyd/analysis/declared.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "policyd/analysis/attribution.h"

namespace dmarcate {
namespace {

bool Leads(const SpfNode& node) {
  return node.kind == SpfKind::kInclude || node.kind == SpfKind::kRedirect;
}

void Collect(const SpfNode& node, std::vector<std::string>& above, std::vector<SpfMention>& out) {
  for (const SpfNode& child : node.children) {
    if (!child.reached || child.qualifier != SpfQualifier::kPass || out.size() >= kMaxSpfMentions) {
      continue;
    }
    if (child.kind == SpfKind::kAll || child.dynamic || child.dangling != SpfDangling::kNo) {
      continue;
    }
    SpfMention mention{.term = child.term, .targets = above, .leads = Leads(child)};
    if (mention.leads) {
      mention.targets.push_back(AsciiLower(child.target));
    } else if (child.kind == SpfKind::kIp4 || child.kind == SpfKind::kIp6) {
      if (child.networks.size() != 1) continue;
      mention.network = child.networks.front();
    } else if (child.networks.empty()) {
      continue;  // names without addresses
    }
    out.push_back(std::move(mention));
    if (!out.back().leads) continue;
    above.push_back(AsciiLower(child.target));
    Collect(child, above, out);
    above.pop_back();
  }
}

// "include:spf.example.net > include:sendgrid.net".
std::string PathOf(const std::vector<SpfMention>& mentions, size_t index) {
  const SpfMention& mention = mentions[index];
  std::vector<std::string> terms;
  for (size_t level = 1; level <= mention.above(); ++level) {
    // The nearest one before it that leads to that name.
    for (size_t i = index; i-- > 0;) {
      const SpfMention& other = mentions[i];
      if (other.leads && other.targets.size() == level &&
          std::equal(other.targets.begin(), other.targets.end(), mention.targets.begin())) {
        terms.push_back(other.term);
        break;
      }
    }
  }
  terms.push_back(mention.term);
  return Join(terms, " > ");
}

class Collector {
 public:
  void Add(std::string_view id, DeclarationKind kind, std::string value) {
    std::vector<Declaration>& kept = by_id_[std::string(id)];
    const auto of_kind = std::ranges::count(kept, kind, &Declaration::kind);
    Declaration declaration{kind, std::move(value)};
    if (static_cast<size_t>(of_kind) >= kMaxDeclaredValues ||
        std::ranges::find(kept, declaration) != kept.end()) {
      return;
    }
    kept.push_back(std::move(declaration));
  }
  std::vector<DeclaredSource> Take() {
    std::vector<DeclaredSource> out;
    for (auto& [id, declarations] : by_id_) out.push_back({id, std::move(declarations)});
    return out;
  }

 private:
  std::map<std::string, std::vector<Declaration>> by_id_;
};

bool Sends(const MailService* service) {
  return service != nullptr && service->kind != ServiceKind::kForwarder;
}

// Whether the record of a service lies above the mention, so that this is its own affair.
bool BelowAService(const SpfMention& mention, const Catalogue& catalogue) {
  for (size_t i = 0; i < mention.above(); ++i) {
    if (catalogue.FindByInclude(mention.targets[i]) != nullptr) return true;
  }
  return false;
}

}  // namespace

std::vector<SpfMention> MentionsIn(const SpfTree& tree) {
  std::vector<SpfMention> out;
  std::vector<std::string> above;
  Collect(tree.root, above, out);
  return out;
}

std::vector<DeclaredSource> DeclaredBy(const DeclaredFacts& facts, std::string_view domain,
                                       const Catalogue& catalogue) {
  Collector out;
  for (size_t i = 0; i < facts.spf.size(); ++i) {
    const SpfMention& mention = facts.spf[i];
    if (BelowAService(mention, catalogue)) continue;
    const MailService* service = nullptr;
    if (mention.leads) {
      service = catalogue.FindByInclude(mention.targets.back());
      if (service == nullptr) continue;  // what it says follows
    } else if (mention.network) {
      service = catalogue.FindByAddress(mention.network->address);
    }
    if (service == nullptr) {
      out.Add(MakeSourceId("own-", domain), DeclarationKind::kSpfTerm, PathOf(facts.spf, i));
    } else if (Sends(service)) {
      out.Add(service->id, DeclarationKind::kSpfTerm, PathOf(facts.spf, i));
    }
  }
  for (const std::string& selector : facts.selectors) {
    const MailService* const service = catalogue.FindBySelector(selector);
    if (!Sends(service)) continue;
    out.Add(service->id, DeclarationKind::kDkimKey,
            fmt::format("{}._domainkey.{}", selector, domain));
  }
  for (const std::string& host : facts.mx_hosts) {
    const MailService* const service = catalogue.FindByMx(host);
    if (Sends(service)) out.Add(service->id, DeclarationKind::kMx, host);
  }
  return out.Take();
}

std::vector<std::string> SelectorsThatTell(const Catalogue& catalogue) {
  std::set<std::string> out;
  for (const MailService& service : catalogue.services()) {
    if (!Sends(&service)) continue;
    for (const std::string& selector : service.selectors) {
      if (selector.find('#') == std::string::npos) out.insert(AsciiLower(selector));
    }
  }
  return {out.begin(), out.end()};
}

Advice AdviseDeclared(const std::vector<Declaration>& declarations, const SourceStatistics& source,
                      std::string_view domain) {
  Advice advice = Advise(source, domain);
  if (declarations.empty()) return advice;
  const Declaration& first = *std::ranges::min_element(declarations, {}, &Declaration::kind);
  const std::string value = EscapeForTerminal(first.value);
  constexpr std::string_view kNoMail =
      "No report of these days tells of its mail, so whether it aligns is not known.";
  switch (first.kind) {
    case DeclarationKind::kSpfTerm:
      advice.proposal = {};
      advice.proposal.kind = AuthorizationSpec::Kind::kAlreadyAuthorized;
      advice.spf_needed = false;
      advice.sentence = fmt::format(
          "If it is yours, approve it: your SPF record says {} already, so nothing is "
          "added. {}",
          value, kNoMail);
      break;
    case DeclarationKind::kDkimKey:
      advice.proposal = {};
      advice.proposal.kind = AuthorizationSpec::Kind::kDkimOnly;
      advice.spf_needed = false;
      advice.sentence = fmt::format(
          "If it is yours, approve it: its key is at {}, so nothing is added to SPF. {}", value,
          kNoMail);
      break;
    case DeclarationKind::kMx:
      // That it receives is no reason to let it send.
      advice.proposal = {};
      advice.spf_needed = false;
      advice.sentence = fmt::format(
          "It receives your mail, by {}. If it sends as {}, too, say how its approval shall be "
          "realised. {}",
          value, domain, kNoMail);
      break;
  }
  return advice;
}

std::vector<EvidenceItem> DeclaredEvidence(const std::vector<Declaration>& declarations,
                                           const SourceStatistics& source) {
  const std::string entry = source.service == nullptr
                                ? std::string("your own domain")
                                : fmt::format("catalogue entry {}", source.service->id);
  std::vector<Declaration> sorted = declarations;
  std::ranges::stable_sort(sorted, {}, &Declaration::kind);
  std::vector<EvidenceItem> out;
  for (const Declaration& declaration : sorted) {
    const std::string value = EscapeForTerminal(declaration.value);
    EvidenceItem item{.checked_against = entry, .verdict = "supports"};
    switch (declaration.kind) {
      case DeclarationKind::kSpfTerm:
        item.claim = fmt::format("your SPF record says {}", value);
        break;
      case DeclarationKind::kDkimKey:
        item.claim = fmt::format("there is a DKIM key at {}", value);
        break;
      case DeclarationKind::kMx:
        item.claim = fmt::format("your MX records name {}", value);
        item.verdict = "neutral";
        break;
    }
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace dmarcate
