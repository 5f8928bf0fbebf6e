// lib/dns/answer_cache.h
// Answers of the resolver for as long as their TTL allows, and errors for as long as whoever asks
// wants to be spared them (RFC 2308 section 7: not over five minutes).

#ifndef DMARCATE_LIB_DNS_ANSWER_CACHE_H_
#define DMARCATE_LIB_DNS_ANSWER_CACHE_H_

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/dns/resolver.h"

namespace dmarcate {

// Holds at most `capacity` of them; the one that would expire first makes room. Thread-safe.
class AnswerCache {
 public:
  static constexpr size_t kCapacity = 4096;
  // However long a zone allows: an operator who repairs a record wants to see it soon.
  static constexpr absl::Duration kLongest = absl::Minutes(5);
  static constexpr absl::Duration kLongestAbsence = absl::Seconds(60);

  // `clock` must outlive the cache.
  explicit AnswerCache(const Clock& clock, size_t capacity = kCapacity)
      : clock_(clock), capacity_(capacity) {}

  // With the TTL that is left.
  std::optional<absl::StatusOr<DnsAnswer>> Find(const DomainName& name, RrType type);
  void Insert(const DomainName& name, const DnsAnswer& answer);
  void InsertError(const DomainName& name, RrType type, absl::Status error, absl::Duration keep);
  size_t size() const;

 private:
  using Key = std::pair<DomainName, RrType>;
  struct Entry {
    absl::Duration inserted;  // monotonic
    absl::Duration expires;
    absl::StatusOr<DnsAnswer> answer;
  };
  void Insert(Key key, absl::StatusOr<DnsAnswer> answer, absl::Duration keep);
  void Erase(std::map<Key, Entry>::iterator entry);

  const Clock& clock_;
  const size_t capacity_;
  mutable std::mutex mutex_;
  std::map<Key, Entry> entries_;
  std::set<std::pair<absl::Duration, Key>> by_expiry_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_ANSWER_CACHE_H_
