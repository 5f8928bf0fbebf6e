// cli/progress.h
// Progress on stderr: one redrawn line on a terminal; elsewhere a plain line each ten seconds or
// ten percent, at most one a second, and one for the end.

#ifndef DMARCATE_CLI_PROGRESS_H_
#define DMARCATE_CLI_PROGRESS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace dmarcate::cli {

// Not thread-safe.
class Progress {
 public:
  // `unit` is what items are: "messages". `total_bytes` and `total_items` 0: unknown; then there is
  // no bar, and no time left.
  Progress(std::string verb, std::string unit, int64_t total_bytes, int64_t total_items);
  ~Progress();
  void Update(int64_t bytes, int64_t items, const std::string& counts);
  // Shows the last state, unless nothing was shown or it was that, and ends the line.
  void Finish();

 private:
  int64_t Percent() const;
  std::string Line(absl::Time now) const;
  const std::string verb_, unit_;
  const int64_t total_bytes_, total_items_;
  const bool terminal_;
  const absl::Time start_;
  absl::Time drawn_ = absl::InfinitePast();
  int64_t drawn_percent_ = 0;
  int64_t bytes_ = 0, items_ = 0;
  std::string counts_;
  bool stale_ = false;  // there was an update since the line was shown
  bool finished_ = false;
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_PROGRESS_H_
