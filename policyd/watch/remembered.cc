#include "policyd/watch/remembered.h"

#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "policyd/watch/history.h"

namespace dmarcate {
namespace {

absl::Status Unlearned(const Observation& look) {
  switch (look.outcome) {
    case ObservedOutcome::kTimeout:
      return MakeError(absl::StatusCode::kDeadlineExceeded, look.error);
    case ObservedOutcome::kBogus:
      return MakeError(absl::StatusCode::kDataLoss, look.error);
    default:
      return MakeError(absl::StatusCode::kUnavailable, look.error);
  }
}

DnsOutcome OutcomeOf(ObservedOutcome outcome) {
  switch (outcome) {
    case ObservedOutcome::kRecords:
      return DnsOutcome::kRecords;
    case ObservedOutcome::kNxDomain:
      return DnsOutcome::kNxDomain;
    default:
      return DnsOutcome::kNoData;
  }
}

}  // namespace

absl::StatusOr<DnsAnswer> RememberedTxt(const std::vector<Observation>& history, absl::Time now) {
  const Observation* last = LastLook(history);
  if (last == nullptr || now - last->last_seen > kRememberedFor) {
    return MakeError(absl::StatusCode::kUnavailable,
                     last == nullptr ? "nobody has looked yet" : "nobody has looked for long");
  }
  if (!IsAnswer(last->outcome)) return Unlearned(*last);
  if (!last->values_sha256.empty()) {
    return MakeError(absl::StatusCode::kResourceExhausted, "not all records were kept");
  }
  DnsAnswer answer;
  answer.outcome = OutcomeOf(last->outcome);
  answer.type = RrType::kTxt;
  answer.validated = last->dnssec == DnssecState::kSecure;
  answer.authoritative = last->from_servers;
  answer.ttl_seconds = last->ttl_seconds;
  for (const std::string& target : last->cname_chain) {
    if (auto name = DomainName::Parse(target); name.ok()) {
      answer.cname_chain.push_back(*std::move(name));
    }
  }
  for (const std::string& value : last->values) answer.txt.push_back(MakeTxtRecord(value));
  return answer;
}

absl::StatusOr<DnsAnswer> RememberedResolver::Lookup(const DomainName& name, RrType type) {
  const auto known = answers_.find(name);
  const bool address = type == RrType::kA || type == RrType::kAaaa;
  if (address && addresses_ == Addresses::kTellExistence && known != answers_.end() &&
      known->second.ok()) {
    DnsAnswer answer;
    answer.type = type;
    answer.outcome = known->second->outcome == DnsOutcome::kNxDomain ? DnsOutcome::kNxDomain
                                                                     : DnsOutcome::kNoData;
    return answer;
  }
  if (type != RrType::kTxt) {
    return MakeError(absl::StatusCode::kUnavailable,
                     fmt::format("{} of {} is not watched", ToString(type), name.text()));
  }
  if (known == answers_.end()) {
    missing_.insert(name);
    return MakeError(absl::StatusCode::kUnavailable,
                     fmt::format("nobody has looked at {} yet", name.text()));
  }
  if (!known->second.ok()) unknown_.insert(name);
  return known->second;
}

}  // namespace dmarcate
