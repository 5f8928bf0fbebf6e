#include "policyd/reconcile/live_reader.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {

std::string OnlySpfText(const std::vector<TxtRecord>& records) {
  const std::vector<std::string> texts = TextsOf(records);
  const SpfSelection selection = SelectSpf(texts);
  return selection.outcome == SpfSelection::Outcome::kOne ? texts[selection.indexes.front()] : "";
}

absl::StatusOr<DomainName> StoredName(std::string_view text) {
  absl::StatusOr<DomainName> name = DomainName::Parse(text);
  if (!name.ok()) return MakeError(absl::StatusCode::kDataLoss, MessageOf(name.status()));
  return name;
}

absl::Status ProviderReason(const absl::Status& status) {
  if (status.ok() || ErrorReasonOf(status).has_value()) return status;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnknown:
      return MakeReasonedError(absl::StatusCode::kUnavailable, "PROVIDER_UNAVAILABLE",
                               MessageOf(status));
    case absl::StatusCode::kPermissionDenied:
      return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "PROVIDER_CREDENTIAL",
                               MessageOf(status));
    case absl::StatusCode::kNotFound:
      return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "ZONE_NOT_BOUND",
                               MessageOf(status));
    default:
      return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "PROVIDER_REJECTED",
                               MessageOf(status));
  }
}

absl::Status LiveReader::Repeat(const std::function<absl::Status()>& read) const {
  const absl::Duration end = world_.clock.Monotonic() + options_.read_deadline;
  absl::Duration pause = options_.first_pause;
  while (true) {
    absl::Status status = read();
    const bool again = status.code() == absl::StatusCode::kUnavailable ||
                       status.code() == absl::StatusCode::kDeadlineExceeded;
    if (!again || world_.clock.Monotonic() + pause > end) return status;
    if (!world_.pacer.Wait(pause)) {
      return MakeReasonedError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                               "policyd is stopping");
    }
    pause = std::min(pause * 2, options_.longest_pause);
  }
}

absl::StatusOr<RrSet> LiveReader::ReadProvider(DnsProvider& provider, const DomainName& zone,
                                               const DomainName& owner) const {
  RrSet rrset;
  const absl::Status status = Repeat([&] {
    absl::StatusOr<RrSet> read = provider.ReadRrSet(zone, owner);
    if (read.ok()) rrset = *std::move(read);
    return read.status();
  });
  if (!status.ok()) return ProviderReason(status);
  return rrset;
}

absl::StatusOr<AuthoritativeAnswer> LookupOwn(AuthoritativeResolver& servers, RecordRole role,
                                              const DomainName& owner) {
  if (role != RecordRole::kSpf) {
    DMARCATE_ASSIGN_OR_RETURN(AuthoritativeAnswer aliases,
                              servers.LookupAll(owner, RrType::kCname, /*over_tcp=*/true));
    bool any = false;
    for (ServerAnswer& server : aliases.servers) {
      if (!server.answer.ok() || server.answer->texts.empty()) continue;
      DMARCATE_ASSIGN_OR_RETURN(DomainName target, DomainName::Parse(server.answer->texts.front()));
      server.answer->cname_chain = {std::move(target)};
      any = true;
    }
    if (any) return aliases;
  }
  return servers.LookupAll(owner, RrType::kTxt, /*over_tcp=*/true);
}

absl::StatusOr<AuthoritativeAnswer> LiveReader::ReadServers(const DomainName& owner) const {
  return ReadAll(owner, [&] {
    return world_.authoritative.LookupAll(owner, RrType::kTxt, /*over_tcp=*/true);
  });
}

absl::StatusOr<AuthoritativeAnswer> LiveReader::ReadOwn(RecordRole role,
                                                        const DomainName& owner) const {
  return ReadAll(owner, [&] { return LookupOwn(world_.authoritative, role, owner); });
}

absl::StatusOr<AuthoritativeAnswer> LiveReader::ReadAll(
    const DomainName& owner,
    const std::function<absl::StatusOr<AuthoritativeAnswer>()>& read_once) const {
  AuthoritativeAnswer answer;
  const absl::Status status = Repeat([&] {
    absl::StatusOr<AuthoritativeAnswer> read = read_once();
    if (read.ok()) answer = *std::move(read);
    return read.status();
  });
  if (!status.ok()) {
    if (ErrorReasonOf(status).has_value()) return status;
    return MakeReasonedError(absl::StatusCode::kUnavailable, "DNS_UNAVAILABLE",
                             fmt::format("servers of {}: {}", owner.text(), MessageOf(status)));
  }
  return answer;
}

absl::StatusOr<LiveRrSet> LiveReader::Read(DnsProvider& provider, const DomainName& owner) const {
  DomainName zone;
  const absl::Status found = Repeat([&] {
    absl::StatusOr<DomainName> read = provider.FindZone(owner);
    if (read.ok()) zone = *std::move(read);
    return read.status();
  });
  if (!found.ok()) return ProviderReason(found);
  DMARCATE_ASSIGN_OR_RETURN(RrSet rrset, ReadProvider(provider, zone, owner));
  DMARCATE_ASSIGN_OR_RETURN(AuthoritativeAnswer servers, ReadServers(owner));
  return LiveRrSet{{zone, owner, std::move(rrset.records), rrset.ttl_seconds}, std::move(servers)};
}

SpfTree LiveReader::Expand(const DomainName& domain, std::string_view spf_text,
                           const TxtOverlay& overlay) const {
  SpfTree last;
  last.domain = domain;
  if (spf_text.empty()) return last;
  OverlayResolver resolver(world_.resolver, overlay);
  const absl::Status status = Repeat([&]() -> absl::Status {
    absl::StatusOr<SpfTree> tree = ExpandSpfText(domain, spf_text, resolver, world_.clock);
    if (!tree.ok()) return tree.status();
    last = *std::move(tree);
    if (last.complete) return absl::OkStatus();
    return MakeError(absl::StatusCode::kUnavailable, last.incomplete_reason);
  });
  if (status.ok() || !last.complete) return last;
  last.complete = last.root.complete = false;
  last.incomplete_reason = last.root.error = std::string(MessageOf(status));
  return last;
}

SpfMeasure LiveReader::Measure(const DomainName& domain, std::string_view spf_text,
                               const TxtOverlay& overlay) const {
  if (spf_text.empty()) return {};
  return MeasureOf(Expand(domain, spf_text, overlay));
}

}  // namespace dmarcate
