// tests/lib/unpack/cost.h
// What unpacking an input costs, measured in a forked child: its peak memory above its own
// beginning and its processor time. Beside that the child may be forbidden to touch any file or
// network.

#ifndef DMARCATE_TESTS_LIB_UNPACK_COST_H_
#define DMARCATE_TESTS_LIB_UNPACK_COST_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/unpack/unpack.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DMARCATE_SANITIZED 1  // shadow memory and quarantine are not ours
#else
#define DMARCATE_SANITIZED 0
#endif

namespace dmarcate {

// kForbidden: the kernel kills the child at the first call that names a file, starts a program or
// makes a socket. A converter of a charset is a file of the C library's: such inputs need kAllowed.
enum class Files : uint8_t { kAllowed, kForbidden };

// False where the kernel offers no such filter for this machine; kForbidden then forbids nothing.
bool CanForbidFiles();

struct Measured {
  std::vector<std::string> lines;  // UnpackLines()
  int64_t growth_kib = 0;
  double cpu_seconds = 0;
  bool killed = false;  // by the filter, or by anything else
};

// The input is the child's before the measuring begins: it is what the daemon has received already.
Measured UnpackInChild(const std::string& input, Files files, bool handed_in = false,
                       std::string_view file_name = "", const MakeRecordSink& make_sink = nullptr);

// The cheapest of some tries, or the first that takes less than `cpu_seconds`: others on the
// machine make the same work longer, never shorter.
Measured UnpackWithin(const std::string& input, Files files, bool handed_in, double cpu_seconds,
                      const MakeRecordSink& make_sink = nullptr);

// Of this process so far, its threads together.
double CpuSeconds();

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_UNPACK_COST_H_
