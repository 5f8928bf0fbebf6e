// Whoever does not know the key cannot make an answer that it vouches for, and what is not vouched
// for is never taken for success or conflict.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/dns/tsig.h"
#include "lib/dns/update_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The request's MAC is not what any seed answers.
  static const dmarcate::SignedMessage request{"", std::string(32, 'm'),
                                               absl::FromUnixSeconds(1'795'472'313)};
  static const auto key = dmarcate::MakeTsigKey(
      "upd-key", "hmac-sha256", dmarcate::Secret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
  if (!key.ok()) std::abort();
  const std::string_view reply(reinterpret_cast<const char*>(data), size);
  if (dmarcate::CheckReply(request, *key, reply).vouched) std::abort();
  if (size < 12) return 0;
  const absl::Status status = dmarcate::InterpretUpdateReply(request, *key, reply);
  if (status.code() != absl::StatusCode::kUnknown &&
      status.code() != absl::StatusCode::kPermissionDenied) {
    std::abort();
  }
  return 0;
}
