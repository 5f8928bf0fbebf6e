// policyd/provider/api/url.h
// Pieces of URLs.

#ifndef DMARCATE_POLICYD_PROVIDER_API_URL_H_
#define DMARCATE_POLICYD_PROVIDER_API_URL_H_

#include <string>
#include <string_view>

namespace dmarcate {

// For one segment of a path or one value in a query: all but RFC 3986's unreserved octets as %XX,
// in upper case (so, too, as AWS signs them).
std::string QueryEscape(std::string_view value);
// "api.example.com" of "https://api.example.com:8443/x"; in lower case, empty if there is none.
std::string HostOfUrl(std::string_view url);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_API_URL_H_
