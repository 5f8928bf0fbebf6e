#include "policyd/watch/names.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/mailauth/spf_record.h"

namespace dmarcate {

RrType TypeOf(RecordKind kind) { return kind == RecordKind::kMx ? RrType::kMx : RrType::kTxt; }

std::vector<ObservedName> OwnNames(const DomainName& domain,
                                   const std::vector<std::string>& selectors) {
  std::vector<ObservedName> out = {{domain.text(), RecordKind::kSpf}};
  const auto add = [&](std::string_view labels, RecordKind kind) {
    const auto owner = DomainName::Parse(fmt::format("{}.{}", labels, domain.text()));
    if (owner.ok()) out.push_back({owner->text(), kind});
  };
  add("_dmarc", RecordKind::kDmarc);
  out.push_back({domain.text(), RecordKind::kMx});
  add("_mta-sts", RecordKind::kMtaSts);
  add("_smtp._tls", RecordKind::kTlsRpt);
  for (const std::string& selector : selectors) {
    add(fmt::format("{}._domainkey", selector), RecordKind::kDkim);
  }
  return out;
}

std::vector<DomainName> SpfReferences(const std::vector<std::string>& values) {
  std::vector<DomainName> out;
  const SpfSelection selected = SelectSpf(values);
  if (selected.outcome != SpfSelection::Outcome::kOne) return out;
  const auto record = ParseSpf(values[selected.indexes[0]]);
  if (!record.ok()) return out;
  const SpfTerm* redirect = record->IndexOfAll() ? nullptr : record->redirect();
  for (const SpfTerm& term : record->terms) {
    if (term.kind == SpfKind::kAll) break;  // nothing after it is looked at (RFC 7208 section 5.1)
    if (term.kind != SpfKind::kInclude && &term != redirect) continue;
    if (term.has_macros()) continue;
    auto name = DomainName::Parse(term.domain_spec);
    if (!name.ok() || name->IsRoot() || std::ranges::find(out, *name) != out.end()) continue;
    out.push_back(*std::move(name));
  }
  return out;
}

std::vector<DomainName> IncludedNames(
    const DomainName& domain, const std::vector<std::string>& values, size_t limit,
    const std::function<std::vector<std::string>(const DomainName&)>& values_of) {
  std::vector<DomainName> out;
  const auto add = [&](const std::vector<std::string>& texts) {
    for (DomainName& name : SpfReferences(texts)) {
      if (out.size() == limit) return;
      if (name == domain || std::ranges::find(out, name) != out.end()) continue;
      out.push_back(std::move(name));
    }
  };
  add(values);
  for (size_t i = 0; i < out.size(); ++i) {
    const std::vector<std::string> texts = values_of(out[i]);
    add(texts);
  }
  return out;
}

}  // namespace dmarcate
