#include "lib/dns/answer_cache.h"

#include <algorithm>

namespace dmarcate {

std::optional<DnsAnswer> AnswerCache::Find(const DomainName& name, RrType type) {
  const absl::Duration now = clock_.Monotonic();
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find({name, type});
  if (found == entries_.end()) return std::nullopt;
  const Entry& entry = found->second;
  if (entry.expires <= now) {
    Erase(found);
    return std::nullopt;
  }
  DnsAnswer answer = entry.answer;
  const auto age = static_cast<uint32_t>(absl::ToInt64Seconds(now - entry.inserted));
  answer.ttl_seconds -= std::min(answer.ttl_seconds, age);
  return answer;
}

void AnswerCache::Insert(const DomainName& name, const DnsAnswer& answer) {
  if (answer.ttl_seconds == 0) return;
  const absl::Duration now = clock_.Monotonic();
  const absl::Duration longest =
      answer.outcome == DnsOutcome::kRecords ? kLongest : kLongestAbsence;
  const absl::Duration expires = now + std::min(longest, absl::Seconds(answer.ttl_seconds));
  const Key key(name, answer.type);
  const std::lock_guard lock(mutex_);
  if (const auto old = entries_.find(key); old != entries_.end()) Erase(old);
  while (!entries_.empty() && entries_.size() >= capacity_) {
    Erase(entries_.find(by_expiry_.begin()->second));
  }
  entries_.emplace(key, Entry{now, expires, answer});
  by_expiry_.emplace(expires, key);
}

size_t AnswerCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void AnswerCache::Erase(std::map<Key, Entry>::iterator entry) {
  by_expiry_.erase({entry->second.expires, entry->first});
  entries_.erase(entry);
}

}  // namespace dmarcate
