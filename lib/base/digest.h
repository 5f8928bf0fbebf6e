// lib/base/digest.h
// SHA-256, HMAC-SHA-256 and base64 over OpenSSL.

#ifndef DMARCATE_LIB_BASE_DIGEST_H_
#define DMARCATE_LIB_BASE_DIGEST_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dmarcate {

// 32 raw bytes.
std::string Sha256(std::string_view data);
// 64 lower-case hex digits.
std::string Sha256Hex(std::string_view data);
// 32 raw bytes.
std::string HmacSha256(std::string_view key, std::string_view data);

// In pieces. Not thread-safe.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  void Update(std::string_view data);
  std::string Finish();  // 32 raw bytes; call once

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// RFC 4648 section 4, with padding.
std::string Base64Encode(std::string_view data);
// Strict: kInvalidArgument on any octet outside the alphabet or wrong padding.
absl::StatusOr<std::string> Base64Decode(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_DIGEST_H_
