#include "policyd/provider/api/api_provider.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/host_api.h"
#include "policyd/provider/api/scrub.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kPauseBetweenTries = absl::Seconds(1);
constexpr int kMaxReadBacks = 6;  // at 0, 1, 3, 7, 15 and 31 seconds
constexpr absl::Duration kZoneKnownFor = absl::Minutes(10);
constexpr size_t kMaxKnownZones = 100'000;

std::string InZone(const DomainName& zone) { return fmt::format("zone {}", zone.text()); }

}  // namespace

absl::StatusOr<HostedZone> ApiProvider::ZoneOf(ApiCall& call, const DomainName& name) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = zones_.find(name);
    if (known != zones_.end() && world_.clock.Monotonic() - known->second.found < kZoneKnownFor) {
      return known->second.zone;
    }
  }
  DMARCATE_ASSIGN_OR_RETURN(std::vector<HostedZone> zones, api_->FindZones(call, name));
  // A host that passes a filter over would have us write to another zone.
  std::erase_if(zones, [&](const HostedZone& zone) { return zone.name != name; });
  if (zones.empty()) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("{}: no zone of this account", api_->host()));
  }
  if (zones.size() > 1) {
    std::vector<std::string> ids;
    for (const HostedZone& zone : zones) ids.push_back(EscapeForTerminal(zone.id));
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        fmt::format("{}: {} zones have this name ({}), and which of them the world sees "
                    "is not known; confine the credential to one",
                    api_->host(), zones.size(), Join(ids, ", ")));
  }
  const std::lock_guard lock(mutex_);
  if (zones_.size() >= kMaxKnownZones) zones_.clear();
  zones_.insert_or_assign(name, KnownZone{zones.front(), world_.clock.Monotonic()});
  return zones.front();
}

absl::Status ApiProvider::Scrubbed(const absl::Status& status) const {
  return ScrubStatus(status, api_->Secrets());
}

absl::StatusOr<DomainName> ApiProvider::FindZone(const DomainName& owner) {
  ApiCall call(world_, *api_, kReadDeadline);
  for (DomainName candidate = owner; !candidate.IsRoot(); candidate = candidate.Parent()) {
    const absl::StatusOr<HostedZone> zone = ZoneOf(call, candidate);
    if (zone.ok()) return candidate;
    if (zone.status().code() != absl::StatusCode::kNotFound) {
      return Scrubbed(Annotate(zone.status(), InZone(candidate)));
    }
  }
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("{}: no zone of this account holds {}", api_->host(), owner.text()));
}

absl::StatusOr<std::vector<DomainName>> ApiProvider::ListZones() {
  ApiCall call(world_, *api_, kReadDeadline);
  const absl::StatusOr<std::vector<HostedZone>> zones = api_->ListZones(call);
  if (!zones.ok()) return Scrubbed(zones.status());
  std::vector<DomainName> names;
  for (const HostedZone& zone : *zones) names.push_back(zone.name);
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

absl::StatusOr<HostedRrSet> ApiProvider::Read(ApiCall& call, const HostedZone& zone,
                                              const DomainName& owner) {
  absl::StatusOr<HostedRrSet> rrset = api_->Read(call, zone, owner);
  if (rrset.status().code() == absl::StatusCode::kNotFound) {
    const std::lock_guard lock(mutex_);
    zones_.erase(zone.name);
  }
  return rrset;
}

absl::StatusOr<RrSet> ApiProvider::ReadRrSet(const DomainName& zone, const DomainName& owner) {
  ApiCall call(world_, *api_, kReadDeadline);
  const absl::StatusOr<HostedZone> found = ZoneOf(call, zone);
  if (!found.ok()) return Scrubbed(Annotate(found.status(), InZone(zone)));
  const absl::StatusOr<HostedRrSet> rrset = Read(call, *found, owner);
  if (!rrset.ok()) return Scrubbed(Annotate(rrset.status(), InZone(zone)));
  absl::StatusOr<std::vector<TxtRecord>> records = ReadTexts(*rrset, owner);
  if (!records.ok()) return Scrubbed(Annotate(records.status(), InZone(zone)));
  RrSet out;
  out.records = *std::move(records);
  if (!out.records.empty()) out.ttl_seconds = rrset->ttl_seconds;
  return out;
}

absl::StatusOr<std::vector<TxtRecord>> ApiProvider::ReadTexts(const HostedRrSet& rrset,
                                                              const DomainName& owner) const {
  absl::StatusOr<std::vector<TxtRecord>> records = Decoded(rrset);
  if (records.ok()) return records;
  return Annotate(records.status(), fmt::format("{}: {}", api_->host(), owner.text()));
}

absl::Status ApiProvider::PublishAgain(ApiCall& call, const HostedZone& zone) {
  auto* const publisher = dynamic_cast<ZonePublisher*>(api_.get());
  return publisher == nullptr ? absl::OkStatus() : publisher->Publish(call, zone);
}

absl::Status ApiProvider::CompareAndWrite(ApiCall& call, const HostedZone& zone,
                                          const RrSetChange& change, bool& written) {
  DMARCATE_ASSIGN_OR_RETURN(const HostedRrSet now, Read(call, zone, change.owner));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> records, ReadTexts(now, change.owner));
  if (SameTexts(records, change.after)) return PublishAgain(call, zone);
  if (!SameTexts(records, change.before)) {
    return MakeError(absl::StatusCode::kAborted, fmt::format("{}: {} no longer holds what was read",
                                                             api_->host(), change.owner.text()));
  }
  if (!now.refuse.empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("{}: {} cannot be changed here: {}", api_->host(),
                                 change.owner.text(), EscapeForTerminal(now.refuse)));
  }
  const absl::Status status = api_->Write(call, zone, now, change);
  written = status.ok();
  // Found a moment ago: what is missing now is the record, not the zone.
  if (status.code() == absl::StatusCode::kNotFound) {
    return MakeError(absl::StatusCode::kAborted, MessageOf(status));
  }
  return status;
}

absl::Status ApiProvider::ReadBack(ApiCall& call, const HostedZone& zone,
                                   const RrSetChange& change) {
  const auto unknown = [&](std::string_view why) {
    return MakeError(absl::StatusCode::kUnknown,
                     fmt::format("{}: accepted, but {}", api_->host(), why));
  };
  absl::Duration pause = kPauseBetweenTries;
  for (int attempt = 1;; ++attempt) {
    const absl::StatusOr<HostedRrSet> then = Read(call, zone, change.owner);
    if (!then.ok()) return unknown(MessageOf(then.status()));
    const absl::StatusOr<std::vector<TxtRecord>> records = ReadTexts(*then, change.owner);
    if (!records.ok()) return unknown(MessageOf(records.status()));
    if (SameTexts(*records, change.after)) return absl::OkStatus();
    // A third value: somebody else has written, too. Waiting would not help.
    if (!SameTexts(*records, change.before)) {
      return unknown(fmt::format("{} holds something else now", change.owner.text()));
    }
    if (attempt == kMaxReadBacks || !call.Pause(pause)) {
      return unknown(fmt::format("{} does not show it", change.owner.text()));
    }
    pause *= 2;
  }
}

absl::Status ApiProvider::Apply(const DomainName& zone, const RrSetChange& change) {
  return Scrubbed(ApplyAsSaid(zone, change));
}

absl::Status ApiProvider::ApplyAsSaid(const DomainName& zone, const RrSetChange& change) {
  ApiCall call(world_, *api_, kApplyDeadline);
  const absl::StatusOr<HostedZone> found = ZoneOf(call, zone);
  if (!found.ok()) return Annotate(found.status(), InZone(zone));
  if (!change.owner.IsAtOrBelow(zone)) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("{}: does not hold {}", InZone(zone), change.owner.text()));
  }
  if (!found->read_only.empty()) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        fmt::format("{}: {}: {}", InZone(zone), api_->host(), EscapeForTerminal(found->read_only)));
  }
  bool written = false;
  absl::Status status = CompareAndWrite(call, *found, change, written);
  // Throttled, nothing was changed: once more, from comparing on.
  for (absl::Duration pause = kPauseBetweenTries;
       status.code() == absl::StatusCode::kUnavailable &&
       RetryAfterOf(status) > absl::ZeroDuration() && call.Pause(pause, status);
       pause *= 2) {
    status = CompareAndWrite(call, *found, change, written);
  }
  if (status.code() == absl::StatusCode::kAborted && !written) {
    // The host's own comparing refused it; perhaps because it stands there already.
    const absl::StatusOr<HostedRrSet> now = Read(call, *found, change.owner);
    const absl::StatusOr<std::vector<TxtRecord>> records =
        now.ok() ? ReadTexts(*now, change.owner) : now.status();
    if (records.ok() && SameTexts(*records, change.after)) {
      status = PublishAgain(call, *found);
    }
  }
  if (status.ok() && written) status = ReadBack(call, *found, change);
  return Annotate(status, InZone(zone));
}

ProviderTest ApiProvider::Test() {
  ProviderTest test = TestAsSaid();
  test.message = Scrub(test.message, api_->Secrets());
  for (std::string& warning : test.warnings) warning = Scrub(warning, api_->Secrets());
  return test;
}

ProviderTest ApiProvider::TestAsSaid() {
  ProviderTest test;
  ApiCall call(world_, *api_, kReadDeadline);
  const absl::StatusOr<std::vector<HostedZone>> zones = api_->ListZones(call);
  if (!zones.ok()) return FailedTest(zones.status());
  for (const HostedZone& zone : *zones) {
    test.zones.push_back(zone.name);
    if (!zone.read_only.empty()) {
      test.warnings.push_back(fmt::format("zone {} cannot be changed here: {}", zone.name.text(),
                                          EscapeForTerminal(zone.read_only)));
    }
  }
  std::ranges::sort(test.zones);
  test.state = ProviderTest::State::kWorking;
  test.message =
      fmt::format("{} accepts the credential and shows {} zones", api_->host(), test.zones.size());
  if (zones->empty()) {
    test.state = ProviderTest::State::kMisconfigured;
    test.message += "; the credential is for another account, or may not see its zones";
    return test;
  }
  if (zones->size() > 1) {
    test.warnings.push_back(
        fmt::format("the credential reaches {} zones; one for each zone loses less if it is stolen",
                    zones->size()));
  }
  api_->Probe(call, *zones, test);
  // That the zones are listed says nothing about their records.
  if (test.state == ProviderTest::State::kWorking) {
    const absl::StatusOr<HostedRrSet> apex = api_->Read(call, zones->front(), zones->front().name);
    if (!apex.ok()) {
      test.state = apex.status().code() == absl::StatusCode::kPermissionDenied
                       ? ProviderTest::State::kCredentialRefused
                       : ProviderTest::State::kMisconfigured;
      test.message =
          fmt::format("the zones are shown, but their records cannot be read: zone {}: {}",
                      zones->front().name.text(), MessageOf(apex.status()));
    }
  }
  return test;
}

}  // namespace dmarcate
