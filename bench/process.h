// bench/process.h
// What the system says of this process: processor time and memory.

#ifndef DMARCATE_BENCH_PROCESS_H_
#define DMARCATE_BENCH_PROCESS_H_

#include <cstdint>

namespace dmarcate::bench {

// Of all threads, in user mode and in the kernel.
double CpuSeconds();

// Resident bytes: now, and the most there have been since ForgetPeakMemory(). 0 if the system does
// not say.
int64_t MemoryBytes();
int64_t PeakMemoryBytes();
void ForgetPeakMemory();

}  // namespace dmarcate::bench

#endif  // DMARCATE_BENCH_PROCESS_H_
