#include "policyd/analysis/row_names.h"

#include <algorithm>
#include <functional>

#include "policyd/analysis/attribution.h"

namespace dmarcate {
namespace {

constexpr std::string_view kAddressPrefix = "ip-";

// The address whose id this is. What several addresses would be called (::192.0.2.1 and
// ::192:0:2:1) is always read as the same one.
std::optional<IpAddress> AddressOfId(std::string_view id) {
  if (!id.starts_with(kAddressPrefix)) return std::nullopt;
  for (const char separator : {'.', ':'}) {
    std::string text(id.substr(kAddressPrefix.size()));
    std::ranges::replace(text, '-', separator);
    const auto address = IpAddress::Parse(text);
    if (address && AddressSourceId(*address) == id) return address;
  }
  return std::nullopt;
}

}  // namespace

uint32_t TextPool::Add(std::string_view text) {
  if (const auto found = numbers_.find(text); found != numbers_.end()) return *found;
  const auto number = static_cast<uint32_t>(size());
  bytes_ += text;
  ends_.push_back(bytes_.size());
  numbers_.insert(number);
  return number;
}

std::optional<uint32_t> TextPool::Find(std::string_view text) const {
  const auto found = numbers_.find(text);
  return found == numbers_.end() ? std::nullopt : std::optional(*found);
}

size_t RowNames::AddressHash::operator()(const IpAddress& address) const {
  const auto& bytes = address.bytes();
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

uint32_t RowNames::AddAddress(const std::optional<IpAddress>& address) {
  if (!address) return kNoAddress;
  if (const auto found = address_numbers_.find(*address); found != address_numbers_.end()) {
    return *found;
  }
  const auto number = static_cast<uint32_t>(addresses_.size());
  addresses_.push_back(*address);
  address_numbers_.insert(number);
  return number;
}

uint32_t RowNames::AddSource(std::string_view id) {
  const auto next = static_cast<uint32_t>(sources_.size());
  if (const auto address = AddressOfId(id)) {
    const uint32_t number = AddAddress(address);
    if (source_of_address_.size() <= number) source_of_address_.resize(addresses_.size());
    uint32_t& source = source_of_address_[number];
    if (source == 0) {
      sources_.push_back({.number = number, .is_address = 1});
      source = next + 1;
    }
    return source - 1;
  }
  const uint32_t text = texts_.Add(id);
  const auto [it, inserted] = source_of_text_.try_emplace(text, next);
  if (inserted) sources_.push_back({.number = text, .is_address = 0});
  return it->second;
}

std::optional<uint32_t> RowNames::FindSource(std::string_view id) const {
  if (const auto address = AddressOfId(id)) {
    const auto number = address_numbers_.find(*address);
    if (number == address_numbers_.end() || *number >= source_of_address_.size() ||
        source_of_address_[*number] == 0) {
      return std::nullopt;
    }
    return source_of_address_[*number] - 1;
  }
  const auto text = texts_.Find(id);
  if (!text) return std::nullopt;
  const auto found = source_of_text_.find(*text);
  return found == source_of_text_.end() ? std::nullopt : std::optional(found->second);
}

std::string RowNames::SourceId(uint32_t source) const {
  const Source& known = sources_[source];
  return known.is_address ? AddressSourceId(addresses_[known.number])
                          : std::string(texts_[known.number]);
}

uint32_t RowNames::AddShape(const RowShape& shape) {
  const auto [it, inserted] =
      shape_numbers_.try_emplace(shape, static_cast<uint32_t>(shapes_.size()));
  if (inserted) shapes_.push_back(shape);
  return it->second;
}

size_t RowNames::MemoryBytes() const {
  return sizeof(*this) + texts_.MemoryBytes() + reporters_.MemoryBytes() +
         addresses_.capacity() * sizeof(IpAddress) +
         address_numbers_.capacity() * (sizeof(uint32_t) + 1) +
         sources_.capacity() * sizeof(Source) + source_of_address_.capacity() * sizeof(uint32_t) +
         source_of_text_.capacity() * (2 * sizeof(uint32_t) + 1) +
         shapes_.capacity() * sizeof(RowShape) +
         shape_numbers_.capacity() * (sizeof(RowShape) + sizeof(uint32_t) + 1);
}

}  // namespace dmarcate
