// ingestd/intake/smtp/protocol/fair_recent_map.h
// A map that holds a fixed number of entries, of which each belongs to a group. For a new one an
// entry of the largest group goes, the one that was used longest ago: so a group can fill what
// nobody else needs, and takes nothing from those that are smaller.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_FAIR_RECENT_MAP_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_FAIR_RECENT_MAP_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace dmarcate {

// A key belongs to one group, always the same. Not thread-safe. Pointers hold until their entry
// goes. Each call takes the logarithm of the number of groups.
template <typename Group, typename Key, typename Value>
class FairRecentMap {
 public:
  // `most`: 1 or more.
  explicit FairRecentMap(size_t most) : most_(most) {}
  FairRecentMap(const FairRecentMap&) = delete;
  FairRecentMap& operator=(const FairRecentMap&) = delete;

  // Or null. Counts as use, of the group as well.
  Value* Find(const Key& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    const auto entry = found->second;
    Members& members = groups_.find(entry->group)->second;
    members.by_use.splice(members.by_use.begin(), members.by_use, entry);
    Rank(entry->group, members);
    return &entry->value;
  }
  // Of a key that is not there.
  Value* Insert(const Group& group, const Key& key, Value value) {
    if (by_key_.size() >= most_) DropFor(group);
    Members& members = groups_[group];
    members.by_use.push_front({group, key, std::move(value)});
    by_key_.emplace(key, members.by_use.begin());
    Rank(group, members);
    return &members.by_use.front().value;
  }
  size_t size() const { return by_key_.size(); }

 private:
  struct Entry {
    Group group;
    Key key;
    Value value;
  };
  // How many entries a group has, and when it was used last. The first in order is the first to
  // give.
  struct Place {
    size_t size = 0;
    uint64_t used = 0;
    bool operator<(const Place& other) const {
      return size != other.size ? size > other.size : used < other.used;
    }
  };
  struct Members {
    std::list<Entry> by_use;  // latest first
    Place place;
  };

  void Rank(const Group& group, Members& members) {
    ranks_.erase({members.place, group});
    members.place = {members.by_use.size(), ++uses_};
    if (!members.by_use.empty()) ranks_.insert({members.place, group});
  }
  // A group that has as many as any other makes room for itself.
  void DropFor(const Group& group) {
    const auto own = groups_.find(group);
    const auto& [largest, other] = *ranks_.begin();
    const bool itself = own != groups_.end() && own->second.place.size >= largest.size;
    DropOldest(itself ? own : groups_.find(other));
  }
  void DropOldest(typename absl::flat_hash_map<Group, Members>::iterator group) {
    Members& members = group->second;
    by_key_.erase(members.by_use.back().key);
    members.by_use.pop_back();
    ranks_.erase({members.place, group->first});
    if (members.by_use.empty()) {
      groups_.erase(group);
      return;
    }
    --members.place.size;
    ranks_.insert({members.place, group->first});
  }

  const size_t most_;
  uint64_t uses_ = 0;
  absl::flat_hash_map<Group, Members> groups_;  // none is empty
  absl::flat_hash_map<Key, typename std::list<Entry>::iterator> by_key_;
  std::set<std::pair<Place, Group>> ranks_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_FAIR_RECENT_MAP_H_
