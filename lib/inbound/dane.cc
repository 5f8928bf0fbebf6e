#include "lib/inbound/dane.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/inbound/x509.h"

namespace dmarcate {
namespace {

std::string Sha512(std::string_view data) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(data.data(), data.size(), digest, &size, EVP_sha512(), nullptr) != 1) return "";
  return {reinterpret_cast<const char*>(digest), size};
}

// What a usable record says of one certificate, by selector and matching type.
class Associations {
 public:
  explicit Associations(const X509* certificate) {
    data_[tlsa::kCert] = {X509ToDer(certificate), "", ""};
    data_[tlsa::kSpki] = {SpkiDer(certificate), "", ""};
    for (auto& [full, sha256, sha512] : data_) {
      sha256 = Sha256(full);
      sha512 = Sha512(full);
    }
  }
  bool Has(const TlsaRecord& record) const {
    const auto& [full, sha256, sha512] = data_[record.selector];
    const std::string& own = record.matching_type == tlsa::kFull     ? full
                             : record.matching_type == tlsa::kSha256 ? sha256
                                                                     : sha512;
    return !own.empty() && own == record.data;
  }

 private:
  struct Of {
    std::string full, sha256, sha512;
  };
  std::array<Of, 2> data_;
};

class Matcher {
 public:
  Matcher(const std::vector<TlsaRecord>& records, STACK_OF(X509) * stack,
          const std::vector<DomainName>& names, absl::Time now)
      : records_(records), counted_(CountedTlsa(records)), stack_(stack), names_(names), now_(now) {
    out_.records.resize(records.size());
    for (int i = 0; i < sk_X509_num(stack); ++i) chain_.emplace_back(sk_X509_value(stack, i));
  }

  absl::StatusOr<TlsaMatch> Run(const absl::Status& keys) {
    bool authorities = false;
    std::set<size_t> all;
    for (size_t i = 0; i < records_.size(); ++i) {
      if (!counted_[i]) continue;
      all.insert(i);
      authorities |= records_[i].usage == tlsa::kDaneTa;
      out_.records[i] = records_[i].usage == tlsa::kDaneEe && chain_[0].Has(records_[i]);
      out_.set |= out_.records[i];
    }
    // The server's own certificate is only compared; signatures are for authorities.
    if (!keys.ok() && authorities && !out_.set) return keys;
    if (all.empty() || !keys.ok()) return std::move(out_);
    out_.set = Verify(all);
    if (out_.set && authorities) VerifyAuthorities();
    return std::move(out_);
  }

 private:
  // OpenSSL verifies by DANE for a connection only; this one never connects.
  SslPtr DaneOf(const std::set<size_t>& wanted) const {
    static SSL_CTX* const context = [] {  // for as long as the process
      SSL_CTX* const made = SSL_CTX_new(TLS_client_method());
      if (made != nullptr) SSL_CTX_dane_enable(made);
      return made;
    }();
    SslPtr ssl(context == nullptr ? nullptr : SSL_new(context));
    if (ssl == nullptr || SSL_dane_enable(ssl.get(), names_[0].text().c_str()) != 1) return nullptr;
    SSL_dane_set_flags(ssl.get(), DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    for (size_t i = 1; i < names_.size(); ++i) SSL_add1_host(ssl.get(), names_[i].text().c_str());
    for (const size_t i : wanted) {
      const TlsaRecord& record = records_[i];
      const auto* const data = reinterpret_cast<const unsigned char*>(record.data.data());
      SSL_dane_tlsa_add(ssl.get(), record.usage, record.selector, record.matching_type, data,
                        record.data.size());
    }
    return ssl;
  }

  // Whether one of `wanted` stands for the chain; the one that OpenSSL goes by is noted.
  bool Verify(const std::set<size_t>& wanted) {
    const SslPtr ssl = DaneOf(wanted);
    const X509StorePtr nobody(X509_STORE_new());  // the records are the only anchors
    const X509StoreContextPtr context(X509_STORE_CTX_new());
    bool matches = false;
    if (ssl != nullptr && nobody != nullptr && context != nullptr &&
        X509_STORE_CTX_init(context.get(), nobody.get(), sk_X509_value(stack_, 0), stack_) == 1) {
      X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(context.get());
      X509_STORE_CTX_set_default(context.get(), "ssl_server");
      X509_VERIFY_PARAM_set1(param, SSL_get0_param(ssl.get()));
      X509_VERIFY_PARAM_set_time(param, absl::ToTimeT(now_));
      X509_STORE_CTX_set0_dane(context.get(), SSL_get0_dane(ssl.get()));
      matches = X509_verify_cert(context.get()) == 1;
    }
    if (matches) Note(ssl.get(), wanted);
    ERR_clear_error();
    return matches;
  }

  void Note(SSL* ssl, const std::set<size_t>& wanted) {
    TlsaRecord by;
    const unsigned char* data = nullptr;
    size_t size = 0;
    if (SSL_get0_dane_tlsa(ssl, &by.usage, &by.selector, &by.matching_type, &data, &size) < 0) {
      return;
    }
    by.data.assign(reinterpret_cast<const char*>(data), size);
    for (const size_t i : wanted) {
      if (records_[i] == by) out_.records[i] = true;
    }
  }

  // OpenSSL stops at the first record that matches. Of authorities in the chain it is asked again,
  // once for each.
  void VerifyAuthorities() {
    for (size_t issuer = 1; issuer < chain_.size(); ++issuer) {
      std::set<size_t> same;
      bool known = false;
      for (size_t i = 0; i < records_.size(); ++i) {
        if (!counted_[i] || records_[i].usage != tlsa::kDaneTa) continue;
        if (!chain_[issuer].Has(records_[i])) continue;
        same.insert(i);
        known |= out_.records[i];
      }
      if (same.empty() || (!known && !Verify(same))) continue;
      for (const size_t i : same) out_.records[i] = true;
    }
  }

  const std::vector<TlsaRecord>& records_;
  const std::vector<bool> counted_;
  STACK_OF(X509) * const stack_;
  const std::vector<DomainName>& names_;
  const absl::Time now_;
  std::vector<Associations> chain_;
  TlsaMatch out_;
};

}  // namespace

std::vector<bool> CountedTlsa(const std::vector<TlsaRecord>& records) {
  std::vector<bool> counted;
  for (const TlsaRecord& record : records) {
    counted.push_back(record.Usability() == TlsaUsability::kUsable);
  }
  for (size_t i = 0; i < records.size(); ++i) {
    if (!counted[i] || records[i].matching_type == tlsa::kFull) continue;
    for (size_t j = 0; j < records.size() && counted[i]; ++j) {
      // Unusable ones have no say: a client that cannot use a digest goes by the next.
      counted[i] = records[j].usage != records[i].usage ||
                   records[j].selector != records[i].selector ||
                   records[j].matching_type <= records[i].matching_type ||
                   records[j].Usability() != TlsaUsability::kUsable;
    }
  }
  return counted;
}

absl::StatusOr<TlsaMatch> MatchTlsa(const std::vector<TlsaRecord>& records,
                                    const CertificateChain& chain,
                                    const std::vector<DomainName>& names, absl::Time now) {
  STACK_OF(X509)* const stack = chain.whole();
  if (stack == nullptr || names.empty()) {
    return TlsaMatch{.records = std::vector<bool>(records.size())};
  }
  return Matcher(records, stack, names, now).Run(chain.CheckKeys());
}

}  // namespace dmarcate
