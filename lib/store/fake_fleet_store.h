// lib/store/fake_fleet_store.h
// Fleet changes in memory that keep the contract of fleet_store.h; for tests.

#ifndef DMARCATE_LIB_STORE_FAKE_FLEET_STORE_H_
#define DMARCATE_LIB_STORE_FAKE_FLEET_STORE_H_

#include <map>
#include <mutex>
#include <string>

#include "lib/store/fleet_store.h"

namespace dmarcate {

// Thread-safe.
class FakeFleetStore final : public FleetStore {
 public:
  absl::StatusOr<FleetRecord> GetFleet(std::string_view id) override;
  absl::StatusOr<std::vector<FleetRecord>> ListFleets(std::string_view before,
                                                      size_t limit) override;
  absl::StatusOr<std::vector<FleetMemberRecord>> ListFleetMembers(std::string_view id,
                                                                  std::string_view after,
                                                                  size_t limit) override;
  absl::StatusOr<FleetRecord> PutFleet(FleetRecord record,
                                       const std::vector<FleetMemberRecord>& members) override;
  absl::Status PutFleetMember(std::string_view id, const FleetMemberRecord& member) override;

 private:
  struct Kept {
    FleetRecord record;
    std::map<std::string, FleetMemberRecord, std::less<>> members;
  };
  std::mutex mutex_;
  std::map<std::string, Kept, std::less<>> fleets_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FAKE_FLEET_STORE_H_
