// policyd/gateway/pages.h
// What policyd's HTTP port answers: that it lives, that it is ready, and the MTA-STS policies that
// it serves. Nothing secret is behind it, and nothing can be changed through it.

#ifndef DMARCATE_POLICYD_GATEWAY_PAGES_H_
#define DMARCATE_POLICYD_GATEWAY_PAGES_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "lib/mailauth/domain_name.h"

namespace dmarcate {

struct HttpQuestion {
  std::string_view method;  // "GET"
  std::string_view target;  // "/healthz?x=1"
  std::string_view host;    // of the header field: "mta-sts.example.com:443"; may be empty
};
struct HttpAnswer {
  int status = 200;
  std::string body;        // text/plain in UTF-8
  std::string allow = {};  // of 405
};

// What the pages are made of. Each is called on the port's thread and does not block for long.
struct PageSources {
  std::function<bool()> is_ready;
  // The policy file that is to be served for the domain; nothing: none is.
  std::function<std::optional<std::string>(const DomainName& domain)> sts_file;
};

// "mta-sts.example.com" and "MTA-STS.Example.com.:443" name example.com. Nothing for another host.
std::optional<DomainName> StsDomainOf(std::string_view host);

//   GET, HEAD /healthz                    200: the process answers
//   GET, HEAD /readyz                     200, or 503 while it reads what it needs
//   GET, HEAD /.well-known/mta-sts.txt    the policy of the domain that the host names (RFC 8461
//                                         section 3.2), or 404
HttpAnswer AnswerPage(const HttpQuestion& question, const PageSources& sources);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_GATEWAY_PAGES_H_
