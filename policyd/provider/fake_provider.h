// policyd/provider/fake_provider.h
// A DNS host in memory that keeps the contract of provider.h and fails as it is told to: before,
// during or after the effect of a call.

#ifndef DMARCATE_POLICYD_PROVIDER_FAKE_PROVIDER_H_
#define DMARCATE_POLICYD_PROVIDER_FAKE_PROVIDER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "policyd/provider/factory.h"
#include "policyd/provider/provider.h"

namespace dmarcate {

// Thread-safe.
class FakeDnsProvider final : public DnsProvider {
 public:
  explicit FakeDnsProvider(ProviderClass provider_class = ProviderClass::kA)
      : class_(provider_class) {}

  enum class Call : uint8_t { kFindZone, kRead, kApply };
  enum class Moment : uint8_t {
    kBefore,  // nothing happens
    kDuring,  // kApply: between comparing and writing; the hook runs there. With a status that is
              // not OK, or without a hook, the write does not happen. kRead: the last record is
              // missing
    kAfter,   // it happens, and then
  };
  struct Fault {
    Call call = Call::kApply;
    Moment moment = Moment::kBefore;
    absl::Status status;         // what the caller gets; OK: as if nothing were wrong
    std::function<void()> hook;  // runs without the lock: may write to this provider
    int skip = 0;                // calls of that kind to let through first
    int times = 1;
  };
  void Inject(Fault fault);
  // Faults that are left; a test that injects one wants it to have struck.
  size_t pending_faults() const;
  void ClearFaults();

  void AddZone(const DomainName& zone);
  // A CNAME: nothing can be written beside it.
  void AddAlias(const DomainName& owner);
  // As somebody else does it; does not count as a write.
  void Set(const DomainName& owner, std::vector<TxtRecord> records, uint32_t ttl_seconds = 3600);
  void SetTexts(const DomainName& owner, const std::vector<std::string>& texts);
  RrSet Get(const DomainName& owner) const;
  // RRsets changed by Apply so far.
  int writes() const;
  // Called after each change, by whomever, with what the RRset is now; under no lock.
  void OnChange(std::function<void(const DomainName&, const RrSet&)> listener);

  ProviderClass provider_class() const override { return class_; }
  absl::StatusOr<DomainName> FindZone(const DomainName& owner) override;
  absl::StatusOr<std::vector<DomainName>> ListZones() override;
  absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) override;
  absl::Status Apply(const DomainName& zone, const RrSetChange& change) override;
  ProviderTest Test() override;

 private:
  // The fault that strikes this call, if one does.
  Fault Strike(Call call, bool& struck);
  bool IsAlias(const DomainName& owner) const;
  absl::Status CheckZone(const DomainName& zone, const DomainName& owner) const;
  absl::Status Compare(const RrSetChange& change, bool& done) const;
  void Write(const DomainName& owner, RrSet rrset);
  // Whether each record that is to be replaced or removed is still there.
  bool HoldsWhatGoes(const RrSetChange& change) const;
  // What the RRset is after the write, by the class of the host.
  RrSet Written(const RrSetChange& change) const;

  const ProviderClass class_;
  mutable std::mutex mutex_;
  std::set<DomainName> zones_, aliases_;
  std::map<DomainName, RrSet> rrsets_;
  std::vector<Fault> faults_;
  std::function<void(const DomainName&, const RrSet&)> listener_;
  int writes_ = 0;
};

// Opens what it was given, by id.
class FakeProviderFactory final : public ProviderFactory {
 public:
  void Add(const std::string& id, std::shared_ptr<DnsProvider> provider);
  absl::StatusOr<std::shared_ptr<DnsProvider>> Open(const DnsProviderRecord& record) override;

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<DnsProvider>> providers_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_FAKE_PROVIDER_H_
