#include "lib/dns/answer_cache.h"

#include <algorithm>
#include <utility>

namespace dmarcate {

std::optional<absl::StatusOr<DnsAnswer>> AnswerCache::Find(const DomainName& name, RrType type) {
  const absl::Duration now = clock_.Monotonic();
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find({name, type});
  if (found == entries_.end()) return std::nullopt;
  const Entry& entry = found->second;
  if (entry.expires <= now) {
    Erase(found);
    return std::nullopt;
  }
  absl::StatusOr<DnsAnswer> answer = entry.answer;
  if (!answer.ok()) return answer;
  const auto age = static_cast<uint32_t>(absl::ToInt64Seconds(now - entry.inserted));
  answer->ttl_seconds -= std::min(answer->ttl_seconds, age);
  return answer;
}

void AnswerCache::Insert(const DomainName& name, const DnsAnswer& answer) {
  const absl::Duration longest =
      answer.outcome == DnsOutcome::kRecords ? kLongest : kLongestAbsence;
  Insert({name, answer.type}, answer, std::min(longest, absl::Seconds(answer.ttl_seconds)));
}

void AnswerCache::InsertError(const DomainName& name, RrType type, absl::Status error,
                              absl::Duration keep) {
  Insert({name, type}, std::move(error), std::min(keep, kLongest));
}

void AnswerCache::Insert(Key key, absl::StatusOr<DnsAnswer> answer, absl::Duration keep) {
  if (keep <= absl::ZeroDuration()) return;
  const absl::Duration now = clock_.Monotonic();
  const std::lock_guard lock(mutex_);
  if (const auto old = entries_.find(key); old != entries_.end()) Erase(old);
  while (!entries_.empty() && entries_.size() >= capacity_) {
    Erase(entries_.find(by_expiry_.begin()->second));
  }
  by_expiry_.emplace(now + keep, key);
  entries_.emplace(std::move(key), Entry{now, now + keep, std::move(answer)});
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
