#include "ingestd/pipeline/anchors.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/base/toml_config.h"

namespace dmarcate {
namespace {

// "Yahoo! Inc." and "YAHOO INC" are one name to a person. Octets beyond ASCII stay as they are.
std::string Fold(std::string_view name) {
  std::string out;
  for (const char c : AsciiLower(name)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (plain || static_cast<unsigned char>(c) >= 0x80) out.push_back(c);
  }
  return out;
}

std::optional<DomainName> ReadDomain(TomlConfig& table, std::string_view key,
                                     std::string_view text) {
  absl::StatusOr<DomainName> name = DomainName::Parse(text);
  if (name.ok() && name->label_count() >= 2) return *std::move(name);
  table.Reject(key, fmt::format("'{}' is no domain", EscapeForTerminal(text)));
  return std::nullopt;
}

std::vector<DomainName> ReadDomains(TomlConfig& table, std::string_view key) {
  std::vector<DomainName> out;
  for (const std::string& text : table.Strings(key, {})) {
    if (auto name = ReadDomain(table, key, text)) out.push_back(*std::move(name));
  }
  return out;
}

Anchor ReadAnchor(TomlConfig& table, const PublicSuffixList& suffixes) {
  Anchor out;
  out.name = table.String("name", "");
  if (Fold(out.name).empty()) table.Reject("name", "want the organisation's name");
  const std::string from = table.String("from", "");
  const size_t at = from.rfind('@');
  if (at == std::string::npos || at == 0) {
    table.Reject("from", "want the From address of its reports");
  } else if (const auto domain = ReadDomain(table, "from", from.substr(at + 1))) {
    out.from = from.substr(0, at + 1) + domain->text();
    out.organizational_domain = suffixes.OrganizationalDomain(*domain);
  }
  for (const DomainName& domain : ReadDomains(table, "signed_by")) {
    out.signed_by.push_back(domain.text());
    if (suffixes.OrganizationalDomain(domain) != out.organizational_domain) {
      table.Reject("signed_by", fmt::format("{} is not aligned with {}", domain.text(), out.from));
    }
  }
  if (out.signed_by.empty()) table.Reject("signed_by", "want the d= of its signatures");
  out.organizations = table.Strings("organizations", {});
  if (out.organizations.empty()) table.Reject("organizations", "want the org_name of its reports");
  for (const DomainName& domain : ReadDomains(table, "domains")) {
    out.domains.push_back(suffixes.OrganizationalDomain(domain));
  }
  out.signs_user_mail = table.Bool("signs_user_mail", false);
  table.String("seen", "");  // for the reader
  return out;
}

}  // namespace

absl::StatusOr<AnchorList> AnchorList::Parse(std::string_view text, std::string_view origin,
                                             const PublicSuffixList& suffixes) {
  DMARCATE_ASSIGN_OR_RETURN(TomlConfig file, TomlConfig::Parse(text, origin));
  AnchorList out;
  for (TomlConfig* table : file.Tables("anchor")) {
    Anchor anchor = ReadAnchor(*table, suffixes);
    if (std::ranges::find(out.anchors_, anchor.from, &Anchor::from) != out.anchors_.end()) {
      table->Reject("from", fmt::format("{} is there twice", anchor.from));
    }
    const size_t index = out.anchors_.size();
    std::set<DomainName>& may_claim = out.exceptions_[anchor.organizational_domain];
    may_claim.insert(anchor.domains.begin(), anchor.domains.end());
    out.by_domain_.emplace(anchor.organizational_domain.text(), index);
    for (const DomainName& domain : anchor.domains) out.by_domain_.emplace(domain.text(), index);
    out.by_name_.emplace(Fold(anchor.name), index);
    for (const std::string& name : anchor.organizations) out.by_name_.emplace(Fold(name), index);
    out.anchors_.push_back(std::move(anchor));
  }
  for (TomlConfig* table : file.Tables("exception")) {
    const auto authenticated =
        ReadDomain(*table, "authenticated", table->String("authenticated", ""));
    const std::vector<DomainName> claims = ReadDomains(*table, "claims");
    table->String("seen", "");
    if (!authenticated) continue;
    auto& may_claim = out.exceptions_[suffixes.OrganizationalDomain(*authenticated)];
    for (const DomainName& claim : claims) may_claim.insert(suffixes.OrganizationalDomain(claim));
  }
  DMARCATE_RETURN_IF_ERROR(file.Finish());
  return out;
}

const Anchor* AnchorList::Find(std::string_view from_address, std::string_view signing_domain,
                               std::string_view organization) const {
  for (const Anchor& anchor : anchors_) {
    if (anchor.from != from_address) continue;
    const auto has = [](const std::vector<std::string>& list, std::string_view value) {
      return std::ranges::find(list, value) != list.end();
    };
    return has(anchor.signed_by, signing_domain) && has(anchor.organizations, organization)
               ? &anchor
               : nullptr;
  }
  return nullptr;
}

bool AnchorList::MayClaim(const DomainName& authenticated, const DomainName& claimed) const {
  if (authenticated == claimed) return true;
  const auto found = exceptions_.find(authenticated);
  return found != exceptions_.end() && found->second.contains(claimed);
}

const Anchor* AnchorList::OwnerOfDomain(const DomainName& organizational_domain) const {
  const auto found = by_domain_.find(organizational_domain.text());
  return found == by_domain_.end() ? nullptr : &anchors_[found->second];
}

const Anchor* AnchorList::OwnerOfName(std::string_view organization) const {
  const auto found = by_name_.find(Fold(organization));
  return found == by_name_.end() ? nullptr : &anchors_[found->second];
}

}  // namespace dmarcate
