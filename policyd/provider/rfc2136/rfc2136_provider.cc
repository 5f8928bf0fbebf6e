#include "policyd/provider/rfc2136/rfc2136_provider.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(10);
constexpr std::string_view kNobodysName = "dmarcate-rights-test";

std::vector<DomainName> Sorted(std::vector<DomainName> zones) {
  std::ranges::sort(zones);
  return zones;
}

// A read changes nothing: a timeout is one more kind of unavailable.
absl::Status ReadError(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kDeadlineExceeded) {
    return MakeError(absl::StatusCode::kUnavailable, MessageOf(status));
  }
  return status;
}

}  // namespace

Rfc2136Provider::Rfc2136Provider(const ServerAddress& server, TsigKey key,
                                 std::vector<DomainName> zones)
    : client_(server, std::move(key), kTimeout), zones_(Sorted(std::move(zones))) {}

absl::Status Rfc2136Provider::CheckZone(const DomainName& zone) const {
  if (std::ranges::find(zones_, zone) != zones_.end()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("zone {}: not among the zones of this key", zone.text()));
}

absl::StatusOr<DomainName> Rfc2136Provider::FindZone(const DomainName& owner) {
  for (DomainName candidate = owner; !candidate.IsRoot(); candidate = candidate.Parent()) {
    if (CheckZone(candidate).ok()) return candidate;
  }
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("no zone of this key holds {}", owner.text()));
}

absl::StatusOr<RrSet> Rfc2136Provider::ReadRrSet(const DomainName& zone, const DomainName& owner) {
  DMARCATE_RETURN_IF_ERROR(CheckZone(zone));
  absl::StatusOr<DnsAnswer> answer = client_.Read(owner);
  if (!answer.ok()) {
    return Annotate(ReadError(answer.status()), fmt::format("zone {}", zone.text()));
  }
  // At an alias there is no TXT RRset; that it is one, the authoritative servers tell as well.
  if (!answer->cname_chain.empty()) return RrSet{};
  if (answer->txt.empty()) return RrSet{};
  return RrSet{std::move(answer->txt), answer->ttl_seconds};
}

absl::Status Rfc2136Provider::Apply(const DomainName& zone, const RrSetChange& change) {
  DMARCATE_RETURN_IF_ERROR(CheckZone(zone));
  const std::string context = fmt::format("zone {}", zone.text());
  TxtRrSetUpdate update;
  update.zone = zone;
  update.owner = change.owner;
  update.before = change.before;
  update.after = change.after;
  update.ttl_seconds = change.ttl_seconds;
  const absl::Status sent = client_.Apply(update);
  if (!sent.ok() && sent.code() != absl::StatusCode::kAborted) return Annotate(sent, context);

  // Conflict: perhaps because it stands there already. Success: NOERROR does not mean changed (RFC
  // 2136 section 3.4.2.2).
  const absl::StatusOr<DnsAnswer> now = client_.Read(change.owner);
  if (now.ok() && !now->cname_chain.empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("{}: {} is a CNAME to {}", context, change.owner.text(),
                                 now->cname_chain.front().text()));
  }
  if (now.ok() && SameTexts(now->txt, change.after)) return absl::OkStatus();
  if (!sent.ok()) return Annotate(sent, context);
  const std::string why = now.ok() ? fmt::format("{} does not hold it", change.owner.text())
                                   : std::string(MessageOf(now.status()));
  return MakeError(absl::StatusCode::kUnknown, fmt::format("{}: accepted, but {}", context, why));
}

ProviderTest Rfc2136Provider::Test() {
  ProviderTest test;
  if (zones_.empty()) {
    test.message = "no zones are configured; name those that the key may update";
    return test;
  }
  for (const DomainName& zone : zones_) {
    const absl::Status status = client_.CheckKey(zone);
    if (status.ok()) {
      test.zones.push_back(zone);
      continue;
    }
    test.message = fmt::format("zone {}: {}", zone.text(), MessageOf(status));
    if (status.code() == absl::StatusCode::kPermissionDenied) {
      test.state = ProviderTest::State::kCredentialRefused;
    } else if (status.code() == absl::StatusCode::kUnavailable ||
               status.code() == absl::StatusCode::kUnknown) {
      test.state = ProviderTest::State::kUnreachable;
    }
    return test;
  }
  test.state = ProviderTest::State::kWorking;
  test.message = fmt::format("the server accepts the key for {} zones", test.zones.size());
  for (const DomainName& zone : test.zones) {
    if (!ProbeRights(zone, test)) break;
  }
  return test;
}

bool Rfc2136Provider::ProbeRights(const DomainName& zone, ProviderTest& test) {
  const absl::StatusOr<DomainName> dmarc = zone.Child("_dmarc");
  const absl::StatusOr<DomainName> other = zone.Child(kNobodysName);
  if (!dmarc.ok() || !other.ok()) return true;
  for (const DomainName& owner : {zone, *dmarc}) {
    const absl::Status txt = client_.CheckRight(zone, owner, RrType::kTxt);
    if (txt.code() != absl::StatusCode::kPermissionDenied) continue;
    test.state = ProviderTest::State::kCredentialRefused;
    test.message = fmt::format("zone {}: the key may not change TXT records at {}: {}", zone.text(),
                               owner.text(), MessageOf(txt));
    return false;
  }
  // A server that refuses this looks at rights first, so that what it did not refuse the key may.
  const absl::Status address = client_.CheckRight(zone, *other, RrType::kA);
  if (address.code() != absl::StatusCode::kPermissionDenied) {
    test.warnings.push_back(
        fmt::format("zone {}: the server does not confine the key to the TXT records that are "
                    "needed, or does not tell before it changes something",
                    zone.text()));
  }
  return true;
}

}  // namespace dmarcate
