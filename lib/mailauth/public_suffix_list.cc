#include "lib/mailauth/public_suffix_list.h"

#include <libpsl.h>
#include <stdio.h>  // fmemopen: libpsl reads a FILE only; this one is memory

#include <string>

#include "lib/base/freer.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

using PslPtr = std::unique_ptr<psl_ctx_t, Freer<psl_free>>;
using FilePtr = std::unique_ptr<FILE, Freer<fclose>>;

class PslList final : public PublicSuffixList {
 public:
  // `owned` is null for the built-in list, which must not be freed.
  PslList(PslPtr owned, const psl_ctx_t* list, PrivateSuffixes private_suffixes)
      : owned_(std::move(owned)),
        list_(list),
        type_(private_suffixes == PrivateSuffixes::kCount ? PSL_TYPE_ANY : PSL_TYPE_ICANN) {}

  DomainName OrganizationalDomain(const DomainName& name) const override {
    DomainName domain = name;
    // Walks up until the parent is a suffix: psl_registrable_domain has no way to leave the PRIVATE
    // section out.
    while (domain.label_count() > 1 && !IsPublicSuffix(domain.Parent())) domain = domain.Parent();
    return IsPublicSuffix(name) ? name : domain;
  }

  bool IsPublicSuffix(const DomainName& name) const override {
    if (name.IsRoot()) return true;
    return psl_is_public_suffix2(list_, name.text().c_str(), type_) == 1;
  }

 private:
  PslPtr owned_;
  const psl_ctx_t* list_;
  int type_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PublicSuffixList>> ParsePublicSuffixList(
    std::string_view data, PrivateSuffixes private_suffixes) {
  std::string copy(data);  // fmemopen wants it writable
  if (copy.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "public suffix list is empty");
  }
  const FilePtr file(fmemopen(copy.data(), copy.size(), "r"));
  PslPtr list(file == nullptr ? nullptr : psl_load_fp(file.get()));
  if (list == nullptr || psl_suffix_count(list.get()) <= 0) {
    return MakeError(absl::StatusCode::kInvalidArgument, "public suffix list holds no rule");
  }
  const psl_ctx_t* const raw = list.get();
  return std::make_unique<PslList>(std::move(list), raw, private_suffixes);
}

std::unique_ptr<PublicSuffixList> BuiltinPublicSuffixList(PrivateSuffixes private_suffixes) {
  return std::make_unique<PslList>(nullptr, psl_builtin(), private_suffixes);
}

}  // namespace dmarcate
