#include "policyd/provider/route53/sigv4.h"

#include <algorithm>
#include <map>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string octet =
        text[i] == '%' && i + 2 < text.size() ? FromHex(text.substr(i + 1, 2)) : "";
    out += octet.empty() ? std::string(1, text[i]) : octet;
    if (!octet.empty()) i += 2;
  }
  return out;
}

std::string CanonicalPath(std::string_view path) {
  std::vector<std::string> segments;
  for (const std::string_view segment : Split(path, '/')) {
    segments.push_back(QueryEscape(Unescape(segment)));
  }
  return Join(segments, "/");
}

std::string CanonicalQuery(std::string_view query) {
  if (query.empty()) return "";
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string_view pair : Split(query, '&')) {
    const size_t equals = pair.find('=');
    pairs.emplace_back(
        QueryEscape(Unescape(pair.substr(0, equals))),
        equals == std::string_view::npos ? "" : QueryEscape(Unescape(pair.substr(equals + 1))));
  }
  std::ranges::sort(pairs);
  std::vector<std::string> texts;
  for (const auto& [name, value] : pairs) texts.push_back(name + "=" + value);
  return Join(texts, "&");
}

// Without blanks at the ends, and one where there were many.
std::string CanonicalValue(std::string_view value) {
  std::string out;
  for (const char c : TrimAscii(value)) {
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (blank && out.ends_with(' ')) continue;
    out += blank ? ' ' : c;
  }
  return out;
}

// Values of one name stay in their order.
std::map<std::string, std::string> CanonicalHeaders(const std::vector<HttpHeader>& headers) {
  std::map<std::string, std::string> out;
  for (const HttpHeader& header : headers) {
    std::string& value = out[AsciiLower(header.name)];
    if (!value.empty()) value += ',';
    value += CanonicalValue(header.value);
  }
  return out;
}

std::string SignedNames(const std::vector<HttpHeader>& headers) {
  std::vector<std::string> names;
  for (const auto& [name, value] : CanonicalHeaders(headers)) names.push_back(name);
  return Join(names, ";");
}

std::string ScopeText(absl::Time now, const SigV4Scope& scope) {
  return fmt::format("{}/{}/{}/aws4_request", SigV4Time(now).substr(0, 8), scope.region,
                     scope.service);
}

}  // namespace

std::string SigV4Time(absl::Time now) {
  return absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone());
}

std::string SigV4CanonicalRequest(std::string_view method, std::string_view path_and_query,
                                  const std::vector<HttpHeader>& headers, std::string_view body) {
  const size_t question = path_and_query.find('?');
  const std::string_view query =
      question == std::string_view::npos ? "" : path_and_query.substr(question + 1);
  std::string lines;
  for (const auto& [name, value] : CanonicalHeaders(headers)) {
    lines += fmt::format("{}:{}\n", name, value);
  }
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", method,
                     CanonicalPath(path_and_query.substr(0, question)), CanonicalQuery(query),
                     lines, SignedNames(headers), Sha256Hex(body));
}

std::string SigV4StringToSign(absl::Time now, const SigV4Scope& scope,
                              std::string_view canonical_request) {
  return fmt::format("{}\n{}\n{}\n{}", kAlgorithm, SigV4Time(now), ScopeText(now, scope),
                     Sha256Hex(canonical_request));
}

std::string SigV4Signature(const Secret& secret_access_key, absl::Time now, const SigV4Scope& scope,
                           std::string_view string_to_sign) {
  Secret key("AWS4" + secret_access_key.Reveal());
  for (const std::string& step :
       {SigV4Time(now).substr(0, 8), scope.region, scope.service, std::string("aws4_request")}) {
    key = Secret(HmacSha256(key.Reveal(), step));
  }
  return ToHex(HmacSha256(key.Reveal(), string_to_sign));
}

void SignSigV4(const AwsCredential& credential, const SigV4Scope& scope, absl::Time now,
               HttpRequest& request) {
  const std::string origin = OriginOf(request.url);
  std::vector<HttpHeader> headers = {{"Host", origin.substr(origin.find("://") + 3)},
                                     {"X-Amz-Date", SigV4Time(now)}};
  if (!credential.session_token.empty()) {
    headers.push_back({"X-Amz-Security-Token", credential.session_token.Reveal()});
  }
  const std::string canonical = SigV4CanonicalRequest(
      request.method, std::string_view(request.url).substr(origin.size()), headers, request.body);
  const std::string signature = SigV4Signature(credential.secret_access_key, now, scope,
                                               SigV4StringToSign(now, scope, canonical));
  request.headers.insert(request.headers.end(), headers.begin() + 1, headers.end());
  request.headers.push_back(
      {"Authorization", fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}",
                                    kAlgorithm, credential.access_key_id, ScopeText(now, scope),
                                    SignedNames(headers), signature)});
}

}  // namespace dmarcate
