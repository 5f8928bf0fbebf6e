// Owners for what OpenSSL hands out, and DER. For the .cc files of this directory.

#ifndef DMARCATE_LIB_INBOUND_X509_H_
#define DMARCATE_LIB_INBOUND_X509_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "lib/base/freer.h"

namespace dmarcate {

using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using X509StorePtr = std::unique_ptr<X509_STORE, Freer<X509_STORE_free>>;
using X509StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Freer<X509_STORE_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freer<SSL_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
struct X509StackFree {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_pop_free(stack, X509_free); }
};
using X509Stack = std::unique_ptr<STACK_OF(X509), X509StackFree>;

// Null if `der` is not exactly one certificate.
X509Ptr X509FromDer(std::string_view der);
std::string X509ToDer(const X509* certificate);
// The SubjectPublicKeyInfo.
std::string SpkiDer(const X509* certificate);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INBOUND_X509_H_
