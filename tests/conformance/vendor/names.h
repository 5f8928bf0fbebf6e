// tests/conformance/vendor/names.h
// Names as hosts write them, and pages cut from a list.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_NAMES_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_NAMES_H_

#include <algorithm>
#include <string>
#include <string_view>

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

// "_dmarc" of _dmarc.example.test in example.test; `apex` for the zone's own name.
inline std::string RelativeTo(const VendorZone& zone, const DomainName& owner,
                              std::string_view apex) {
  if (owner == zone.name) return std::string(apex);
  return owner.text().substr(0, owner.text().size() - zone.name.text().size() - 1);
}

// The way back. Throws, as the JSON library does, for what is no name: a request not understood.
inline DomainName OwnerIn(const VendorZone& zone, const std::string& name, std::string_view apex) {
  if (name == apex) return zone.name;
  const auto owner = DomainName::Parse(name + "." + zone.name.text());
  if (!owner.ok()) throw Json::other_error::create(599, "no name: " + name, nullptr);
  return *owner;
}

// Page `page`, from 1, of `size` items each.
inline Json PageOf(const Json& all, size_t page, size_t size) {
  Json items = Json::array();
  for (size_t i = (page - 1) * size; i < std::min(all.size(), page * size); ++i) {
    items.push_back(all[i]);
  }
  return items;
}

// A number in a query; 0 if it is none.
inline size_t NumberIn(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return 0;
  return std::stoul(text);
}

// Fails with what the caller makes of it where `in` has another member than `known`.
inline std::string UnknownMember(const Json& in, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : in.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) return key;
  }
  return "";
}

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_NAMES_H_
