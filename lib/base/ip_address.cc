#include "lib/base/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "fmt/format.h"

namespace dmarcate {
namespace {
constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

// Of all 128.
size_t BitsKept(const IpAddress& address, int prefix_length) {
  return static_cast<size_t>(std::clamp((address.is_v4() ? 96 : 0) + prefix_length, 0, 128));
}
}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  if (std::strlen(buffer) != text.size()) return std::nullopt;
  in_addr v4{};
  if (inet_pton(AF_INET, buffer, &v4) == 1) return FromV4(ntohl(v4.s_addr));
  std::array<uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, buffer, bytes.data()) == 1) return IpAddress(bytes);
  return std::nullopt;
}

IpAddress IpAddress::FromV4(uint32_t host_order) {
  std::array<uint8_t, 16> bytes{};
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin());
  for (size_t i = 0; i < 4; ++i) {
    bytes[12 + i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  }
  return IpAddress(bytes);
}

bool IpAddress::is_v4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes_.begin());
}

uint32_t IpAddress::v4() const {
  uint32_t out = 0;
  for (size_t i = 12; i < 16; ++i) out = out << 8 | bytes_[i];
  return out;
}

IpAddress IpAddress::Masked(int prefix_length) const {
  IpAddress out = *this;
  const size_t bits = BitsKept(*this, prefix_length);
  const size_t whole = bits / 8;
  if (whole == out.bytes_.size()) return out;
  out.bytes_[whole] &= static_cast<uint8_t>(0xFF00 >> bits % 8);
  std::fill(out.bytes_.begin() + whole + 1, out.bytes_.end(), 0);
  return out;
}

std::string IpAddress::ToString() const {
  char buffer[INET6_ADDRSTRLEN];
  if (is_v4()) {  // not by inet_ntop(), which is sprintf(): every answer is full of these
    char* end = buffer;
    for (size_t i = 12; i < bytes_.size(); ++i) {
      if (i > 12) *end++ = '.';
      end = std::to_chars(end, buffer + sizeof buffer, bytes_[i]).ptr;
    }
    return std::string(buffer, end);
  }
  inet_ntop(AF_INET6, bytes_.data(), buffer, sizeof buffer);
  return buffer;
}

std::optional<IpNetwork> IpNetwork::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::Parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  int length = address->bits();
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc() || end != digits.data() + digits.size() || digits.empty() ||
        digits.front() == '-' || (digits.size() > 1 && digits.front() == '0') || length < 0 ||
        length > address->bits()) {
      return std::nullopt;
    }
  }
  return IpNetwork{address->Masked(length), length};
}

bool IpNetwork::Contains(const IpAddress& candidate) const {
  if (candidate.is_v4() != address.is_v4()) return false;
  const size_t bits = BitsKept(address, prefix_length);
  const size_t whole = bits / 8;
  const std::array<uint8_t, 16>& a = address.bytes();
  const std::array<uint8_t, 16>& b = candidate.bytes();
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  return bits % 8 == 0 || (((a[whole] ^ b[whole]) & (0xFF00 >> bits % 8)) & 0xFF) == 0;
}

bool IpNetwork::Contains(const IpNetwork& other) const {
  return other.prefix_length >= prefix_length && Contains(other.address);
}

std::string IpNetwork::ToString() const {
  return fmt::format("{}/{}", address.ToString(), prefix_length);
}

}  // namespace dmarcate
