#include "lib/base/thread.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

namespace dmarcate {
namespace {

constexpr int kGivesWay = 10;  // nice value

}  // namespace

void NameThread(const char* name) { pthread_setname_np(pthread_self(), name); }

void GiveWay() {
  // On Linux the nice value is the thread's, whatever POSIX says of processes (setpriority(2)).
  const auto self = static_cast<id_t>(gettid());
  if (getpriority(PRIO_PROCESS, self) < kGivesWay) setpriority(PRIO_PROCESS, self, kGivesWay);
}

}  // namespace dmarcate
