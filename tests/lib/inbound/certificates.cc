#include "tests/lib/inbound/certificates.h"

#include <cstdlib>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace dmarcate::inbound_testing {
namespace {

void Check(bool good) {
  if (!good) std::abort();
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  Check(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// A modulus that is no product of two primes: finding those for a large key takes many seconds.
std::shared_ptr<EVP_PKEY> MadeUpRsaKey(int bits) {
  BIGNUM* const modulus = BN_new();
  BN_set_bit(modulus, bits - 1);
  BN_add_word(modulus, 1);
  BIGNUM* const exponent = BN_new();
  BN_set_word(exponent, 65537);
  OSSL_PARAM_BLD* const build = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus);
  OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent);
  OSSL_PARAM* const params = OSSL_PARAM_BLD_to_param(build);
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
  EVP_PKEY* key = nullptr;
  Check(EVP_PKEY_fromdata_init(context) == 1 &&
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) == 1);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(build);
  BN_free(exponent);
  BN_free(modulus);
  return {key, EVP_PKEY_free};
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

}  // namespace

Identity Identity::Make(const CertificateWish& wish, const Identity* issuer) {
  static long serial = 1;
  Identity out;
  const std::shared_ptr<EVP_PKEY> own(EVP_EC_gen("P-256"), EVP_PKEY_free);
  out.key_ = wish.rsa_bits > 0 ? MadeUpRsaKey(wish.rsa_bits) : own;
  out.certificate_ = {X509_new(), X509_free};
  X509* const certificate = out.certificate_.get();
  Check(out.key_ != nullptr && certificate != nullptr);
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  ASN1_TIME_set(X509_getm_notBefore(certificate), absl::ToTimeT(wish.not_before));
  ASN1_TIME_set(X509_getm_notAfter(certificate), absl::ToTimeT(wish.not_after));
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.subject.c_str()), -1, -1,
                             0);
  X509* const signer = issuer == nullptr ? certificate : issuer->certificate();
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  X509_set_pubkey(certificate, out.key_.get());
  AddExtension(certificate, signer, NID_basic_constraints,
               wish.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  std::string names;
  for (const std::string& one : wish.names) names += (names.empty() ? "DNS:" : ",DNS:") + one;
  if (!names.empty() && !wish.authority) {
    AddExtension(certificate, signer, NID_subject_alt_name, names);
  }
  EVP_PKEY* const key = issuer == nullptr ? own.get() : issuer->key();
  Check(X509_sign(certificate, key, EVP_sha256()) > 0);
  return out;
}

Identity Identity::SelfSigned(const CertificateWish& wish) { return Make(wish, nullptr); }
Identity Identity::Sign(const CertificateWish& wish) const { return Make(wish, this); }

std::string Identity::Der() const {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate(), &der);
  std::string out(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::string Identity::SpkiDer() const {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key(), &der);
  std::string out(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::string Identity::CertificatePem() const {
  BIO* const bio = BIO_new(BIO_s_mem());
  Check(PEM_write_bio_X509(bio, certificate()) == 1);
  return TextOf(bio);
}

std::string Identity::KeyPem() const {
  BIO* const bio = BIO_new(BIO_s_mem());
  Check(PEM_write_bio_PrivateKey(bio, key(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return TextOf(bio);
}

}  // namespace dmarcate::inbound_testing
