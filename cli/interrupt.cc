#include "cli/interrupt.h"

#include <pthread.h>
#include <unistd.h>

#include <utility>

namespace dmarcate::cli {
namespace {

constexpr int kEnded = SIGUSR1;  // from the destructor; blocked as the others are

}  // namespace

InterruptWatch::InterruptWatch(std::function<void(int)> told) : told_(std::move(told)) {
  sigemptyset(&signals_);
  for (const int signal : {SIGINT, SIGTERM, kEnded}) sigaddset(&signals_, signal);
  pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  thread_ = std::thread([this] { Wait(); });
}

InterruptWatch::~InterruptWatch() {
  ended_ = true;
  pthread_kill(thread_.native_handle(), kEnded);
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void InterruptWatch::Wait() {
  int signal = 0;
  do {
    if (sigwait(&signals_, &signal) != 0 || ended_) return;
  } while (signal == kEnded);  // somebody else's
  // From now on they end the process as they would without a watch, should this take long.
  sigset_t asked;
  sigemptyset(&asked);
  for (const int one : {SIGINT, SIGTERM}) sigaddset(&asked, one);
  pthread_sigmask(SIG_UNBLOCK, &asked, nullptr);
  told_(128 + signal);
  _exit(128 + signal);
}

}  // namespace dmarcate::cli
