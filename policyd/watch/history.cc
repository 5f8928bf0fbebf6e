#include "policyd/watch/history.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace dmarcate {
namespace {

size_t BytesOf(const Observation& observation) {
  size_t bytes = observation.error.size();
  for (const std::string& value : observation.values) bytes += value.size();
  for (const std::string& target : observation.cname_chain) bytes += target.size();
  for (const ObservedServer& server : observation.disagreeing) {
    bytes += server.name_server.size() + server.address.size();
    for (const std::string& value : server.values) bytes += value.size();
  }
  return bytes;
}

// `entry`, seen once more.
Observation SeenAgain(Observation entry, const Observation& look) {
  entry.last_seen = std::max(entry.last_seen, look.last_seen);
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
  if (entry.values != look.values || entry.values_sha256 != look.values_sha256 ||
      entry.cname_chain != look.cname_chain) {
    return false;
  }
  if (entry.dnssec != look.dnssec && entry.dnssec != DnssecState::kUnknown &&
      look.dnssec != DnssecState::kUnknown) {
    return false;
  }
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
  size_t answers = 0, unknown = 0, bytes = 0;
  for (const Observation& entry : history) {
    const bool answer = IsAnswer(entry.outcome);
    ++(answer ? answers : unknown);
    bytes += BytesOf(entry);
    if (&entry == kept) continue;
    const bool over = bytes > limits.bytes ||
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
