#include "bench/process.h"

#include <sys/resource.h>

#include <fstream>
#include <string>
#include <string_view>

namespace dmarcate::bench {
namespace {

// A line of /proc/self/status, given there in KiB.
int64_t StatusBytes(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::stoll(line.substr(name.size())) << 10;
  }
  return 0;
}

}  // namespace

double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int64_t MemoryBytes() { return StatusBytes("VmRSS:"); }
int64_t PeakMemoryBytes() { return StatusBytes("VmHWM:"); }
void ForgetPeakMemory() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace dmarcate::bench
