// lib/mailauth/domain_name.h
// A DNS name as mail authentication uses it: A-labels, lower case, no trailing dot. Underscore
// labels (_dmarc, _domainkey) are legal.

#ifndef DMARCATE_LIB_MAILAUTH_DOMAIN_NAME_H_
#define DMARCATE_LIB_MAILAUTH_DOMAIN_NAME_H_

#include <compare>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace dmarcate {

class DomainName {
 public:
  DomainName() = default;  // the root, text() is empty

  // Folds case, strips one trailing dot, converts U-labels (IDNA 2008 by libidn2).
  //   kInvalidArgument  empty label, label over 63 octets, name over 253, blank or control octet,
  //   an
  //                     IP address literal; the message quotes the name and says which
  static absl::StatusOr<DomainName> Parse(std::string_view text);

  const std::string& text() const { return text_; }   // "mail.example.com"
  std::string ToFqdn() const { return text_ + "."; }  // "mail.example.com."
  bool IsRoot() const { return text_.empty(); }
  std::vector<std::string_view> labels() const;  // leftmost first; views into this
  size_t label_count() const;
  // Without the leftmost label; the root's parent is the root.
  DomainName Parent() const;
  // This name below `prefix`: Child("_dmarc") is "_dmarc.example.com". kInvalidArgument as Parse.
  absl::StatusOr<DomainName> Child(std::string_view prefix) const;
  // Equal to or below `ancestor`, at a label boundary.
  bool IsAtOrBelow(const DomainName& ancestor) const;

  friend auto operator<=>(const DomainName&, const DomainName&) = default;

 private:
  explicit DomainName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_DOMAIN_NAME_H_
