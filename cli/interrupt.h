// cli/interrupt.h
// What a command says before SIGINT or SIGTERM ends it.

#ifndef DMARCATE_CLI_INTERRUPT_H_
#define DMARCATE_CLI_INTERRUPT_H_

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>

namespace dmarcate::cli {

// While it lives, the first SIGINT or SIGTERM calls `told` on a thread of its own, which may lock
// and print, and then ends the process at once with 128 and the number of the signal; the second
// one does so without waiting. Make it before other threads: they inherit that they are not asked.
class InterruptWatch {
 public:
  // `told` gets the exit code.
  explicit InterruptWatch(std::function<void(int exit_code)> told);
  // Signals do again what they did before.
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

 private:
  void Wait();

  const std::function<void(int)> told_;
  sigset_t signals_, before_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_INTERRUPT_H_
