#include "cli/progress.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "fmt/format.h"

#include "cli/output.h"

namespace dmarcate::cli {
namespace {

constexpr int kBarWidth = 24;
constexpr absl::Duration kRedraw = absl::Milliseconds(100);
constexpr absl::Duration kPlainLine = absl::Seconds(10);
constexpr absl::Duration kPlainGap = absl::Seconds(1);

std::string Bytes(int64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} B", bytes);
  if (bytes < 10'000'000) return fmt::format("{} kB", bytes / 1000);
  if (bytes < 10'000'000'000) return fmt::format("{} MB", bytes / 1'000'000);
  return fmt::format("{} GB", bytes / 1'000'000'000);
}

std::string Duration(int64_t seconds) {
  if (seconds < 100) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min", (seconds + 59) / 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
}

}  // namespace

Progress::Progress(std::string verb, std::string unit, int64_t total_bytes, int64_t total_items)
    : verb_(std::move(verb)),
      unit_(std::move(unit)),
      total_bytes_(total_bytes),
      total_items_(total_items),
      terminal_(StderrIsTerminal()),
      start_(absl::Now()) {}

Progress::~Progress() { Finish(); }

int64_t Progress::Percent() const {
  if (total_bytes_ <= 0) return 0;
  return std::min<int64_t>(bytes_ * 100 / total_bytes_, 100);  // a file may have grown
}

std::string Progress::Line(absl::Time now) const {
  const double seconds = std::max(absl::ToDoubleSeconds(now - start_), 0.001);
  const auto rate = static_cast<int64_t>(static_cast<double>(items_) / seconds);
  std::string line = verb_;
  if (total_bytes_ > 0) {
    const int64_t percent = Percent();
    if (terminal_) {
      const auto filled = static_cast<size_t>(percent * kBarWidth / 100);
      line += fmt::format(" [{:<{}}]", std::string(filled, '#'), kBarWidth);
    }
    line += fmt::format(" {:>3}%  {} of {}", percent, Bytes(bytes_), Bytes(total_bytes_));
  } else if (bytes_ > 0) {
    line += fmt::format(" {}", Bytes(bytes_));
  }
  if (bytes_ > 0) {
    line +=
        fmt::format("  {}/s", Bytes(static_cast<int64_t>(static_cast<double>(bytes_) / seconds)));
    if (bytes_ < total_bytes_) {
      const double left =
          seconds * static_cast<double>(total_bytes_ - bytes_) / static_cast<double>(bytes_);
      line += fmt::format("  {} left", Duration(static_cast<int64_t>(left)));
    }
  }
  line += fmt::format("  {}: {}{}, {} a second", unit_, items_,
                      total_items_ > 0 ? fmt::format(" of {}", total_items_) : "", rate);
  return counts_.empty() ? line : fmt::format("{}  {}", line, counts_);
}

void Progress::Update(int64_t bytes, int64_t items, const std::string& counts) {
  if (finished_) return;
  bytes_ = bytes;
  items_ = items;
  counts_ = counts;
  stale_ = true;
  const absl::Time now = absl::Now();
  if (terminal_) {
    if (now - drawn_ < kRedraw) return;
    WriteErr(fmt::format("\r\033[K{}", Line(now)));
  } else {
    const absl::Duration since = now - std::max(drawn_, start_);
    const bool soon = drawn_ != absl::InfinitePast() && since < kPlainGap;
    if (soon || (since < kPlainLine && Percent() < drawn_percent_ + 10)) return;
    drawn_percent_ = Percent() / 10 * 10;
    WriteErr(Line(now) + "\n");
  }
  drawn_ = now;
  stale_ = false;
}

void Progress::Finish() {
  if (finished_) return;
  finished_ = true;
  if (terminal_) {
    WriteErr(fmt::format("\r\033[K{}\n", Line(absl::Now())));
  } else if (stale_ && drawn_ != absl::InfinitePast()) {
    WriteErr(Line(absl::Now()) + "\n");
  }
}

}  // namespace dmarcate::cli
