#include "lib/dns/tsig.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/base/status_macros.h"
#include "lib/dns/wire_name.h"

namespace dmarcate {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kAdditionalCount = 10;  // its offset in the header
constexpr uint16_t kFudgeSeconds = 300;  // RFC 8945 section 10
constexpr uint16_t kTypeTsig = 250;
constexpr uint16_t kClassAny = 255;

void Append(std::string& out, uint64_t value, int octets) {
  while (octets-- > 0) out += static_cast<char>(value >> (8 * octets) & 0xFF);
}

uint64_t Read(std::string_view message, size_t at, size_t octets) {
  uint64_t value = 0;
  for (size_t i = 0; i < octets; ++i) value = value << 8 | static_cast<uint8_t>(message[at + i]);
  return value;
}

std::string AlgorithmWireName(TsigAlgorithm algorithm) {
  const std::string_view name = ToString(algorithm);
  return static_cast<char>(name.size()) + std::string(name) + '\0';
}

const EVP_MD* DigestOf(TsigAlgorithm algorithm) {
  switch (algorithm) {
    case TsigAlgorithm::kHmacSha256:
      return EVP_sha256();
    case TsigAlgorithm::kHmacSha384:
      return EVP_sha384();
    case TsigAlgorithm::kHmacSha512:
      return EVP_sha512();
  }
  std::abort();
}

absl::StatusOr<Secret> DecodeSecret(const TsigKey& key) {
  const std::string& text = key.secret_base64.Reveal();
  std::string octets(text.size() + 4, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(octets.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  // It counts what padding stands for as octets.
  const auto padding =
      static_cast<int>(text.size() - std::min(text.size(), text.find_last_not_of('=') + 1));
  if (size <= padding || padding > 2) {
    OPENSSL_cleanse(octets.data(), octets.size());
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("tsig key {}: the secret is not base64", key.name.text()));
  }
  octets.resize(static_cast<size_t>(size - padding));
  Secret secret{std::string(octets)};
  OPENSSL_cleanse(octets.data(), octets.size());
  return secret;
}

std::string Hmac(TsigAlgorithm algorithm, const Secret& secret, std::string_view input) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned size = 0;
  if (HMAC(DigestOf(algorithm), secret.Reveal().data(), static_cast<int>(secret.Reveal().size()),
           reinterpret_cast<const unsigned char*>(input.data()), input.size(), mac.data(),
           &size) == nullptr) {
    std::abort();  // only if OpenSSL lacks SHA-2
  }
  return {reinterpret_cast<const char*>(mac.data()), size};
}

// What is signed beside the message, RFC 8945 section 4.3.3.
struct Variables {
  uint64_t time_signed = 0;
  uint16_t fudge = kFudgeSeconds;
  uint16_t error = 0;
  std::string other;
};

std::string DigestInput(std::string_view prior_mac, std::string_view message, const TsigKey& key,
                        const Variables& variables) {
  std::string out;
  if (!prior_mac.empty()) {
    Append(out, prior_mac.size(), 2);
    out += prior_mac;
  }
  out += message;
  out += EncodeWireName(key.name);
  Append(out, kClassAny, 2);
  Append(out, 0, 4);  // TTL
  out += AlgorithmWireName(key.algorithm);
  Append(out, variables.time_signed, 6);
  Append(out, variables.fudge, 2);
  Append(out, variables.error, 2);
  Append(out, variables.other.size(), 2);
  out += variables.other;
  return out;
}

// The position after a name, compressed or not; nothing if it runs off the end.
std::optional<size_t> SkipName(std::string_view message, size_t at) {
  while (at < message.size()) {
    const auto size = static_cast<uint8_t>(message[at]);
    if (size == 0) return at + 1;
    if ((size & 0xC0) == 0xC0) {
      return at + 2 <= message.size() ? std::optional(at + 2) : std::nullopt;
    }
    if ((size & 0xC0) != 0) return std::nullopt;
    at += size_t{1} + size;
  }
  return std::nullopt;
}

// The TSIG RR of a message: the last one, and nothing after it.
struct TsigRr {
  size_t start = 0;  // the message without it ends here
  std::string mac;
  uint16_t original_id = 0;
  Variables variables;
};

// Takes the fields of RDATA one after the other; a field that is not there leaves it not ok.
class RdataReader {
 public:
  explicit RdataReader(std::string_view rdata) : rest_(rdata) {}
  uint64_t Number(size_t octets) {
    const std::string_view taken = Take(octets);
    return ok_ ? Read(taken, 0, octets) : 0;
  }
  std::string_view Take(size_t octets) {
    ok_ = ok_ && rest_.size() >= octets;
    if (!ok_) return {};
    const std::string_view taken = rest_.substr(0, octets);
    rest_.remove_prefix(octets);
    return taken;
  }
  bool AllTaken() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

std::optional<TsigRr> ParseTsigRr(std::string_view message, size_t start, const TsigKey& key) {
  const auto after_name = SkipName(message, start);
  // Key names have a message of their own to point into only by accident: no server compresses
  // them.
  if (!after_name || *after_name + 10 > message.size()) return std::nullopt;
  const auto owner = DecodeWireName(message.substr(start, *after_name - start));
  size_t at = *after_name;
  if (!owner || *owner != key.name || Read(message, at, 2) != kTypeTsig ||
      Read(message, at + 2, 2) != kClassAny || Read(message, at + 4, 4) != 0) {
    return std::nullopt;
  }
  at += 10;
  const auto after_algorithm = SkipName(message, at);
  if (!after_algorithm) return std::nullopt;
  const auto algorithm = DecodeWireName(message.substr(at, *after_algorithm - at));
  if (!algorithm || algorithm->text() != ToString(key.algorithm)) return std::nullopt;
  TsigRr out;
  out.start = start;
  RdataReader rdata(message.substr(*after_algorithm));
  out.variables.time_signed = rdata.Number(6);
  out.variables.fudge = static_cast<uint16_t>(rdata.Number(2));
  out.mac = rdata.Take(rdata.Number(2));
  out.original_id = static_cast<uint16_t>(rdata.Number(2));
  out.variables.error = static_cast<uint16_t>(rdata.Number(2));
  out.variables.other = rdata.Take(rdata.Number(2));
  if (!rdata.AllTaken()) return std::nullopt;
  return out;
}

std::optional<TsigRr> FindTsig(std::string_view message, const TsigKey& key) {
  if (message.size() < kHeaderBytes || Read(message, kAdditionalCount, 2) == 0) return std::nullopt;
  size_t at = kHeaderBytes;
  for (uint64_t left = Read(message, 4, 2); left > 0; --left) {
    const auto after = SkipName(message, at);
    if (!after || *after + 4 > message.size()) return std::nullopt;
    at = *after + 4;
  }
  uint64_t records = Read(message, 6, 2) + Read(message, 8, 2) + Read(message, 10, 2);
  for (; records > 0; --records) {
    const size_t start = at;
    const auto after = SkipName(message, at);
    if (!after || *after + 10 > message.size()) return std::nullopt;
    at = *after + 10 + Read(message, *after + 8, 2);
    if (at > message.size()) return std::nullopt;
    const bool last = records == 1;
    if (last && at == message.size()) return ParseTsigRr(message, start, key);
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<SignedMessage> SignMessage(std::string message, const TsigKey& key, absl::Time now) {
  DMARCATE_ASSIGN_OR_RETURN(const Secret secret, DecodeSecret(key));
  Variables variables;
  variables.time_signed = static_cast<uint64_t>(absl::ToUnixSeconds(now));
  SignedMessage out;
  out.signed_at = now;
  out.mac = Hmac(key.algorithm, secret, DigestInput("", message, key, variables));

  std::string rdata = AlgorithmWireName(key.algorithm);
  Append(rdata, variables.time_signed, 6);
  Append(rdata, variables.fudge, 2);
  Append(rdata, out.mac.size(), 2);
  rdata += out.mac;
  rdata += message.substr(0, 2);  // Original ID
  Append(rdata, 0, 2);            // Error
  Append(rdata, 0, 2);            // Other Len

  const uint64_t additional = Read(message, kAdditionalCount, 2) + 1;
  out.wire = std::move(message);
  out.wire[kAdditionalCount] = static_cast<char>(additional >> 8);
  out.wire[kAdditionalCount + 1] = static_cast<char>(additional & 0xFF);
  out.wire += EncodeWireName(key.name);
  Append(out.wire, kTypeTsig, 2);
  Append(out.wire, kClassAny, 2);
  Append(out.wire, 0, 4);  // TTL
  Append(out.wire, rdata.size(), 2);
  out.wire += rdata;
  return out;
}

TsigCheck CheckReply(const SignedMessage& request, const TsigKey& key, std::string_view reply) {
  TsigCheck out;
  const auto tsig = FindTsig(reply, key);
  const auto secret = DecodeSecret(key);
  if (!tsig || !secret.ok()) return out;
  out.error = tsig->variables.error;
  if (tsig->variables.other.size() == 6) {
    out.server_time_seconds = static_cast<int64_t>(Read(tsig->variables.other, 0, 6));
  }
  // The message as it was signed: without the TSIG, under its original id.
  std::string message(reply.substr(0, tsig->start));
  const uint64_t additional = Read(reply, kAdditionalCount, 2) - 1;
  std::string counted;
  Append(counted, additional, 2);
  message.replace(kAdditionalCount, 2, counted);
  std::string id;
  Append(id, tsig->original_id, 2);
  message.replace(0, 2, id);
  const std::string want =
      Hmac(key.algorithm, *secret, DigestInput(request.mac, message, key, tsig->variables));
  const bool matches = tsig->mac.size() == want.size() &&
                       CRYPTO_memcmp(tsig->mac.data(), want.data(), want.size()) == 0;
  const int64_t apart =
      static_cast<int64_t>(tsig->variables.time_signed) - absl::ToUnixSeconds(request.signed_at);
  out.vouched = matches && std::abs(apart) <= tsig->variables.fudge;
  return out;
}

}  // namespace dmarcate
