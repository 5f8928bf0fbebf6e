#include "bench/process.h"

#include <sys/resource.h>

#include <fstream>
#include <string>
#include <string_view>
#include <thread>

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

// Processor time of the whole machine since its start, in ticks: proc_stat(5).
struct MachineTime {
  double idle = 0, all = 0;
};
MachineTime ReadMachineTime() {
  std::ifstream stat("/proc/stat");
  std::string name;
  stat >> name;
  MachineTime out;
  // user nice system idle iowait irq softirq steal
  for (int i = 0; i < 8; ++i) {
    double ticks = 0;
    stat >> ticks;
    out.all += ticks;
    if (i == 3) out.idle = ticks;
  }
  return out;
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

bool AwaitQuietMachine(std::chrono::steady_clock::duration limit) {
  constexpr std::chrono::milliseconds kLook(250);
  constexpr double kQuiet = 0.9;
  const auto end = std::chrono::steady_clock::now() + limit;
  MachineTime before = ReadMachineTime();
  while (std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kLook);
    const MachineTime now = ReadMachineTime();
    if (now.idle - before.idle >= kQuiet * (now.all - before.all)) return true;
    before = now;
  }
  return false;
}

}  // namespace dmarcate::bench
