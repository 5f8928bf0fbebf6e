#include "lib/dns/client.h"

#include <chrono>
#include <string>
#include <utility>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

absl::StatusOr<Response> ExchangeOnce(const ServerAddress& server, const Question& question,
                                      const QueryOptions& options, NetDeadline deadline) {
  const std::string query = BuildQuery(question.name, question.type, options, RandomId());
  const AcceptReply accept = [&query](std::string_view reply) { return IsReplyTo(query, reply); };
  std::string reply;
  bool over_tcp = question.transport == Transport::kTcp;
  if (!over_tcp) {
    DMARCATE_ASSIGN_OR_RETURN(reply, ExchangeUdp(server, query, accept, deadline));
    over_tcp = IsTruncated(reply);  // what did fit is not looked at
  }
  if (over_tcp) {
    DMARCATE_ASSIGN_OR_RETURN(reply, ExchangeTcp(server, query, accept, deadline));
    if (IsTruncated(reply)) return absl::UnavailableError("truncated over TCP");
  }
  return DecodeResponse(reply, question.name, question.type);
}

absl::StatusOr<Response> Ask(const ServerAddress& server, const Question& question,
                             NetDeadline deadline) {
  QueryOptions options;
  options.recursion = question.recursion;
  DMARCATE_ASSIGN_OR_RETURN(Response response, ExchangeOnce(server, question, options, deadline));
  if (response.rcode == kRcodeFormErr || response.rcode == kRcodeNotImp ||
      response.rcode == kRcodeBadVers) {
    options.edns = Edns::kLeftOut;  // RFC 6891 section 6.2.2
    DMARCATE_ASSIGN_OR_RETURN(response, ExchangeOnce(server, question, options, deadline));
  }
  if (response.rcode == kRcodeServFail && question.recursion == Recursion::kDesired) {
    options.validation = Validation::kCheckingDisabled;
    const auto unchecked = ExchangeOnce(server, question, options, deadline);
    if (unchecked.ok() &&
        (unchecked->rcode == kRcodeNoError || unchecked->rcode == kRcodeNxDomain)) {
      // Also what a resolver gives that lost one packet upstream and had the next one answered.
      options.validation = Validation::kWanted;
      DMARCATE_ASSIGN_OR_RETURN(response, ExchangeOnce(server, question, options, deadline));
      if (response.rcode == kRcodeServFail) {
        return absl::DataLossError("DNSSEC signatures are bogus");
      }
    }
  }
  if (response.rcode != kRcodeNoError && response.rcode != kRcodeNxDomain) {
    return MakeError(absl::StatusCode::kUnavailable, RcodeName(response.rcode));
  }
  if (question.recursion == Recursion::kNone) {
    if (!response.answer.authoritative) {
      return absl::UnavailableError("lame server: answers without authority");
    }
  } else if (!response.recursion_available &&
             (response.answer.outcome != DnsOutcome::kRecords || response.alias_unresolved)) {
    // What looks like "no data" is a referral.
    return absl::UnavailableError("server does not recurse");
  }
  return response;
}

}  // namespace

absl::StatusOr<Response> AskServer(const ServerAddress& server, const Question& question,
                                   NetDeadline deadline) {
  const auto start = std::chrono::steady_clock::now();
  auto response = Ask(server, question, deadline);
  if (!response.ok()) {
    return Annotate(response.status(), fmt::format("{} {} from {}", question.name.ToFqdn(),
                                                   ToString(question.type), server.ToString()));
  }
  response->answer.server = server.ToString();
  response->answer.round_trip = absl::FromChrono(std::chrono::steady_clock::now() - start);
  return response;
}

}  // namespace dmarcate
