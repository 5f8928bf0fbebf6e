// bench/process.h
// What the system says of this process: processor time and memory; and of the whole machine.

#ifndef DMARCATE_BENCH_PROCESS_H_
#define DMARCATE_BENCH_PROCESS_H_

#include <chrono>
#include <cstdint>

namespace dmarcate::bench {

// Of all threads, in user mode and in the kernel.
double CpuSeconds();

// Resident bytes: now, and the most there have been since ForgetPeakMemory(). 0 if the system does
// not say.
int64_t MemoryBytes();
int64_t PeakMemoryBytes();
void ForgetPeakMemory();

// Waits until nobody on the machine works any more: until the processors were idle for nine tenths
// of a quarter of a second, or `limit` is over, which is false; or at once if the system does not
// say, which is true. For servers that work on after the last answer, so that whoever is measured
// next has the machine alone.
bool AwaitQuietMachine(std::chrono::steady_clock::duration limit);

}  // namespace dmarcate::bench

#endif  // DMARCATE_BENCH_PROCESS_H_
