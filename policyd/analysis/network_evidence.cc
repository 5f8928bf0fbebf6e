#include "policyd/analysis/network_evidence.h"

#include <functional>

namespace dmarcate {

size_t NetworkEvidence::Hash::operator()(const IpAddress& address) const {
  const auto& bytes = address.bytes();
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void NetworkEvidence::AddRange(const IpNetwork& network, std::string_view service_id) {
  auto& same_length =
      ranges_[network.address.is_v4() ? 0 : 1][static_cast<size_t>(network.prefix_length)];
  const auto [it, inserted] = same_length.try_emplace(network.address, service_id);
  if (!inserted && it->second != service_id) it->second.clear();
}

void NetworkEvidence::AddConfirmedName(const IpAddress& address, std::string_view name) {
  names_.insert_or_assign(address, std::string(name));
}

void NetworkEvidence::AddNameless(const IpAddress& address) { names_.try_emplace(address); }

std::string_view NetworkEvidence::ServiceOf(const IpAddress& address) const {
  const auto& by_length = ranges_[address.is_v4() ? 0 : 1];
  for (int length = address.bits(); length >= 0; --length) {
    const auto& same_length = by_length[static_cast<size_t>(length)];
    if (same_length.empty()) continue;
    if (const auto it = same_length.find(address.Masked(length)); it != same_length.end()) {
      return it->second;
    }
  }
  return {};
}

std::string_view NetworkEvidence::ConfirmedNameOf(const IpAddress& address) const {
  const auto it = names_.find(address);
  return it == names_.end() ? std::string_view() : std::string_view(it->second);
}

bool NetworkEvidence::IsNameless(const IpAddress& address) const {
  const auto it = names_.find(address);
  return it != names_.end() && it->second.empty();
}

}  // namespace dmarcate
