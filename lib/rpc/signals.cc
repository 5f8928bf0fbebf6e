#include "lib/rpc/signals.h"

#include <pthread.h>
#include <signal.h>

#include <systemd/sd-daemon.h>

namespace dmarcate {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

void BlockSignals() {
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

int WaitForSignal() {
  sd_notify(0, "READY=1");
  const sigset_t set = StopSignals();
  int received = 0;
  while (sigwait(&set, &received) != 0) {
  }
  sd_notify(0, "STOPPING=1");
  return received;
}

}  // namespace dmarcate
