#include "policyd/mta_sts/result_types.h"

#include <array>
#include <utility>

namespace dmarcate {

std::string_view ExplainTlsResult(std::string_view result_type) {
  using Row = std::pair<std::string_view, std::string_view>;
  static constexpr std::array<Row, 11> kRows = {{
      {"starttls-not-supported", "the server did not offer STARTTLS; switch it on"},
      {"certificate-host-mismatch",
       "the certificate does not name the MX host; get one that does, or name the host that it "
       "has"},
      {"certificate-expired", "the certificate has expired; renew it, and let a timer do it"},
      {"certificate-not-trusted",
       "no public authority vouches for the certificate, or the server left out an intermediate "
       "one"},
      {"validation-failure", "TLS failed in a way that the reporter does not name"},
      {"tlsa-invalid", "the TLSA record does not fit the certificate; publish the new one first"},
      {"dnssec-invalid", "DNSSEC of the MX host is broken"},
      {"dane-required", "the sender wants DANE, and there are no usable TLSA records"},
      {"sts-policy-fetch-error", "the policy could not be fetched; look at the web server"},
      {"sts-policy-invalid", "what is served is no policy; serve the file byte for byte"},
      {"sts-webpki-invalid", "the certificate of the policy's web server is not trusted"},
  }};
  for (const auto& [type, words] : kRows) {
    if (type == result_type) return words;
  }
  return "a kind of failure that is not known here; ask the reporter";
}

}  // namespace dmarcate
