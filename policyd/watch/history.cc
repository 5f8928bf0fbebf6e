#include "policyd/watch/history.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace dmarcate {
namespace {

size_t BytesOf(const Observation& observation) {
  size_t bytes = observation.error.size();
  for (const std::string& value : observation.values) bytes += ObservedBytes(value);
  for (const std::string& target : observation.cname_chain) bytes += ObservedBytes(target);
  for (const ObservedServer& server : observation.disagreeing) {
    bytes += server.name_server.size() + server.address.size();
    for (const std::string& value : server.values) bytes += ObservedBytes(value);
  }
  return bytes;
}

// Whether the two answers have the same records; TTLs and servers that differ are not compared.
bool HaveTheSameRecords(const Observation& a, const Observation& b) {
  const bool dnssec_differs = a.dnssec != b.dnssec && a.dnssec != DnssecState::kUnknown &&
                              b.dnssec != DnssecState::kUnknown;
  return a.values == b.values && a.values_sha256 == b.values_sha256 &&
         a.cname_chain == b.cname_chain && !dnssec_differs;
}

// Whether all that `entry` changed against the answer before it, the first from `older` on, is the
// TTL or which servers disagree. Servers that count their TTLs down would fill a history in days.
bool IsMinor(const Observation& entry, std::vector<Observation>::const_iterator older,
             std::vector<Observation>::const_iterator end) {
  older = std::find_if(older, end, [](const Observation& o) { return IsAnswer(o.outcome); });
  return older != end && older->outcome == entry.outcome && HaveTheSameRecords(*older, entry);
}

// `entry`, seen once more.
Observation SeenAgain(Observation entry, const Observation& look) {
  entry.last_seen = std::max(entry.first_seen, look.last_seen);
  entry.error = look.error;
  if (look.dnssec != DnssecState::kUnknown) entry.dnssec = look.dnssec;
  entry.from_servers = look.from_servers;
  if (look.from_servers) {
    entry.ttl_seconds = look.ttl_seconds;
    entry.disagreeing = look.disagreeing;
  } else {
    entry.ttl_seconds = std::max(entry.ttl_seconds, look.ttl_seconds);  // a cache counts down
  }
  return entry;
}

}  // namespace

const Observation* LatestAnswer(const std::vector<Observation>& history) {
  const auto found = std::ranges::find_if(
      history, [](const Observation& entry) { return IsAnswer(entry.outcome); });
  return found == history.end() ? nullptr : &*found;
}

const Observation* LastLook(const std::vector<Observation>& history) {
  const auto last = std::ranges::max_element(history, {}, &Observation::last_seen);
  return last == history.end() ? nullptr : &*last;
}

bool FoundTheSame(const Observation& entry, const Observation& look) {
  if (entry.outcome != look.outcome) return false;
  if (!IsAnswer(look.outcome)) return true;
  if (!HaveTheSameRecords(entry, look)) return false;
  if (!entry.from_servers || !look.from_servers) return true;
  return entry.ttl_seconds == look.ttl_seconds && entry.disagreeing == look.disagreeing;
}

HistoryUpdate Observe(const std::vector<Observation>& history, Observation look,
                      const HistoryLimits& limits) {
  HistoryUpdate update;
  const absl::Time now = look.last_seen;
  // An answer continues the newest answer. An unknown look continues the last look only: an answer
  // in between ends it.
  const Observation* before = IsAnswer(look.outcome) ? LatestAnswer(history) : LastLook(history);
  if (before != nullptr && FoundTheSame(*before, look)) {
    update.put.push_back(SeenAgain(*before, look));
  } else {
    if (!history.empty() && look.first_seen <= history.front().first_seen) {
      look.first_seen = history.front().first_seen + absl::Microseconds(1);
      look.last_seen = std::max(look.last_seen, look.first_seen);
    }
    update.put.push_back(std::move(look));
  }
  update.forget = Expire(Apply(history, update), now, Watched::kYes, limits).forget;
  return update;
}

HistoryUpdate Expire(const std::vector<Observation>& history, absl::Time now, Watched watched,
                     const HistoryLimits& limits) {
  HistoryUpdate update;
  const Observation* kept = watched == Watched::kYes ? LatestAnswer(history) : nullptr;
  size_t answers = 0, unknown = 0, minor = 0, bytes = 0;
  for (auto it = history.begin(); it != history.end(); ++it) {
    const Observation& entry = *it;
    const bool answer = IsAnswer(entry.outcome);
    ++(answer ? answers : unknown);
    const bool is_minor = answer && IsMinor(entry, it + 1, history.end());
    if (is_minor) ++minor;
    bytes += BytesOf(entry);
    if (&entry == kept) continue;
    const bool over = bytes > limits.bytes || (is_minor && minor > limits.minor_entries) ||
                      (answer ? answers > limits.entries : unknown > limits.unknown_entries);
    const bool old = now - entry.last_seen > (answer ? limits.age : limits.unknown_age);
    if (over || old) update.forget.push_back(entry.first_seen);
  }
  return update;
}

std::vector<Observation> Apply(std::vector<Observation> history, const HistoryUpdate& update) {
  std::erase_if(history, [&update](const Observation& entry) {
    const auto same = [&entry](const Observation& put) {
      return put.first_seen == entry.first_seen;
    };
    return std::ranges::find(update.forget, entry.first_seen) != update.forget.end() ||
           std::ranges::any_of(update.put, same);
  });
  history.insert(history.end(), update.put.begin(), update.put.end());
  std::ranges::sort(history, std::greater<>(), &Observation::first_seen);
  return history;
}

}  // namespace dmarcate
