#include "lib/inbound/dane.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/inbound/x509.h"

namespace dmarcate {
namespace {

// OpenSSL verifies by DANE for a connection only; this one never connects.
SslPtr DaneOf(const TlsaRecord& record, const std::vector<DomainName>& names) {
  static SSL_CTX* const context = [] {  // for as long as the process
    SSL_CTX* const made = SSL_CTX_new(TLS_client_method());
    if (made != nullptr) SSL_CTX_dane_enable(made);
    return made;
  }();
  SslPtr ssl(context == nullptr ? nullptr : SSL_new(context));
  if (ssl == nullptr || SSL_dane_enable(ssl.get(), names[0].text().c_str()) != 1) return nullptr;
  SSL_dane_set_flags(ssl.get(), DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  for (size_t i = 1; i < names.size(); ++i) SSL_add1_host(ssl.get(), names[i].text().c_str());
  const auto* const data = reinterpret_cast<const unsigned char*>(record.data.data());
  const bool added = SSL_dane_tlsa_add(ssl.get(), record.usage, record.selector,
                                       record.matching_type, data, record.data.size()) == 1;
  return added ? std::move(ssl) : nullptr;
}

}  // namespace

bool MatchesTlsa(const TlsaRecord& record, const std::vector<std::string>& chain,
                 const std::vector<DomainName>& names, absl::Time now) {
  if (record.Usability() != TlsaUsability::kUsable || chain.empty() || names.empty()) return false;
  const SslPtr ssl = DaneOf(record, names);
  const X509Stack stack = StackFromDer(chain);
  const X509StorePtr nobody(X509_STORE_new());  // the record is the only anchor
  const X509StoreContextPtr context(X509_STORE_CTX_new());
  bool matches = false;
  if (ssl != nullptr && stack != nullptr && nobody != nullptr && context != nullptr &&
      X509_STORE_CTX_init(context.get(), nobody.get(), sk_X509_value(stack.get(), 0),
                          stack.get()) == 1) {
    X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(context.get());
    X509_STORE_CTX_set_default(context.get(), "ssl_server");
    X509_VERIFY_PARAM_set1(param, SSL_get0_param(ssl.get()));
    X509_VERIFY_PARAM_set_time(param, absl::ToTimeT(now));
    X509_STORE_CTX_set0_dane(context.get(), SSL_get0_dane(ssl.get()));
    matches = X509_verify_cert(context.get()) == 1;
  }
  ERR_clear_error();
  return matches;
}

}  // namespace dmarcate
