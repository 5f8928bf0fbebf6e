// policyd/analysis/source_places.h
// How many sources of a domain are kept apart, and whose: anybody can send a report that invents
// thousands. Those leave room for what believed reports name. Pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_SOURCE_PLACES_H_
#define DMARCATE_POLICYD_ANALYSIS_SOURCE_PLACES_H_

#include <cstddef>

namespace dmarcate {

inline constexpr size_t kMaxSources = 10'000;        // of one domain and range
inline constexpr size_t kMaxClaimedSources = 5'000;  // of them, in no report that is believed

class SourcePlaces {
 public:
  // Whether one more source has a place of its own. `believed`: by a row that is (statistics.h).
  bool Take(bool believed) {
    if (taken_ == kMaxSources || (!believed && claimed_ == kMaxClaimedSources)) return false;
    ++taken_;
    claimed_ += believed ? 0 : 1;
    return true;
  }

 private:
  size_t taken_ = 0, claimed_ = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_SOURCE_PLACES_H_
