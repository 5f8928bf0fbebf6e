#include "lib/inbound/certificate.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "fmt/format.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/inbound/x509.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxNameOctets = 256;
constexpr int kMaxNames = 100;

using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;

std::string NameText(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return "";
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, std::min(static_cast<size_t>(size), kMaxNameOctets));
}

std::vector<std::string> DnsNames(const X509* certificate) {
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> out;
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
  for (int i = 0; i < std::min(count, kMaxNames); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    const auto* const data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
    const auto size = static_cast<size_t>(ASN1_STRING_length(name->d.dNSName));
    out.emplace_back(data, std::min(size, kMaxNameOctets));
  }
  return out;
}

// The infinite past for what is no time.
absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

// OpenSSL finds authorities there by the hash of their name: "a94d09e5.0".
bool IsHashedName(const std::string& name) {
  return name.size() >= 10 && name[8] == '.' && name.find_first_not_of("0123456789abcdef") == 8 &&
         name.find_first_not_of("0123456789", 9) == std::string::npos;
}

bool SystemDirectoryHasAuthorities() {
  const char* const chosen = std::getenv(X509_get_default_cert_dir_env());
  const std::string_view directories = chosen == nullptr ? X509_get_default_cert_dir() : chosen;
  for (const std::string_view directory : Split(directories, ':')) {
    std::error_code error;
    for (std::filesystem::directory_iterator one(directory, error), end; !error && one != end;
         one.increment(error)) {
      if (IsHashedName(one->path().filename().string())) return true;
    }
  }
  return false;
}

}  // namespace

X509Ptr X509FromDer(std::string_view der) {
  const auto* data = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = data + der.size();
  X509Ptr certificate(d2i_X509(nullptr, &data, static_cast<long>(der.size())));
  ERR_clear_error();
  if (data != end) certificate.reset();
  return certificate;
}

std::string X509ToDer(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) return "";
  std::string out(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::string SpkiDer(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return "";
  std::string out(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

struct CertificateChain::Impl {
  struct One {
    X509* certificate;  // the stack's
    std::string sha256;
  };
  X509Stack stack{sk_X509_new_null()};
  std::vector<One> read;
  bool all = true;
};

CertificateChain::CertificateChain(const std::vector<std::string>& der)
    : impl_(std::make_unique<Impl>()) {
  for (const std::string& one : der) {
    X509Ptr certificate = X509FromDer(one);
    if (certificate == nullptr || sk_X509_push(impl_->stack.get(), certificate.get()) == 0) {
      impl_->all = false;
      continue;
    }
    impl_->read.push_back({certificate.release(), Sha256Hex(one)});
  }
}
CertificateChain::~CertificateChain() = default;

STACK_OF(X509) * CertificateChain::whole() const {
  return impl_->all && !impl_->read.empty() ? impl_->stack.get() : nullptr;
}

std::vector<Certificate> CertificateChain::Describe() const {
  std::vector<Certificate> out;
  for (const auto& [certificate, sha256] : impl_->read) {
    Certificate& one = out.emplace_back();
    one.subject = NameText(X509_get_subject_name(certificate));
    one.issuer = NameText(X509_get_issuer_name(certificate));
    one.names = DnsNames(certificate);
    one.not_before = TimeOf(X509_get0_notBefore(certificate));
    one.not_after = TimeOf(X509_get0_notAfter(certificate));
    one.sha256 = sha256;
    one.spki_sha256 = Sha256Hex(SpkiDer(certificate));
  }
  ERR_clear_error();
  return out;
}

absl::Status CertificateChain::CheckKeys() const {
  for (size_t i = 1; i < impl_->read.size(); ++i) {  // nothing is verified with the server's own
    const EVP_PKEY* const key = X509_get0_pubkey(impl_->read[i].certificate);
    if (key == nullptr) continue;  // verifying stops there
    const int limit = EVP_PKEY_is_a(key, "RSA") == 1 || EVP_PKEY_is_a(key, "RSA-PSS") == 1
                          ? kMaxRsaKeyBits
                          : kMaxOtherKeyBits;
    const int bits = EVP_PKEY_get_bits(key);
    if (bits <= limit) continue;
    ERR_clear_error();
    return MakeError(
        absl::StatusCode::kResourceExhausted,
        fmt::format("an issuer has a key of {} bits, and none over {} is verified with", bits,
                    limit));
  }
  ERR_clear_error();
  return absl::OkStatus();
}

struct TrustStore::Impl {
  X509StorePtr store;
  bool loaded = false;  // a file with authorities
  bool system = false;
};

TrustStore::TrustStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TrustStore::~TrustStore() = default;

absl::StatusOr<std::unique_ptr<TrustStore>> TrustStore::Load(const std::string& ca_file) {
  auto impl = std::make_unique<Impl>();
  impl->store.reset(X509_STORE_new());
  const bool loaded =
      impl->store != nullptr &&
      (ca_file.empty() ? X509_STORE_set_default_paths(impl->store.get()) == 1
                       : X509_STORE_load_file(impl->store.get(), ca_file.c_str()) == 1);
  ERR_clear_error();
  if (!loaded) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("{}: no certificates of authorities",
                                 ca_file.empty() ? "the system's list" : ca_file));
  }
  impl->system = ca_file.empty();
  impl->loaded = sk_X509_OBJECT_num(X509_STORE_get0_objects(impl->store.get())) > 0;
  return std::unique_ptr<TrustStore>(new TrustStore(std::move(impl)));
}

bool TrustStore::HasAuthorities() const {
  return impl_->loaded || (impl_->system && SystemDirectoryHasAuthorities());
}

// Goes on after each problem, so that all are seen.
class ChainVerifier {
 public:
  static ChainProblems Run(const CertificateChain& chain, const DomainName& host,
                           const TrustStore& store, absl::Time now) {
    Seen seen{.authorities = store.HasAuthorities()};
    ChainProblems& problems = seen.problems;
    STACK_OF(X509)* const stack = chain.whole();
    const X509StoreContextPtr context(X509_STORE_CTX_new());
    if (stack == nullptr || context == nullptr ||
        X509_STORE_CTX_init(context.get(), store.impl_->store.get(), sk_X509_value(stack, 0),
                            stack) != 1) {
      problems.untrusted = true;
      problems.words = {"no certificate that can be read"};
      return problems;
    }
    if (const absl::Status keys = chain.CheckKeys(); !keys.ok()) {
      problems.not_verified = std::string(MessageOf(keys));
      return problems;
    }
    if (!seen.authorities) problems.not_verified = std::string(kNoAuthorities);
    X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_time(param, absl::ToTimeT(now));
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    // MTA-STS wants the name as an alternative name (RFC 8461 section 4.2).
    X509_VERIFY_PARAM_set_hostflags(
        param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    X509_VERIFY_PARAM_set1_host(param, host.text().data(), host.text().size());
    X509_STORE_CTX_set_app_data(context.get(), &seen);
    X509_STORE_CTX_set_verify_cb(context.get(), OnCertificate);
    if (X509_verify_cert(context.get()) != 1 && problems.none()) {
      Note(X509_STORE_CTX_get_error(context.get()), seen);
    }
    ERR_clear_error();
    return problems;
  }

 private:
  struct Seen {
    bool authorities = true;
    ChainProblems problems;
  };
  static int OnCertificate(int good, X509_STORE_CTX* context) {
    if (good == 1) return 1;
    Note(X509_STORE_CTX_get_error(context),
         *static_cast<Seen*>(X509_STORE_CTX_get_app_data(context)));
    return 1;
  }
  static void Note(int error, Seen& seen) {
    ChainProblems& problems = seen.problems;
    switch (error) {
      case X509_V_ERR_HOSTNAME_MISMATCH:
        problems.wrong_name = true;
        break;
      case X509_V_ERR_CERT_HAS_EXPIRED:
      case X509_V_ERR_CERT_NOT_YET_VALID:
        problems.outside_validity = true;
        break;
      default:
        if (!seen.authorities) return;
        problems.untrusted = true;
    }
    const std::string words = X509_verify_cert_error_string(error);
    if (std::ranges::find(problems.words, words) == problems.words.end()) {
      problems.words.push_back(words);
    }
  }
};

ChainProblems VerifyChain(const CertificateChain& chain, const DomainName& host,
                          const TrustStore& store, absl::Time now) {
  return ChainVerifier::Run(chain, host, store, now);
}

}  // namespace dmarcate
