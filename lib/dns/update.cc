#include "lib/dns/update.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/dns/client.h"
#include "lib/dns/exchange.h"
#include "lib/dns/message.h"
#include "lib/dns/tsig.h"
#include "lib/dns/update_message.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxSecretBytes = 1024;
constexpr int kMaxReplies = 16;

bool IsBase64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return false;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
  });
}

}  // namespace

absl::StatusOr<TsigAlgorithm> ParseTsigAlgorithm(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  for (const TsigAlgorithm algorithm :
       {TsigAlgorithm::kHmacSha256, TsigAlgorithm::kHmacSha384, TsigAlgorithm::kHmacSha512}) {
    if (EqualsIgnoreCase(text, ToString(algorithm))) return algorithm;
  }
  return MakeError(absl::StatusCode::kInvalidArgument,
                   fmt::format("tsig algorithm '{}': want hmac-sha256, hmac-sha384 or hmac-sha512",
                               EscapeForTerminal(text)));
}

std::string_view ToString(TsigAlgorithm algorithm) {
  switch (algorithm) {
    case TsigAlgorithm::kHmacSha256:
      return "hmac-sha256";
    case TsigAlgorithm::kHmacSha384:
      return "hmac-sha384";
    case TsigAlgorithm::kHmacSha512:
      return "hmac-sha512";
  }
  return "";
}

absl::StatusOr<TsigKey> MakeTsigKey(std::string_view name, std::string_view algorithm,
                                    Secret secret_base64) {
  TsigKey key;
  DMARCATE_ASSIGN_OR_RETURN(key.name, DomainName::Parse(name));
  DMARCATE_ASSIGN_OR_RETURN(key.algorithm, ParseTsigAlgorithm(algorithm));
  if (secret_base64.Reveal().size() > kMaxSecretBytes || !IsBase64(secret_base64.Reveal())) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("tsig key {}: the secret is not base64", key.name.text()));
  }
  key.secret_base64 = std::move(secret_base64);
  return key;
}

absl::Status DnsUpdateClient::Apply(const TxtRrSetUpdate& update) {
  const std::string context = fmt::format("{} at {}", update.owner.text(), server_.ToString());
  const auto message = BuildUpdate(update, key_, RandomId(), absl::Now());
  if (!message.ok()) return Annotate(message.status(), context);
  return Send(*message, context);
}

absl::Status DnsUpdateClient::CheckKey(const DomainName& zone) {
  const std::string context = fmt::format("zone {} at {}", zone.text(), server_.ToString());
  const auto message = BuildEmptyUpdate(zone, key_, RandomId(), absl::Now());
  if (!message.ok()) return Annotate(message.status(), context);
  return Send(*message, context);
}

absl::Status DnsUpdateClient::CheckRight(const DomainName& zone, const DomainName& owner,
                                         RrType type) {
  const std::string context = fmt::format("{} at {}", owner.text(), server_.ToString());
  const auto message = BuildRightsTest(zone, owner, type, key_, RandomId(), absl::Now());
  if (!message.ok()) return Annotate(message.status(), context);
  absl::Status said = Send(*message, context);
  // YXRRSET: the zone does have a SOA.
  return said.code() == absl::StatusCode::kAborted ? absl::OkStatus() : said;
}

absl::Status DnsUpdateClient::Send(const SignedMessage& message, const std::string& context) {
  const std::lock_guard lock(mutex_);
  const NetDeadline deadline = NetDeadlineAfter(timeout_);
  auto connection = TcpConnection::Open(server_, deadline);
  if (!connection.ok()) {
    return MakeError(
        absl::StatusCode::kUnavailable,
        fmt::format("{}: {}, nothing was sent", context, MessageOf(connection.status())));
  }
  // From here on the server may have the message.
  const auto unknown = [&context](const absl::Status& status) {
    return MakeError(
        absl::StatusCode::kUnknown,
        fmt::format("{}: {} after sending, outcome unknown", context, MessageOf(status)));
  };
  if (const auto sent = connection->Send(message.wire, deadline); !sent.ok()) return unknown(sent);
  for (int i = 0; i < kMaxReplies; ++i) {
    const auto reply = connection->Receive(deadline);
    if (!reply.ok()) return unknown(reply.status());
    if (!IsReplyToUpdate(message, *reply)) continue;
    return Annotate(InterpretUpdateReply(message, key_, *reply), context);
  }
  return unknown(absl::UnavailableError("no answer of ours"));
}

absl::StatusOr<DnsAnswer> DnsUpdateClient::Read(const DomainName& owner) {
  const Question question{owner, RrType::kTxt, Recursion::kNone, Transport::kTcp};
  DMARCATE_ASSIGN_OR_RETURN(Response response,
                            AskServer(server_, question, NetDeadlineAfter(timeout_)));
  DnsAnswer& answer = response.answer;
  if (!answer.cname_chain.empty()) {
    answer.outcome = DnsOutcome::kNoData;  // no TXT at the owner itself
    answer.txt.clear();
  }
  return std::move(answer);
}

}  // namespace dmarcate
