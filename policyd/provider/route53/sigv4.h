// policyd/provider/route53/sigv4.h
// AWS Signature Version 4 in a header (docs.aws.amazon.com/IAM/latest/UserGuide
// /reference_sigv-create-signed-request.html). Pure.
//
// Of a path and a query the escapes are undone and made anew, so each octet is escaped once; dot
// segments are left alone. That is right for paths of unreserved octets, which Route 53's are.

#ifndef DMARCATE_POLICYD_PROVIDER_ROUTE53_SIGV4_H_
#define DMARCATE_POLICYD_PROVIDER_ROUTE53_SIGV4_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/secret.h"
#include "lib/http/transport.h"

namespace dmarcate {

struct AwsCredential {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;  // of temporary keys; else empty
};

struct SigV4Scope {
  std::string region;   // "us-east-1"
  std::string service;  // "route53"
};

// What is signed of a request. `path_and_query` as in the URL; `headers` all that are signed,
// `host` among them, in any order and case.
std::string SigV4CanonicalRequest(std::string_view method, std::string_view path_and_query,
                                  const std::vector<HttpHeader>& headers, std::string_view body);
std::string SigV4StringToSign(absl::Time now, const SigV4Scope& scope,
                              std::string_view canonical_request);
// 64 hex digits.
std::string SigV4Signature(const Secret& secret_access_key, absl::Time now, const SigV4Scope& scope,
                           std::string_view string_to_sign);
// "20150830T123600Z"
std::string SigV4Time(absl::Time now);

// Adds X-Amz-Date, X-Amz-Security-Token where there is one, and Authorization over them, Host and
// the body.
void SignSigV4(const AwsCredential& credential, const SigV4Scope& scope, absl::Time now,
               HttpRequest& request);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_ROUTE53_SIGV4_H_
