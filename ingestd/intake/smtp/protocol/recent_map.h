// ingestd/intake/smtp/protocol/recent_map.h
// A map that holds a fixed number of entries: for a new one the one that was used longest ago goes.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_RECENT_MAP_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_RECENT_MAP_H_

#include <cstddef>
#include <list>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace dmarcate {

// Not thread-safe. Pointers hold until their entry goes.
template <typename Key, typename Value>
class RecentMap {
 public:
  // `most`: 1 or more.
  explicit RecentMap(size_t most) : most_(most) {}
  RecentMap(const RecentMap&) = delete;
  RecentMap& operator=(const RecentMap&) = delete;

  // Or null. Counts as use.
  Value* Find(const Key& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    by_use_.splice(by_use_.begin(), by_use_, found->second);
    return &found->second->second;
  }
  // Of a key that is not there.
  Value* Insert(const Key& key, Value value) {
    if (by_key_.size() >= most_) DropOldest();
    by_use_.emplace_front(key, std::move(value));
    by_key_.emplace(key, by_use_.begin());
    return &by_use_.front().second;
  }
  // What was used longest ago, or null.
  const Value* oldest() const { return by_use_.empty() ? nullptr : &by_use_.back().second; }
  void DropOldest() {
    by_key_.erase(by_use_.back().first);
    by_use_.pop_back();
  }
  // visit(key, value), what was used longest ago first.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (auto it = by_use_.rbegin(); it != by_use_.rend(); ++it) visit(it->first, it->second);
  }
  size_t size() const { return by_key_.size(); }

 private:
  const size_t most_;
  std::list<std::pair<Key, Value>> by_use_;  // latest first
  absl::flat_hash_map<Key, typename std::list<std::pair<Key, Value>>::iterator> by_key_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_RECENT_MAP_H_
