#include "tests/testing/dkim_signer.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

#include "fmt/format.h"
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "lib/base/digest.h"
#include "lib/base/text.h"

namespace dmarcate::testing_support {
namespace {

constexpr size_t kSeedOctets = 32;

void Require(bool ok) {
  if (!ok) std::abort();  // out of memory, or OpenSSL is broken
}

std::string Replace(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// One letter for each line end, so that lines can be split. A CR before CRLF stays.
std::string WithLf(std::string text) { return Replace(std::move(text), "\r\n", "\n"); }

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (const std::string_view line : Split(text, '\n')) lines.emplace_back(line);
  return lines;
}

std::string Compress(std::string text) {
  std::ranges::replace(text, '\t', ' ');
  while (text.find("  ") != std::string::npos) text = Replace(text, "  ", " ");
  return text;
}

std::string Trim(std::string text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.erase(0, 1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.pop_back();
  return text;
}

struct Split2 {
  std::vector<std::pair<std::string, std::string>> fields;  // name as written, value; LF in folds
  std::string body;                                         // with LF
};

Split2 SplitMail(const std::string& mail) {
  Split2 out;
  const bool marked = mail.starts_with("\xEF\xBB\xBF");
  std::vector<std::string> lines = Lines(WithLf(marked ? mail.substr(3) : mail));
  size_t i = 0;
  while (i < lines.size() && (TrimAscii(lines[i]).empty() || lines[i].starts_with("From ") ||
                              lines[i].starts_with(">From "))) {
    ++i;
  }
  for (; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (TrimAscii(line).empty()) {
      ++i;
      break;
    }
    if ((line[0] == ' ' || line[0] == '\t') && !out.fields.empty()) {
      out.fields.back().second += "\n" + line;
      continue;
    }
    const size_t colon = line.find(':');
    const std::string name = line.substr(0, colon);
    const std::string bare = Trim(name);
    const bool is_field = colon != std::string::npos && !bare.empty() && name[0] == bare[0] &&
                          std::ranges::all_of(bare, [](char c) { return c > ' ' && c < '\x7f'; });
    if (!is_field) break;
    out.fields.emplace_back(name, line.substr(colon + 1));
  }
  for (size_t k = i; k < lines.size(); ++k) {
    out.body += lines[k];
    if (k + 1 < lines.size()) out.body += '\n';
  }
  return out;
}

std::string CanonicalBody(const std::string& body, const DkimSigning& signing) {
  std::vector<std::string> lines = Lines(body);
  if (signing.body == "relaxed") {
    for (std::string& line : lines) {
      while (line.ends_with(' ') || line.ends_with('\t')) line.pop_back();
      line = Compress(line);
    }
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  std::string out;
  for (const std::string& line : lines) out += line + "\r\n";
  if (out.empty() && signing.body == "simple") out = "\r\n";
  return signing.body_length.has_value() ? out.substr(0, *signing.body_length) : out;
}

std::string CanonicalField(const std::string& name, const std::string& value,
                           const std::string& mode) {
  if (mode == "simple") return name + ":" + Replace(value, "\n", "\r\n");
  return AsciiLower(Trim(name)) + ":" + Trim(Compress(Replace(value, "\n", "")));
}

// The value of a DKIM-Signature field with b= emptied.
std::string WithoutB(const std::string& value) {
  std::string out;
  for (const std::string_view tag : Split(value, ';')) {
    if (tag.data() != value.data()) out += ';';
    const size_t equals = tag.find('=');
    const bool is_b = TrimAscii(tag.substr(0, equals)) == "b" && equals != std::string_view::npos;
    out += is_b ? tag.substr(0, equals + 1) : tag;
  }
  return out;
}

std::string CanonicalHeader(const Split2& mail, size_t signature, const DkimSigning& signing) {
  std::string out;
  std::vector<bool> taken(mail.fields.size());
  for (const std::string& name : signing.fields) {
    for (size_t i = mail.fields.size(); i-- > 0;) {
      if (taken[i] || i == signature) continue;
      if (AsciiLower(Trim(mail.fields[i].first)) != AsciiLower(name)) continue;
      taken[i] = true;
      out += CanonicalField(mail.fields[i].first, mail.fields[i].second, signing.header) + "\r\n";
      break;
    }
  }
  const auto& [name, value] = mail.fields[signature];
  return out + CanonicalField(name, WithoutB(value), signing.header);
}

std::string TakeBio(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<size_t>(size));
  BIO_free(bio);
  return out;
}

}  // namespace

struct DkimTestKey::Impl {
  EVP_PKEY* key = nullptr;
  std::string seed;  // Ed25519
  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { EVP_PKEY_free(key); }
};

DkimTestKey DkimTestKey::Rsa(int bits) {
  static std::mutex mutex;
  static auto* const keys = new std::map<int, DkimTestKey>();
  const std::lock_guard lock(mutex);
  const auto found = keys->find(bits);
  if (found != keys->end()) return found->second;
  auto impl = std::make_shared<Impl>();
  impl->key = EVP_RSA_gen(static_cast<unsigned>(bits));
  Require(impl->key != nullptr);
  return keys->emplace(bits, DkimTestKey(std::move(impl))).first->second;
}

DkimTestKey DkimTestKey::Ed25519(std::string_view seed) {
  auto impl = std::make_shared<Impl>();
  impl->seed = seed;
  impl->seed.resize(kSeedOctets, '.');
  impl->key = EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(impl->seed.data()),
      kSeedOctets);
  Require(impl->key != nullptr);
  return DkimTestKey(std::move(impl));
}

std::string DkimTestKey::Record(std::string_view more_tags) const {
  std::string octets;
  if (impl_->seed.empty()) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(impl_->key, &der);
    Require(size > 0);
    octets.assign(reinterpret_cast<char*>(der), static_cast<size_t>(size));
    OPENSSL_free(der);
  } else {
    size_t size = kSeedOctets;
    octets.resize(size);
    Require(EVP_PKEY_get_raw_public_key(impl_->key, reinterpret_cast<unsigned char*>(octets.data()),
                                        &size) == 1);
  }
  return fmt::format("v=DKIM1; k={}; {}p={}", impl_->seed.empty() ? "rsa" : "ed25519", more_tags,
                     Base64Encode(octets));
}

std::string DkimTestKey::algorithm() const {
  return impl_->seed.empty() ? "rsa-sha256" : "ed25519-sha256";
}

std::string DkimTestKey::PrivateKey() const {
  if (!impl_->seed.empty()) return Base64Encode(impl_->seed);
  BIO* bio = BIO_new(BIO_s_mem());
  Require(bio != nullptr && PEM_write_bio_PrivateKey_traditional(bio, impl_->key, nullptr, nullptr,
                                                                 0, nullptr, nullptr) == 1);
  return TakeBio(bio);
}

std::string DkimTestKey::Sign(const std::string& digest) const {
  const auto* const octets = reinterpret_cast<const unsigned char*>(digest.data());
  std::string out(1024 * 2, '\0');
  size_t size = out.size();
  auto* const to = reinterpret_cast<unsigned char*>(out.data());
  if (impl_->seed.empty()) {
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(impl_->key, nullptr);
    Require(EVP_PKEY_sign_init(context) == 1 &&
            EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
            EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
            EVP_PKEY_sign(context, to, &size, octets, digest.size()) == 1);
    EVP_PKEY_CTX_free(context);
  } else {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    Require(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, impl_->key) == 1 &&
            EVP_DigestSign(context, to, &size, octets, digest.size()) == 1);
    EVP_MD_CTX_free(context);
  }
  out.resize(size);
  return out;
}

std::string DkimSign(const std::string& mail, const DkimTestKey& key, const DkimSigning& signing) {
  const std::string body = CanonicalBody(SplitMail(mail).body, signing);
  std::string field = fmt::format(
      "DKIM-Signature: v=1; a={}; c={}/{}; d={}; s={};\r\n\t{}{}h={};\r\n\tbh={}; b=",
      key.algorithm(), signing.header, signing.body, signing.domain, signing.selector,
      signing.more_tags,
      signing.body_length.has_value() ? fmt::format("l={}; ", *signing.body_length) : "",
      Join(signing.fields, ":"), Base64Encode(Sha256(body)));
  const Split2 unsigned_mail = SplitMail(field + "\r\n" + mail);
  const std::string digest = Sha256(CanonicalHeader(unsigned_mail, 0, signing));
  const std::string signature = Base64Encode(key.Sign(digest));
  for (size_t at = 0; at < signature.size(); at += 72) {
    field += "\r\n\t " + signature.substr(at, 72);
  }
  return field + "\r\n" + mail;
}

std::optional<std::string> DkimSignedText(const std::string& mail, size_t index,
                                          const DkimSigning& signing) {
  const Split2 split = SplitMail(mail);
  for (size_t i = 0; i < split.fields.size(); ++i) {
    if (AsciiLower(Trim(split.fields[i].first)) != "dkim-signature" || index-- > 0) continue;
    return CanonicalHeader(split, i, signing) + "\r\n\r\n" + CanonicalBody(split.body, signing);
  }
  return std::nullopt;
}

}  // namespace dmarcate::testing_support
