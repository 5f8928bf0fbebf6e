// lib/base/ip_address.h
// IPv4 and IPv6 addresses and networks as values: parsed strictly, compared, contained, printed
// canonically (RFC 5952).

#ifndef DMARCATE_LIB_BASE_IP_ADDRESS_H_
#define DMARCATE_LIB_BASE_IP_ADDRESS_H_

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dmarcate {

class IpAddress {
 public:
  IpAddress() = default;  // ::

  // Exactly one address in its usual text form; no zone, brackets, prefix or leading zeros.
  // IPv4-mapped IPv6 (::ffff:a.b.c.d) becomes the IPv4 address.
  static std::optional<IpAddress> Parse(std::string_view text);
  static IpAddress FromV4(uint32_t host_order);
  static IpAddress FromBytes(const std::array<uint8_t, 16>& bytes) { return IpAddress(bytes); }

  bool is_v4() const;  // IPv4 is kept in IPv4-mapped form
  int bits() const { return is_v4() ? 32 : 128; }
  // 16 bytes, network order; IPv4 as ::ffff:a.b.c.d.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  uint32_t v4() const;  // host order; only if is_v4()
  // With the bits after `prefix_length` (of bits()) cleared.
  IpAddress Masked(int prefix_length) const;
  std::string ToString() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  explicit IpAddress(const std::array<uint8_t, 16>& bytes) : bytes_(bytes) {}
  std::array<uint8_t, 16> bytes_{};
};

struct IpNetwork {
  IpAddress address;      // masked
  int prefix_length = 0;  // 0..32 or 0..128, by the family of `address`

  // "192.0.2.0/24", "2001:db8::/32" or a single address. Host bits are cleared.
  static std::optional<IpNetwork> Parse(std::string_view text);
  bool Contains(const IpAddress& candidate) const;
  bool Contains(const IpNetwork& other) const;
  std::string ToString() const;  // always with the length

  friend auto operator<=>(const IpNetwork&, const IpNetwork&) = default;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_IP_ADDRESS_H_
