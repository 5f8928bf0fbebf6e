#include "policyd/provider/fake_provider.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"

namespace dmarcate {

void FakeDnsProvider::Inject(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

size_t FakeDnsProvider::pending_faults() const {
  const std::lock_guard lock(mutex_);
  return faults_.size();
}

void FakeDnsProvider::ClearFaults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

FakeDnsProvider::Fault FakeDnsProvider::Strike(Call call, bool& struck) {
  const std::lock_guard lock(mutex_);
  struck = false;
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (fault->call != call) continue;
    if (fault->skip > 0) {
      --fault->skip;
      continue;
    }
    Fault out = *fault;
    if (--fault->times == 0) faults_.erase(fault);
    struck = true;
    return out;
  }
  return {};
}

void FakeDnsProvider::AddZone(const DomainName& zone) {
  const std::lock_guard lock(mutex_);
  zones_.insert(zone);
}

void FakeDnsProvider::AddAlias(const DomainName& owner) {
  const std::lock_guard lock(mutex_);
  aliases_.insert(owner);
}

void FakeDnsProvider::Write(const DomainName& owner, RrSet rrset) {
  std::function<void(const DomainName&, const RrSet&)> listener;
  {
    const std::lock_guard lock(mutex_);
    if (rrset.records.empty()) {
      rrsets_.erase(owner);
    } else {
      rrsets_[owner] = rrset;
    }
    listener = listener_;
  }
  if (listener) listener(owner, rrset);
}

void FakeDnsProvider::Set(const DomainName& owner, std::vector<TxtRecord> records,
                          uint32_t ttl_seconds) {
  const uint32_t ttl = records.empty() ? 0 : ttl_seconds;
  Write(owner, {std::move(records), ttl});
}

void FakeDnsProvider::SetTexts(const DomainName& owner, const std::vector<std::string>& texts) {
  std::vector<TxtRecord> records;
  for (const std::string& text : texts) records.push_back(MakeTxtRecord(text));
  Set(owner, std::move(records));
}

RrSet FakeDnsProvider::Get(const DomainName& owner) const {
  const std::lock_guard lock(mutex_);
  const auto found = rrsets_.find(owner);
  return found == rrsets_.end() ? RrSet{} : found->second;
}

int FakeDnsProvider::writes() const {
  const std::lock_guard lock(mutex_);
  return writes_;
}

void FakeDnsProvider::OnChange(std::function<void(const DomainName&, const RrSet&)> listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

absl::StatusOr<DomainName> FakeDnsProvider::FindZone(const DomainName& owner) {
  bool struck = false;
  const Fault fault = Strike(Call::kFindZone, struck);
  if (struck && !fault.status.ok()) return fault.status;
  const std::lock_guard lock(mutex_);
  for (DomainName candidate = owner; !candidate.IsRoot(); candidate = candidate.Parent()) {
    if (zones_.contains(candidate)) return candidate;
  }
  return MakeError(absl::StatusCode::kNotFound, fmt::format("no zone holds {}", owner.text()));
}

absl::StatusOr<std::vector<DomainName>> FakeDnsProvider::ListZones() {
  const std::lock_guard lock(mutex_);
  return std::vector<DomainName>(zones_.begin(), zones_.end());
}

absl::Status FakeDnsProvider::CheckZone(const DomainName& zone, const DomainName& owner) const {
  const std::lock_guard lock(mutex_);
  if (zones_.contains(zone) && owner.IsAtOrBelow(zone)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kNotFound, fmt::format("zone {}: not known", zone.text()));
}

absl::StatusOr<RrSet> FakeDnsProvider::ReadRrSet(const DomainName& zone, const DomainName& owner) {
  bool struck = false;
  const Fault fault = Strike(Call::kRead, struck);
  if (struck && fault.moment == Moment::kBefore) {
    if (fault.hook) fault.hook();
    if (!fault.status.ok()) return fault.status;
  }
  DMARCATE_RETURN_IF_ERROR(CheckZone(zone, owner));
  RrSet rrset = Get(owner);
  if (struck && fault.moment != Moment::kBefore && fault.hook) fault.hook();
  if (struck && !fault.status.ok()) return fault.status;
  if (struck && fault.moment == Moment::kDuring && !rrset.records.empty()) {
    rrset.records.pop_back();
  }
  return rrset;
}

bool FakeDnsProvider::IsAlias(const DomainName& owner) const {
  const std::lock_guard lock(mutex_);
  return aliases_.contains(owner);
}

absl::Status FakeDnsProvider::Compare(const RrSetChange& change, bool& done) const {
  const std::vector<TxtRecord> now = Get(change.owner).records;
  done = SameTexts(now, change.after);
  if (done || SameTexts(now, change.before)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAborted,
                   fmt::format("{} no longer holds what was read", change.owner.text()));
}

absl::Status FakeDnsProvider::Apply(const DomainName& zone, const RrSetChange& change) {
  bool struck = false;
  const Fault fault = Strike(Call::kApply, struck);
  if (struck && fault.moment == Moment::kBefore) {
    if (fault.hook) fault.hook();
    if (!fault.status.ok()) return fault.status;
  }
  DMARCATE_RETURN_IF_ERROR(CheckZone(zone, change.owner));
  if (IsAlias(change.owner)) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("{} is a CNAME", change.owner.text()));
  }
  bool done = false;
  DMARCATE_RETURN_IF_ERROR(Compare(change, done));
  if (struck && fault.moment == Moment::kDuring) {
    if (fault.hook) fault.hook();
    if (!fault.status.ok() || !fault.hook) return fault.status;
    // Where comparing and writing are one, the foreign write came before both.
    if (class_ == ProviderClass::kA) DMARCATE_RETURN_IF_ERROR(Compare(change, done));
    if (class_ == ProviderClass::kB && !HoldsWhatGoes(change)) {
      return MakeError(absl::StatusCode::kAborted,
                       fmt::format("a record of {} is there no more", change.owner.text()));
    }
  }
  if (!done) {
    {
      const std::lock_guard lock(mutex_);
      ++writes_;
    }
    Write(change.owner, Written(change));
  }
  if (struck && fault.moment == Moment::kAfter) {
    if (fault.hook) fault.hook();
    return fault.status;
  }
  return absl::OkStatus();
}

bool FakeDnsProvider::HoldsWhatGoes(const RrSetChange& change) const {
  const std::vector<TxtRecord> now = Get(change.owner).records;
  return std::ranges::all_of(change.before, [&](const TxtRecord& record) {
    return std::ranges::find(change.after, record) != change.after.end() ||
           std::ranges::find(now, record) != now.end();
  });
}

RrSet FakeDnsProvider::Written(const RrSetChange& change) const {
  const auto holds = [](const std::vector<TxtRecord>& records, const TxtRecord& record) {
    return std::ranges::find(records, record) != records.end();
  };
  std::vector<TxtRecord> records = change.after;
  if (class_ == ProviderClass::kB) {
    // One record at a time, by its id: what somebody else did to others meanwhile stays.
    records = Get(change.owner).records;
    auto at = records.end();
    for (const TxtRecord& old : change.before) {
      if (!holds(change.after, old)) at = records.erase(std::ranges::find(records, old));
    }
    for (const TxtRecord& fresh : change.after) {
      if (!holds(change.before, fresh)) at = std::next(records.insert(at, fresh));
    }
  }
  const uint32_t ttl = records.empty() ? 0 : change.ttl_seconds;
  return {std::move(records), ttl};
}

ProviderTest FakeDnsProvider::Test() {
  const std::lock_guard lock(mutex_);
  ProviderTest test;
  test.state = ProviderTest::State::kWorking;
  test.message = "in memory";
  test.zones.assign(zones_.begin(), zones_.end());
  return test;
}

void FakeProviderFactory::Add(const std::string& id, std::shared_ptr<DnsProvider> provider) {
  const std::lock_guard lock(mutex_);
  providers_[id] = std::move(provider);
}

absl::StatusOr<std::shared_ptr<DnsProvider>> FakeProviderFactory::Open(
    const DnsProviderRecord& record) {
  const std::lock_guard lock(mutex_);
  const auto found = providers_.find(record.id);
  if (found == providers_.end()) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("provider {}: not known", record.id));
  }
  return found->second;
}

}  // namespace dmarcate
